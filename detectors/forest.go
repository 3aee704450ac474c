package detectors

import (
	"math"
	"math/bits"
)

// forest is a set of isolation trees as integers: complete binary trees of one depth, which a row descends by integer
// comparisons without a branch.
//
// Tree t owns nodes[t<<depth : (t+1)<<depth], in heap order from 1: node i has the children 2i (value at most the
// threshold) and 2i+1. After depth steps i - 1<<depth is the leaf. A node is threshold<<31 | rows<<16 | column, the
// threshold as an ordered int32, rows those of the sample, up to manyRows; the key of a row's value is value<<31, so
// node - key is negative exactly if value > threshold. That is all of 63 bits: no difference of two ordered float32
// reaches 2^32. A leaf above the bottom is stored once, at its leftmost descendant, under nodes that send every value
// left and count no rows.
//
// Leaves are codes into tables, of which code 0 is no leaf: path is the leaf's depth + c(rows), rows its training rows.
type forest struct {
	trees, depth int
	nodes        []int64
	leaves       []uint16
	path         []float64
	rows         []int32
	averages     []float64 // averagePath of small numbers.
}

// allLeft is the node that sends every value left.
const allLeft = int64(math.MaxInt32) << nodeShift

const (
	nodeShift = 31        // Width of rows and column in a node.
	manyRows  = 1<<15 - 1 // Stands for that many rows and more.
)

// orderedFloat maps the float32 of a value to an int32 of the same order. Both zeros are 0, and what is beyond float32
// becomes infinite, as in scikit-learn.
func orderedFloat(v float64) int32 {
	b := int32(math.Float32bits(float32(v) + 0))
	return b ^ (b >> 31 & math.MaxInt32)
}

// floatOrdered is the inverse of orderedFloat.
func floatOrdered(o int32) float64 {
	return float64(math.Float32frombits(uint32(o ^ (o >> 31 & math.MaxInt32))))
}

// orderedThreshold maps a float64 threshold to the largest float32 not above it: it decides every float32 alike.
func orderedThreshold(t float64) int32 {
	o := orderedFloat(t)
	if floatOrdered(o) > t {
		o--
	}
	return o
}

// averagePath is c(m), the average path length of a failed search among m rows, in the approximation of scikit-learn.
func averagePath(m int) float64 {
	if m <= 1 {
		return 0
	}
	if m == 2 {
		return 1
	}
	const gamma = 0.5772156649015329
	return 2*(math.Log(float64(m)-1)+gamma) - 2*(float64(m)-1)/float64(m)
}

// depthLimit is ⌈log2(max(psi, 2))⌉.
func depthLimit(psi int) int { return bits.Len(uint(max(psi, 2) - 1)) }

// reset makes room for trees of a depth, without a leaf.
func (f *forest) reset(trees, depth int) {
	f.trees, f.depth = trees, depth
	f.nodes, f.leaves = resize(f.nodes, trees<<depth), resize(f.leaves, trees<<depth)
	clear(f.leaves)
	f.path, f.rows = append(f.path[:0], 0), append(f.rows[:0], 0)
	f.averages = resize(f.averages, min(1<<depth, 256)+1)
	for m := range f.averages {
		f.averages[m] = averagePath(m)
	}
}

// average is averagePath from the table, where that suffices.
func (f *forest) average(m int) float64 {
	if m < len(f.averages) {
		return f.averages[m]
	}
	return averagePath(m)
}

// setNode makes node i of a tree an inner node.
func (f *forest) setNode(tree, i int, column int, threshold int32, rows int) {
	f.nodes[tree<<f.depth+i] = int64(threshold)<<nodeShift | int64(min(rows, manyRows))<<16 | int64(column)
}

// setLeaf makes node i of a tree, which is at this depth, the leaf of that code.
func (f *forest) setLeaf(tree, i, depth int, code uint16) {
	for ; depth < f.depth; depth++ {
		f.nodes[tree<<f.depth+i] = allLeft
		i *= 2
	}
	f.leaves[(tree-1)<<f.depth+i] = code
}

// newCode adds a kind of leaf. It is false if there are more kinds than codes, which takes far more than 10,000 rows
// per tree with many copies.
func (f *forest) newCode(depth, rows int) (uint16, bool) {
	f.path = append(f.path, float64(depth)+f.average(rows))
	f.rows = append(f.rows, int32(rows))
	return uint16(len(f.path) - 1), len(f.path) <= 1<<16
}

// registerRow holds the ordered values of a row of few columns.
type registerRow [8]int32

// rowKeys holds the keys of one row, for up to as many columns as index without a bounds check.
type rowKeys [256]int64

