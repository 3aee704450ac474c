package detectors

import "math"

// cutForest is a set of random cut trees in a few slabs without pointers. Rows are float32, padded with zeros to a
// width that is a multiple of four: a padding column has no range, so it is never cut and nothing is outside in it.
//
// Tree t owns nodes[t*inner : t*inner+inner] of its inner nodes, of which fewer may be used, in preorder, and as many
// boxes; its leaves are leaves[t*psi : (t+1)*psi]. A child k >= 0 is an inner node, k < 0 the leaf ^k.
type cutForest struct {
	trees, psi, width, inner int

	nodes  []cutNode
	boxes  []float32 // Per node and column, interleaved by four: four lows, four highs.
	leaves []cutLeaf
	roots  []int16   // Child number of each tree's root: 0, or ^0 if all its rows are equal.
	weight []float64 // (1 - m/2ψ) by rows m.
	depths []float64 // 1/(h + 1) by depth h.
	logs   []float64 // log2(1 + m) by rows m.
	sample []float32 // The rows of leaves with several equal rows.
}

// cutNode is an inner node: rows with a value at most the cut are in child 0.
type cutNode struct {
	cut      float32
	column   uint16
	rows     uint16
	children [2]int16
	parent   int16 // -1 at the root.
	depth    uint16
}

// cutLeaf holds the rows that no cut can separate.
type cutLeaf struct {
	parent int16
	rows   uint16
	depth  uint16
	sample int32 // Where their values are, of several rows; -1 for one row, whose values do not matter.
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
	f.trees, f.psi, f.width, f.inner = trees, psi, width, max(psi-1, 1)
	f.nodes = resize(f.nodes, trees*f.inner)
	f.boxes = resize(f.boxes, trees*f.inner*2*width)
	f.leaves = resize(f.leaves, trees*psi)
	f.roots = resize(f.roots, trees)
	f.weight, f.depths, f.logs = resize(f.weight, psi+1), resize(f.depths, psi+1), resize(f.logs, psi+1)
	f.sample = f.sample[:0]
	for m := range f.weight {
		f.weight[m] = 1 - float64(m)/float64(2*psi)
		f.depths[m] = 1 / float64(m+1)
		f.logs[m] = math.Log2(float64(1 + m))
	}
}

// score returns the mean over the trees.
func (f *cutForest) score(row []float32) float64 {
	var sum float64
	for t := range f.trees {
		sum += f.scoreTree(t, row)
	}
	return sum / float64(f.trees)
}

// scoreAll scores the padded rows, tree after tree, since a tree fits the nearest cache.
func (f *cutForest) scoreAll(rows []float32, scores []float64) {
	clear(scores)
	for t := range f.trees {
		for i := range scores {
			scores[i] += f.scoreTree(t, rows[i*f.width:(i+1)*f.width])
		}
	}
	for i := range scores {
		scores[i] /= float64(f.trees)
	}
}

// scoreTree returns the expected score of a row in one tree. It descends to the leaf first and works its way up: a box
// holds those below it, so at the first node that the row is inside of, nothing more can happen.
func (f *cutForest) scoreTree(t int, row []float32) float64 {
	nodes := f.nodes[t*f.inner : (t+1)*f.inner]
	boxes := f.boxes[t*f.inner*2*f.width : (t+1)*f.inner*2*f.width]
	k := int(f.roots[t])
	for k >= 0 {
		node := &nodes[k]
		right := math.Float32bits(node.cut-row[node.column]) >> 31
		k = int(node.children[right&1])
	}
	leaf := &f.leaves[t*f.psi+^k]
	value := f.leafValue(leaf, row)
	if f.width == 4 {
		return f.ascend4(nodes, boxes, int(leaf.parent), (*[4]float32)(row), value)
	}
	for k = int(leaf.parent); k >= 0; k = int(nodes[k].parent) {
		var outside, sides float32
		for j := 0; j < len(row); j += 4 {
			e, l := outsideBox((*[8]float32)(boxes[2*(k*f.width+j):]), (*[4]float32)(row[j:]))
			outside += e
			sides += l
		}
		if outside == 0 {
			break
		}
		value = f.mix(&nodes[k], outside, sides, value)
	}
	return value
}

// ascend4 is the way up for rows of one block.
func (f *cutForest) ascend4(nodes []cutNode, boxes []float32, k int, row *[4]float32, value float64) float64 {
	for k >= 0 {
		outside, sides := outsideBox((*[8]float32)(boxes[8*k:]), row)
		if outside == 0 {
			break
		}
		node := &nodes[k]
		value = f.mix(node, outside, sides, value)
		k = int(node.parent)
	}
	return value
}

// mix returns the expectation at a node, given that of the row's child.
func (f *cutForest) mix(node *cutNode, outside, sides float32, below float64) float64 {
	e, l := float64(outside), float64(sides)
	return (float64(e*f.weight[node.rows]*f.depths[node.depth]) + float64(l*below)) / (e + l)
}

// leafValue is what a row earns in a leaf. One row alone is worth the same whether the new row equals it or not.
func (f *cutForest) leafValue(leaf *cutLeaf, row []float32) float64 {
	if leaf.sample >= 0 {
		same := f.sample[leaf.sample : int(leaf.sample)+f.width]
		equal := true
		for j, v := range row {
			equal = equal && v == same[j]
		}
		if equal {
			return f.weight[leaf.rows] / (float64(leaf.depth) + f.logs[leaf.rows])
		}
	}
	return f.weight[leaf.rows] * f.depths[leaf.depth]
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
		k := int(f.roots[t])
		for k >= 0 {
			node := &f.nodes[t*f.inner+k]
			box := f.boxes[(t*f.inner+k)*2*f.width:][:2*f.width]
			var outside, sides float64
			for j := 0; j < len(row); j += 4 {
				e, l := outsideBox((*[8]float32)(box[2*j:]), (*[4]float32)(row[j:]))
				outside += float64(e)
				sides += float64(l)
			}
			if outside > 0 {
				worth := share * f.weight[node.rows] * f.depths[node.depth] / (outside + sides)
				for j := range parts {
					at := j&^3*2 + j&3
					parts[j] += float64(worth * float64(positive(box[at]-row[j])+positive(row[j]-box[at+4])))
				}
				share *= sides / (outside + sides)
			}
			k = int(node.children[math.Float32bits(node.cut-row[node.column])>>31])
		}
		f.explainLeaf(&f.leaves[t*f.psi+^k], row, share, parts)
	}
}

// explainLeaf shares what a row earns as one that differs from the rows of a leaf.
func (f *cutForest) explainLeaf(leaf *cutLeaf, row []float32, share float64, parts []float64) {
	if leaf.sample < 0 {
		return
	}
	same := f.sample[leaf.sample : int(leaf.sample)+f.width]
	var outside float64
	for j, v := range row {
		outside += math.Abs(float64(v) - float64(same[j]))
	}
	if outside == 0 {
		return
	}
	for j := range parts {
		parts[j] += float64(share * f.weight[leaf.rows] * f.depths[leaf.depth] * (math.Abs(float64(row[j])-float64(same[j])) / outside))
	}
}

// sizeBytes returns the memory of the trees.
func (f *cutForest) sizeBytes() int {
	return 16*cap(f.nodes) + 12*cap(f.leaves) + 4*(cap(f.boxes)+cap(f.sample)) + 2*cap(f.roots) +
		8*(cap(f.weight)+cap(f.depths)+cap(f.logs))
}
