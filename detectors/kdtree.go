package detectors

import (
	"math"
	"math/bits"
)

const (
	treeColumns = 8 // The most columns of a kdTree: beyond, boxes exclude too little.
	leafRows    = 16
)

// kdTree is a k-d tree (Bentley, 1975) with leaves of 16 rows for Euclidean distances, whose searches give the rows and
// the bits of a comparison with every row.
//
// It is complete: node i has the children 2i and 2i+1, and the nodes from leaves on are the leaves, leaf l with the
// slots 16l to 16l+15 of rows and, column by column, values[16·cols·l:]. Unused slots hold NaN, which is in no distance
// and never near.
//
// Nothing is excluded by an estimate: a bound is computed with the operations of the distance in the same order, from
// differences that are no larger, and rounding is monotone. So bound <= distance holds for the floats themselves, as
// long as bound and distance round alike; hence float64(d*d) everywhere, which forbids fused multiply-adds.
type kdTree struct {
	cols, leaves int
	nodes        []treeNode
	values       []float64
	rows         []int32
	first        []int32 // Smallest row below each node.
	slots        []int32 // Of every row.
	low, high    [treeColumns]float64
}

// treeNode splits at a gap of one column: the greatest value on its left and the least on its right.
type treeNode struct {
	left, right float64
	column      int32
}

// offsets are the squared distances of a query from a box, by column: 0 for columns that a tree does not have, which
// changes no sum.
type offsets interface {
	[4]float64 | [treeColumns]float64
}

// treeBox is a node still to be visited, with its squared distance from the query, by column and in total.
type treeBox[O offsets] struct {
	offsets O
	bound   float64
	node    int32
}

// treeStacks are the nodes still to be visited, in either width.
type treeStacks struct {
	narrow []treeBox[[4]float64]
	wide   []treeBox[[treeColumns]float64]
}

// build replaces the tree by one of the rows of x.
func (t *kdTree) build(x Matrix) {
	levels := bits.Len(uint((x.Rows+leafRows-1)/leafRows - 1))
	t.cols, t.leaves = x.Cols, 1<<levels
	slots := t.leaves * leafRows
	t.nodes, t.first = resize(t.nodes, t.leaves), resize(t.first, 2*t.leaves)
	t.values, t.rows, t.slots = resize(t.values, slots*x.Cols), resize(t.rows, slots), resize(t.slots, x.Rows)
	for i := range t.values {
		t.values[i] = math.NaN()
	}
	copy(t.low[:], x.Row(0))
	copy(t.high[:], x.Row(0))
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			t.low[j], t.high[j] = min(t.low[j], v), max(t.high[j], v)
		}
	}
	b := treeBuilder{t: t, x: x, rows: t.slots, keys: make([]float64, x.Rows)}
	for i := range b.rows {
		b.rows[i] = int32(i)
	}
	b.split(1, 0, x.Rows)
	for leaf := range t.leaves {
		for slot := leaf * leafRows; slot < (leaf+1)*leafRows && t.rows[slot] != noRow; slot++ {
			t.slots[t.rows[slot]] = int32(slot)
		}
	}
}

// treeBuilder orders the rows so that those of a node are contiguous.
type treeBuilder struct {
	t    *kdTree
	x    Matrix
	rows []int32
	keys []float64 // Value of every row in the column being split.
}

// split builds the node with the rows lo to hi-1 and returns its smallest row.
func (b *treeBuilder) split(node, lo, hi int) int32 {
	if node >= b.t.leaves {
		return b.leaf(node, lo, hi)
	}
	column := b.widest(lo, hi)
	for i := lo; i < hi; i++ {
		b.keys[i] = b.x.Data[int(b.rows[i])*b.x.Cols+column] + 0 // -0 and +0 are the same.
	}
	mid := lo + (hi-lo+1)/2
	b.selectPair(lo, hi-1, mid-1)
	left, right := b.keys[mid-1], b.keys[mid]
	for i := mid + 1; i < hi; i++ {
		right = min(right, b.keys[i])
	}
	b.t.nodes[node] = treeNode{left: left, right: right, column: int32(column)}
	first := min(b.split(2*node, lo, mid), b.split(2*node+1, mid, hi))
	b.t.first[node] = first
	return first
}

// leaf copies rows into the slots of a leaf.
func (b *treeBuilder) leaf(node, lo, hi int) int32 {
	leaf := node - b.t.leaves
	rows := b.t.rows[leaf*leafRows : (leaf+1)*leafRows]
	values := b.t.values[leaf*leafRows*b.x.Cols:]
	first := int32(noRow)
	for slot := range rows {
		rows[slot] = noRow
		if lo+slot < hi {
			row := b.rows[lo+slot]
			rows[slot], first = row, min(first, row)
			for j, v := range b.x.Row(int(row)) {
				values[j*leafRows+slot] = v
			}
		}
	}
	b.t.first[node] = first
	return first
}

// widest returns the column of the greatest range among these rows.
func (b *treeBuilder) widest(lo, hi int) int {
	var low, high [treeColumns]float64
	copy(low[:], b.x.Row(int(b.rows[lo])))
	high = low
	for _, row := range b.rows[lo+1 : hi] {
		for j, v := range b.x.Row(int(row)) {
			if v < low[j&7] {
				low[j&7] = v
			} else if v > high[j&7] {
				high[j&7] = v
			}
		}
	}
	best := 0
	for j := range b.x.Cols {
		if high[j]-low[j] > high[best]-low[best] {
			best = j
		}
	}
	return best
}