// pathSum returns the sum over the trees, in their order, of the path length of a row.
func (f *forest) pathSum(row []float64) float64 {
	if sum, ok := f.pathSumNarrow(row); ok {
		return sum
	}
	if len(row) > len(rowKeys{}) {
		return f.pathSumWide(row)
	}
	var keys rowKeys
	for j, v := range row {
		keys[j] = int64(orderedFloat(v)) << nodeShift
	}
	if f.depth == 8 {
		return f.pathSum8(&keys)
	}
	var sum float64
	for t := range f.trees {
		nodes := f.nodes[t<<f.depth : (t+1)<<f.depth]
		i := uint(1)
		for range f.depth {
			node := nodes[i]
			i = i<<1 | uint(uint64(node-keys[uint8(node)])>>63)
		}
		sum += f.path[f.leaves[t<<f.depth+int(i)-1<<f.depth]]
	}
	return sum
}

// pathSum8 is pathSum for trees of depth 8, the default, five at a time: their loads do not wait for one another.
func (f *forest) pathSum8(keys *rowKeys) float64 {
	var sum float64
	nodes, leaves := f.nodes, f.leaves
	path := f.path
	for ; len(nodes) >= 5*256 && len(leaves) >= 5*256; nodes, leaves = nodes[5*256:], leaves[5*256:] {
		a, b, c := (*[256]int64)(nodes), (*[256]int64)(nodes[256:]), (*[256]int64)(nodes[512:])
		d, e := (*[256]int64)(nodes[768:]), (*[256]int64)(nodes[1024:])
		i, j, k, l, m := uint(1), uint(1), uint(1), uint(1), uint(1)
		for range 8 {
			v, w, x, y, z := a[i&255], b[j&255], c[k&255], d[l&255], e[m&255]
			i = i<<1 | uint(uint64(v-keys[uint8(v)])>>63)
			j = j<<1 | uint(uint64(w-keys[uint8(w)])>>63)
			k = k<<1 | uint(uint64(x-keys[uint8(x)])>>63)
			l = l<<1 | uint(uint64(y-keys[uint8(y)])>>63)
			m = m<<1 | uint(uint64(z-keys[uint8(z)])>>63)
		}
		at := (*[5 * 256]uint16)(leaves)
		sum += path[at[i&255]]
		sum += path[at[256+j&255]]
		sum += path[at[512+k&255]]
		sum += path[at[768+l&255]]
		sum += path[at[1024+m&255]]
	}
	for ; len(nodes) >= 256; nodes, leaves = nodes[256:], leaves[256:] {
		a, i := (*[256]int64)(nodes), uint(1)
		for range 8 {
			v := a[i&255]
			i = i<<1 | uint(uint64(v-keys[uint8(v)])>>63)
		}
		sum += path[leaves[i&255]]
	}
	return sum
}

// pathSumWide is pathSum for any number of columns.
func (f *forest) pathSumWide(row []float64) float64 {
	var sum float64
	for t := range f.trees {
		sum += f.path[f.leaves[f.descend(t, row)]]
	}
	return sum
}

// descend returns the position among the leaves that a row reaches in a tree.
func (f *forest) descend(tree int, row []float64) int {
	i := 1
	for range f.depth {
		node := f.nodes[tree<<f.depth+i]
		key := int64(orderedFloat(row[uint16(node)])) << nodeShift
		i = i<<1 | int(uint64(node-key)>>63)
	}
	return (tree-1)<<f.depth + i
}

// explain adds to parts, for each split on a row's paths, how much the split shortened the expected path, as a mean
// over the trees: c(rows of the node) - 1 - c(rows of the child) for the column of the split.
func (f *forest) explain(row, parts []float64) {
	for t := range f.trees {
		i, split, expected := 1, -1, 0.0
		for range f.depth {
			node := f.nodes[t<<f.depth+i]
			if node == allLeft {
				i *= 2
				continue
			}
			rows := int(node>>16) & manyRows
			if rows == manyRows {
				rows = f.rowsBelow(t, i)
			}
			average := f.average(rows)
			if split >= 0 {
				parts[split] += expected - 1 - average
			}
			split, expected = int(uint16(node)), average
			key := int64(orderedFloat(row[split])) << nodeShift
			i = i<<1 | int(uint64(node-key)>>63)
		}
		if split >= 0 {
			leaf := f.leaves[(t-1)<<f.depth+i]
			parts[split] += expected - 1 - f.average(int(f.rows[leaf]))
		}
	}
	for j := range parts {
		parts[j] /= float64(f.trees)
	}
}

// rowsBelow returns the training rows of node i: those of the leaves under it.
func (f *forest) rowsBelow(tree, i int) int {
	levels := f.depth + 1 - bits.Len(uint(i))
	first := (tree-1)<<f.depth + i<<levels
	var sum int32
	for _, code := range f.leaves[first : first+1<<levels] {
		sum += f.rows[code]
	}
	return int(sum)
}

// sizeBytes returns the memory of the trees.
func (f *forest) sizeBytes() int {
	return 8*cap(f.nodes) + 2*cap(f.leaves) + 8*(cap(f.path)+cap(f.averages)) + 4*cap(f.rows)
}
