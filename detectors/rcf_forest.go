package detectors

import "math"

// cutForest is a set of random cut trees in a few slabs without pointers. Rows are float32, padded with zeros to a
// width that is a multiple of four: a padding column has no range, so it is never cut and nothing is outside in it.
//
// Tree t owns steps[t*2*psi:] and info[t*2*psi:], of which at most 2*psi-1 are used, node 0 being its root, and
// boxes[t*psi*2*width:]. The children of a node are neighbours, so that a comparison bit added to the first is the child;
// a leaf is its own first child under a cut that nothing exceeds, so that descents may go on while others need it.
type cutForest struct {
	trees, psi, width int

	steps  []cutStep
	info   []cutInfo
	boxes  []float32 // Per box, interleaved by four columns: four lows, four highs.
	weight []float64 // (1 - m/2ψ) by rows m.
	depths []float64 // 1/(h + 1) by depth h.
	logs   []float64 // log2(1 + m) by rows m.
}

// cutStep is what a descent needs of a node: rows with a value above the cut are in child first+1.
type cutStep struct {
	cut    float32
	column uint16
	first  uint16
}

// cutInfo is the rest. Inner nodes and leaves of several equal rows have a box; the values of a row alone do not matter,
// as it is worth the same to equal it and to be cut off from it.
type cutInfo struct {
	parent int16 // -1 of the root.
	rows   uint16
	depth  uint16
	box    int16 // -1 for none.
}

// cutStack is how many columns are cast on the stack.
const cutStack = 64

// cutLimit bounds values, so that sums of distances stay finite in float32.
const cutLimit = 1e32

// castRow writes a row as float32, bounded, and zeros up to the width.
func castRow(row []float64, to []float32) []float32 {
	for j, v := range row {
		to[j] = float32(min(max(v, -cutLimit), cutLimit))
	}
	clear(to[len(row):])
	return to
}

// reset makes room for trees without a node.
func (f *cutForest) reset(trees, psi, width int) {
	f.trees, f.psi, f.width = trees, psi, width
	f.steps, f.info = resize(f.steps, trees*2*psi), resize(f.info, trees*2*psi)
	f.boxes = resize(f.boxes, trees*psi*2*width)
	f.weight, f.depths, f.logs = resize(f.weight, psi+1), resize(f.depths, psi+1), resize(f.logs, psi+1)
	for m := range f.weight {
		f.weight[m] = 1 - float64(m)/float64(2*psi)
		f.depths[m] = 1 / float64(m+1)
		f.logs[m] = math.Log2(float64(1 + m))
	}
}

// stepsOf returns the steps of a tree.
func (f *cutForest) stepsOf(t int) []cutStep { return f.steps[t*2*f.psi : (t+1)*2*f.psi] }

// score returns the mean over the trees, which are descended four at a time: their loads do not wait for one another.
func (f *cutForest) score(row []float32) float64 {
	var sum float64
	t := 0
	for ; t+4 <= f.trees; t += 4 {
		a, b, c, d := descendFour(f.stepsOf(t), f.stepsOf(t+1), f.stepsOf(t+2), f.stepsOf(t+3), row, row, row, row)
		sum += f.ascend(t, a, row)
		sum += f.ascend(t+1, b, row)
		sum += f.ascend(t+2, c, row)
		sum += f.ascend(t+3, d, row)
	}
	for ; t < f.trees; t++ {
		sum += f.ascend(t, descendOne(f.stepsOf(t), row), row)
	}
	return sum / float64(f.trees)
}

// scoreAll scores the padded rows, tree after tree, since a tree fits the nearest cache, and four rows at a time.
func (f *cutForest) scoreAll(rows []float32, scores []float64) {
	clear(scores)
	for t := range f.trees {
		steps := f.stepsOf(t)
		i := 0
		for ; i+4 <= len(scores); i += 4 {
			p, q := rows[i*f.width:(i+1)*f.width], rows[(i+1)*f.width:(i+2)*f.width]
			r, s := rows[(i+2)*f.width:(i+3)*f.width], rows[(i+3)*f.width:(i+4)*f.width]
			a, b, c, d := descendFour(steps, steps, steps, steps, p, q, r, s)
			scores[i] += f.ascend(t, a, p)
			scores[i+1] += f.ascend(t, b, q)
			scores[i+2] += f.ascend(t, c, r)
			scores[i+3] += f.ascend(t, d, s)
		}
		for ; i < len(scores); i++ {
			row := rows[i*f.width : (i+1)*f.width]
			scores[i] += f.ascend(t, descendOne(steps, row), row)
		}
	}
	for i := range scores {
		scores[i] /= float64(f.trees)
	}
}

// descendOne returns the leaf that a row reaches.
func descendOne(steps []cutStep, row []float32) uint32 {
	for i := uint32(0); ; {
		next := steps[i].next(row)
		if next == i {
			return i
		}
		i = next
	}
}

