package detectors

// forestParams are the parameters of a fit, resolved for a matrix.
type forestParams struct {
	trees, psi, columns int // Columns: how many a tree may split.
	bootstrap           bool
}

// forestGrower is the scratch memory of growing a forest.
type forestGrower struct {
	ordered []int32 // All training values as ordered integers, column by column.
	perm    []int32 // A permutation of the rows; every tree shuffles its first psi on.
	columns []uint16
	block   []int32       // The values of one tree's rows, column by column.
	keys    []int64       // Of forest.pathSums.
	values  []registerRow // Of forest.pathSumsNarrow.
	codes   []uint16      // Code of the leaf (depth, rows), at depth*(psi+1)+rows; 0 for none yet.
	narrow  rowLists[uint8]
	wide    rowLists[int32]
}

// rowLists are row numbers of one tree: those of a node are contiguous in list, other is for partitioning.
type rowLists[R uint8 | int32] struct{ list, other []R }

// grower grows one tree after another, with row numbers as small as psi allows.
type grower[R uint8 | int32] struct {
	*forestGrower
	f        *forest
	r        rng
	list     []R
	other    []R
	psi      int
	tree     int
	overflow bool
}

// prepare casts the training rows.
func (g *forestGrower) prepare(x Matrix) {
	g.ordered = resize(g.ordered, x.Rows*x.Cols)
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			g.ordered[j*x.Rows+i] = orderedFloat(v)
		}
	}
}

// grow replaces the forest by one of these parameters. It is false if the trees have more than 65,535 kinds of leaves.
func (g *forestGrower) grow(f *forest, x Matrix, p forestParams, seed uint64) bool {
	f.reset(p.trees, depthLimit(p.psi))
	g.perm = resize(g.perm, x.Rows)
	for i := range g.perm {
		g.perm[i] = int32(i)
	}
	g.columns = resize(g.columns, x.Cols)
	for j := range g.columns {
		g.columns[j] = uint16(j)
	}
	g.block = resize(g.block, p.psi*x.Cols)
	g.codes = resize(g.codes, (f.depth+1)*(p.psi+1))
	clear(g.codes)
	if p.psi <= 256 {
		return growAll(g, &g.narrow, f, x, p, seed)
	}
	return growAll(g, &g.wide, f, x, p, seed)
}

func growAll[R uint8 | int32](g *forestGrower, lists *rowLists[R], f *forest, x Matrix, p forestParams, seed uint64) bool {
	lists.list, lists.other = resize(lists.list, p.psi), resize(lists.other, p.psi)
	t := grower[R]{forestGrower: g, f: f, r: newRNG(seed, 0), list: lists.list, other: lists.other, psi: p.psi}
	for t.tree = range p.trees {
		rows := t.sample(p.psi, p.bootstrap)
		for k := range p.columns {
			if p.columns < x.Cols {
				other := k + t.r.below(x.Cols-k)
				g.columns[k], g.columns[other] = g.columns[other], g.columns[k]
			}
			column := int(g.columns[k])
			from, to := g.ordered[column*x.Rows:(column+1)*x.Rows], g.block[column*p.psi:]
			for i, row := range rows {
				to[i] = from[row]
			}
		}
		for i := range rows {
			t.list[i] = R(i)
		}
		t.split(1, 0, 0, len(rows), g.columns[:p.columns], 0)
	}
	return !t.overflow
}

// sample draws psi rows: distinct ones, or with replacement, of which copies count once.
func (t *grower[R]) sample(psi int, bootstrap bool) []int32 {
	n := len(t.perm)
	if !bootstrap {
		if psi == n {
			return t.perm
		}
		for i := range psi {
			j := i + t.r.below(n-i)
			t.perm[i], t.perm[j] = t.perm[j], t.perm[i]
		}
		return t.perm[:psi]
	}
	drawn := make([]bool, n)
	for range psi {
		drawn[t.r.below(n)] = true
	}
	rows := make([]int32, 0, psi)
	for i, ok := range drawn {
		if ok {
			rows = append(rows, int32(i))
		}
	}
	return rows
}

// split grows the node i at a depth, which holds the rows list[lo:hi]. The first constants of the columns are known to
// be constant in it; children inherit that, and reorder only the columns behind.
func (t *grower[R]) split(i, depth, lo, hi int, columns []uint16, constants int) {
	if hi-lo < 2 || depth == t.f.depth {
		t.leaf(i, depth, hi-lo)
		return
	}
	for constants < len(columns) {
		at := constants
		if rest := len(columns) - constants; rest > 1 {
			at += t.r.below(rest)
		}
		column := columns[at]
		values := t.block[int(column)*t.psi : (int(column)+1)*t.psi]
		least, most := t.extremes(values, lo, hi)
		if float32(floatOrdered(most)) <= float32(floatOrdered(least))+1e-7 {
			columns[at], columns[constants] = columns[constants], column
			constants++
			continue
		}
		threshold := t.threshold(least, most)
		t.f.setNode(t.tree, i, int(column), threshold, hi-lo)
		mid := t.partition(values, threshold, lo, hi)
		t.split(2*i, depth+1, lo, mid, columns, constants)
		t.split(2*i+1, depth+1, mid, hi, columns, constants)
		return
	}
	t.leaf(i, depth, hi-lo)
}

// leaf ends a branch.
func (t *grower[R]) leaf(i, depth, rows int) {
	kind := depth*(t.psi+1) + rows
	if t.codes[kind] == 0 {
		code, ok := t.f.newCode(depth, rows)
		t.overflow = t.overflow || !ok
		t.codes[kind] = code
	}
	t.f.setLeaf(t.tree, i, depth, t.codes[kind])
}

// extremes returns the least and the greatest value of the rows list[lo:hi] in a column.
func (t *grower[R]) extremes(values []int32, lo, hi int) (least, most int32) {
	least, most = values[t.list[lo]], values[t.list[lo]]
	for _, row := range t.list[lo+1 : hi] {
		v := values[row]
		least, most = min(least, v), max(most, v)
	}
	return least, most
}

// threshold draws a split in [least, most). Infinities, which finite values beyond float32 become, are drawn as the
// largest float32.
func (t *grower[R]) threshold(least, most int32) int32 {
	const largest = int32(0x7f7fffff)
	lo, hi := floatOrdered(max(least, -largest-1)), floatOrdered(min(most, largest))
	threshold := orderedThreshold(lo + float64((hi-lo)*t.r.float()))
	if threshold < least || threshold >= most {
		return least
	}
	return threshold
}

// partition moves the rows of list[lo:hi] with a value at most the threshold to the front, keeping their order on both
// sides, and returns where the others begin. Both sides are written each time and the comparison only advances one.
func (t *grower[R]) partition(values []int32, threshold int32, lo, hi int) int {
	rows, other := t.list[lo:hi], t.other[:hi-lo]
	left, right := 0, 0
	for _, row := range rows {
		above := int(uint64(int64(threshold)-int64(values[row])) >> 63)
		rows[left], other[right] = row, row
		left += 1 - above
		right += above
	}
	copy(rows[left:], other[:right])
	return lo + left
}