// selectPair moves the k-th of the pairs (key, row) lo to hi to its place, smaller pairs before and larger ones behind.
// All pairs are distinct, so that equal keys split evenly too.
func (b *treeBuilder) selectPair(lo, hi, k int) {
	keys, rows := b.keys, b.rows
	for lo < hi {
		pivot := b.median(lo, int(uint(lo+hi)>>1), hi)
		key, row := keys[pivot], rows[pivot]
		i, j := lo, hi
		for i <= j {
			for pairLess(keys[i], rows[i], key, row) {
				i++
			}
			for pairLess(key, row, keys[j], rows[j]) {
				j--
			}
			if i <= j {
				keys[i], keys[j] = keys[j], keys[i]
				rows[i], rows[j] = rows[j], rows[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return
		}
	}
}

// median returns which of three positions holds the middle pair.
func (b *treeBuilder) median(i, j, k int) int {
	if b.less(j, i) {
		i, j = j, i
	}
	if b.less(k, j) {
		j = k
		if b.less(j, i) {
			j = i
		}
	}
	return j
}

func (b *treeBuilder) less(i, j int) bool {
	return pairLess(b.keys[i], b.rows[i], b.keys[j], b.rows[j])
}

func pairLess(a float64, i int32, b float64, j int32) bool { return a < b || a == b && i < j }

// value returns one value of a row.
func (t *kdTree) value(row, column int) float64 {
	slot := int(t.slots[row])
	return t.values[(slot/leafRows*t.cols+column)*leafRows+slot%leafRows]
}

// search fills the list with the rows nearest to q, without the row self.
func (t *kdTree) search(q []float64, self int32, list *nearest) {
	if t.cols <= 4 {
		list.stacks.narrow = searchTree(t, q, self, list, list.stacks.narrow[:0])
	} else {
		list.stacks.wide = searchTree(t, q, self, list, list.stacks.wide[:0])
	}
}

// near returns a row near q, one of the leaf that q falls into, and its squared distance.
func (t *kdTree) near(q []float64) (row int32, key float64) {
	node := 1
	for node < t.leaves {
		n := &t.nodes[node]
		v := q[n.column]
		node *= 2
		if v-n.left > n.right-v {
			node++
		}
	}
	leaf := node - t.leaves
	var distances [leafRows]float64
	scanLeaf(t.values[leaf*leafRows*t.cols:(leaf+1)*leafRows*t.cols], q, 0, &distances)
	best := 0 // No leaf is empty.
	for i, d := range distances {
		if d < distances[best] {
			best = i
		}
	}
	return t.rows[leaf*leafRows+best], distances[best]
}

// searchTree visits the near child of every node first and keeps the far ones, with the memory of the given stack.
func searchTree[O offsets](t *kdTree, q []float64, self int32, list *nearest, stack []treeBox[O]) []treeBox[O] {
	var query, at O // The offsets of the node being visited.
	for j, v := range q {
		d := max(t.low[j]-v, v-t.high[j], 0)
		at[j], query[j] = float64(d*d), v
	}
	last, node := len(list.keys)-1, int32(1)
	for {
		for int(node) < t.leaves {
			n := &t.nodes[node]
			column := n.column & int32(len(at)-1)
			v := query[column]
			// Negative where the query is beyond the face, inside the child as far as this column goes.
			near, far := v-n.left, n.right-v
			node *= 2
			other := node + 1
			if near > far {
				near, far = far, near
				node, other = other, node
			}
			beyond := at
			beyond[column] = float64(far * far)
			if near > 0 {
				at[column] = float64(near * near)
			}
			bound := beyond[0]
			for j := 1; j < len(beyond); j++ {
				bound += beyond[j]
			}
			if worst := list.keys[last]; bound < worst || bound == worst && t.first[other] <= list.rows[last] {
				stack = append(stack, treeBox[O]{beyond, bound, other})
			}
		}
		t.scan(int(node)-t.leaves, q, self, list)
		for {
			if len(stack) == 0 {
				return stack
			}
			top := &stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if worst := list.keys[last]; top.bound < worst || top.bound == worst && t.first[top.node] <= list.rows[last] {
				at, node = top.offsets, top.node
				break
			}
		}
	}
}

// scan offers the rows of a leaf that may be near.
func (t *kdTree) scan(leaf int, q []float64, self int32, list *nearest) {
	var distances [leafRows]float64
	near := scanLeaf(t.values[leaf*leafRows*t.cols:(leaf+1)*leafRows*t.cols], q, list.keys[len(list.keys)-1], &distances)
	if near == 0 {
		return
	}
	rows := (*[leafRows]int32)(t.rows[leaf*leafRows:])
	for ; near != 0; near &= near - 1 {
		i := bits.TrailingZeros32(near) & (leafRows - 1)
		if row := rows[i]; row != self {
			list.offer(distances[i], row)
		}
	}
}

// sizeBytes returns the memory of the tree.
func (t *kdTree) sizeBytes() int {
	return 24*cap(t.nodes) + 8*cap(t.values) + 4*(cap(t.rows)+cap(t.first)+cap(t.slots))
}