// descendFour is descendOne for four pairs of a tree and a row.
func descendFour(a, b, c, d []cutStep, p, q, r, s []float32) (i, j, k, l uint32) {
	for {
		in, jn, kn, ln := a[i].next(p), b[j].next(q), c[k].next(r), d[l].next(s)
		if (in^i)|(jn^j)|(kn^k)|(ln^l) == 0 {
			return i, j, k, l
		}
		i, j, k, l = in, jn, kn, ln
	}
}

// next returns the child that a row goes on to.
func (s cutStep) next(row []float32) uint32 {
	return uint32(s.first) + math.Float32bits(s.cut-row[s.column])>>31
}

// ascend returns the expected score of a row that reaches a leaf of a tree. It works its way up: a box holds those
// below it, so at the first node that the row is inside of, nothing more can happen.
func (f *cutForest) ascend(t int, leaf uint32, row []float32) float64 {
	info := f.info[t*2*f.psi : (t+1)*2*f.psi]
	boxes := f.boxes[t*f.psi*2*f.width : (t+1)*f.psi*2*f.width]
	value := f.leafValue(&info[leaf], boxes, row)
	return ascendBoxes(f, info, boxes, row, int(leaf), value)
}

// ascendBoxesGo returns the expectation at the first ancestor of a node that the row is inside of, or at the root, given
// that at the node.
func ascendBoxesGo(f *cutForest, info []cutInfo, boxes, row []float32, at int, value float64) float64 {
	node := &info[at]
	for node.parent >= 0 {
		node = &info[node.parent]
		outside, sides := outsideWide(boxes[2*int(node.box)*f.width:], row)
		if outside == 0 {
			break
		}
		value = f.mix(node, outside, sides, value)
	}
	return value
}

// mix returns the expectation at a node, given that of the row's child.
func (f *cutForest) mix(node *cutInfo, outside, sides float32, below float64) float64 {
	// The division does not wait for the row's child.
	e, l := float64(outside), float64(sides)
	share := 1 / (e + l)
	return float64(e*share*(f.weight[node.rows]*f.depths[node.depth])) + float64(float64(l*share)*below)
}

// leafValue is what a row earns in a leaf.
func (f *cutForest) leafValue(leaf *cutInfo, boxes, row []float32) float64 {
	if leaf.box >= 0 {
		if outside, _ := outsideWide(boxes[2*int(leaf.box)*f.width:], row); outside == 0 {
			return f.weight[leaf.rows] / (float64(leaf.depth) + f.logs[leaf.rows])
		}
	}
	return f.weight[leaf.rows] * f.depths[leaf.depth]
}

// outsideWide is outsideBox for rows of any width.
func outsideWide(box, row []float32) (outside, sides float32) {
	for j := 0; j < len(row); j += 4 {
		e, l := outsideBox((*[8]float32)(box[2*j:]), (*[4]float32)(row[j:]))
		outside += e
		sides += l
	}
	return outside, sides
}

// outsideBox returns, for four columns, how far a row lies outside a box and the sum of the box's sides.
func outsideBox(box *[8]float32, row *[4]float32) (outside, sides float32) {
	e0 := positive(box[0]-row[0]) + positive(row[0]-box[4])
	e1 := positive(box[1]-row[1]) + positive(row[1]-box[5])
	e2 := positive(box[2]-row[2]) + positive(row[2]-box[6])
	e3 := positive(box[3]-row[3]) + positive(row[3]-box[7])
	l0, l1, l2, l3 := box[4]-box[0], box[5]-box[1], box[6]-box[2], box[7]-box[3]
	return (e0 + e1) + (e2 + e3), (l0 + l1) + (l2 + l3)
}

// positive is max(v, 0) without a branch.
func positive(v float32) float32 {
	b := int32(math.Float32bits(v))
	return math.Float32frombits(uint32(b &^ (b >> 31)))
}

// explain adds to parts what each column earns at the nodes of a row's paths, as a mean over the trees.
func (f *cutForest) explain(row []float32, parts []float64) {
	for t := range f.trees {
		share := 1 / float64(f.trees)
		steps := f.stepsOf(t)
		for i, next := uint32(0), uint32(0); ; i = next {
			next = steps[i].next(row)
			node := &f.info[t*2*f.psi+int(i)]
			if node.box >= 0 {
				share *= f.explainNode(node, f.boxes[(t*f.psi+int(node.box))*2*f.width:], row, share, parts)
			}
			if next == i {
				break
			}
		}
	}
}

// explainNode shares what a row earns by being cut off at a node, and returns the probability that it goes on.
func (f *cutForest) explainNode(node *cutInfo, box, row []float32, share float64, parts []float64) float64 {
	outside, sides := outsideWide(box, row)
	if outside == 0 {
		return 1
	}
	all := float64(outside) + float64(sides)
	worth := share * f.weight[node.rows] * f.depths[node.depth] / all
	for j := range parts {
		at := j&^3*2 + j&3
		parts[j] += float64(worth * float64(positive(box[at]-row[j])+positive(row[j]-box[at+4])))
	}
	return float64(sides) / all
}

// sizeBytes returns the memory of the trees.
func (f *cutForest) sizeBytes() int {
	return 8*(cap(f.steps)+cap(f.info)+cap(f.weight)+cap(f.depths)+cap(f.logs)) + 4*cap(f.boxes)
}
