package detectors

import "math"

// cutGrower is the scratch memory of growing a cutForest, and of scoring a wide row.
type cutGrower struct {
	values []float32 // All training rows, padded.
	perm   []int32   // A permutation of the rows; every tree shuffles its first psi on.
	block  []float32 // The rows of one tree, reordered so that those of a node are contiguous.
	row    []float32

	f     *cutForest
	r     rng
	tree  int
	nodes int // Of the tree so far.
	boxes int
}

// grow replaces the forest by one of trees of psi rows each.
func (g *cutGrower) grow(f *cutForest, x Matrix, trees, psi int, seed uint64) {
	width := (x.Cols + 3) &^ 3
	f.reset(trees, psi, width)
	g.f, g.r = f, newRNG(seed, 0)
	g.values, g.perm = resize(g.values, x.Rows*width), resize(g.perm, x.Rows)
	for i := range g.perm {
		g.perm[i] = int32(i)
		castRow(x.Row(i), g.values[i*width:(i+1)*width])
	}
	g.block = resize(g.block, psi*width)
	for g.tree = range trees {
		for i := range psi {
			j := i + g.r.below(x.Rows-i)
			g.perm[i], g.perm[j] = g.perm[j], g.perm[i]
			row := int(g.perm[i]) * width
			copy(g.block[i*width:(i+1)*width], g.values[row:row+width])
		}
		g.nodes, g.boxes = 1, 0
		g.split(0, cutInfo{parent: -1, rows: uint16(psi)}, 0, psi)
	}
	g.f = nil
}

// split makes node i, with the rows block[lo:hi], an inner node or a leaf.
func (g *cutGrower) split(i int, info cutInfo, lo, hi int) {
	f, width := g.f, g.f.width
	at := g.tree * 2 * f.psi
	leaf := cutStep{cut: float32(math.Inf(1)), first: uint16(i)}
	info.box = -1
	if hi-lo == 1 {
		f.steps[at+i], f.info[at+i] = leaf, info
		return
	}
	info.box = int16(g.boxes)
	box := f.boxes[(g.tree*f.psi+g.boxes)*2*width:][:2*width]
	g.boxes++
	total := g.measure(box, lo, hi)
	f.steps[at+i], f.info[at+i] = leaf, info
	if total == 0 {
		return
	}
	column, cut := g.cut(box, total)
	first := g.nodes
	g.nodes += 2
	f.steps[at+i] = cutStep{cut: cut, column: uint16(column), first: uint16(first)}
	mid := g.partition(column, cut, lo, hi)
	g.split(first, cutInfo{parent: int16(i), rows: uint16(mid - lo), depth: info.depth + 1}, lo, mid)
	g.split(first+1, cutInfo{parent: int16(i), rows: uint16(hi - mid), depth: info.depth + 1}, mid, hi)
}

// measure writes the bounding box of the rows block[lo:hi] and returns the sum of its sides.
func (g *cutGrower) measure(box []float32, lo, hi int) float64 {
	width := g.f.width
	var total float64
	for j := 0; j < width; j += 4 {
		at := (*[4]float32)(g.block[lo*width+j:])
		l0, l1, l2, l3 := at[0], at[1], at[2], at[3]
		h0, h1, h2, h3 := l0, l1, l2, l3
		for i := lo + 1; i < hi; i++ {
			v := (*[4]float32)(g.block[i*width+j:])
			if v[0] < l0 {
				l0 = v[0]
			} else if v[0] > h0 {
				h0 = v[0]
			}
			if v[1] < l1 {
				l1 = v[1]
			} else if v[1] > h1 {
				h1 = v[1]
			}
			if v[2] < l2 {
				l2 = v[2]
			} else if v[2] > h2 {
				h2 = v[2]
			}
			if v[3] < l3 {
				l3 = v[3]
			} else if v[3] > h3 {
				h3 = v[3]
			}
		}
		*(*[8]float32)(box[2*j:]) = [8]float32{l0, l1, l2, l3, h0, h1, h2, h3}
		total += (float64(h0) - float64(l0)) + (float64(h1) - float64(l1)) +
			(float64(h2) - float64(l2)) + (float64(h3) - float64(l3))
	}
	return total
}

// cut draws a point on the sides of a box laid end to end: a column with probability proportional to its range, and a
// position uniform in it. Both sides of the cut hold rows.
func (g *cutGrower) cut(box []float32, total float64) (column int, cut float32) {
	point := g.r.float() * total
	last := 0
	for j := range g.f.width {
		at := j&^3*2 + j&3
		lo, side := box[at], float64(box[at+4])-float64(box[at])
		if side == 0 {
			continue
		}
		last = j
		if point < side {
			cut = float32(float64(lo) + point)
			if cut < box[at+4] {
				return j, max(cut, lo)
			}
			return j, lo
		}
		point -= side
	}
	return last, box[last&^3*2+last&3] // Rounding went past the last side.
}

// partition moves the rows of block[lo:hi] with a value at most the cut to the front and returns where the others begin.
func (g *cutGrower) partition(column int, cut float32, lo, hi int) int {
	width := g.f.width
	for lo < hi {
		if g.block[lo*width+column] <= cut {
			lo++
			continue
		}
		hi--
		a, b := g.block[lo*width:(lo+1)*width], g.block[hi*width:(hi+1)*width]
		for j := 0; j < width; j += 4 {
			p, q := (*[4]float32)(a[j:]), (*[4]float32)(b[j:])
			*p, *q = *q, *p
		}
	}
	return lo
}
