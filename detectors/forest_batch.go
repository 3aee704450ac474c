package detectors

import "math"

// batchColumns is the most columns whose keys pathSums indexes without a bounds check.
const batchColumns = 64

// pathSums writes the sum over the trees of the path length of every row of x: the same bits as pathSum. It goes tree by
// tree, six rows at a time, so that a tree stays in the cache and no load waits for another. The grower has the memory.
func (f *forest) pathSums(x Matrix, sums []float64, g *forestGrower) {
	if f.pathSumsNarrow(x, sums, g) {
		return
	}
	if f.depth != 8 || x.Cols > batchColumns {
		for i := range sums {
			sums[i] = f.pathSum(x.Row(i))
		}
		return
	}
	g.keys = resize(g.keys, len(x.Data)+batchColumns)
	keys := g.keys
	for i, v := range x.Data {
		keys[i] = int64(orderedFloat(v)) << nodeShift
	}
	clear(sums)
	for t := range f.trees {
		f.addTree(t, x.Cols, keys, sums)
	}
}

// addTree adds the path lengths of one tree of depth 8. The keys of row i are keys[i·cols:], read as a window of 64.
func (f *forest) addTree(t, cols int, keys []int64, sums []float64) {
	nodes, leaves := (*[256]int64)(f.nodes[t<<8:]), (*[256]uint16)(f.leaves[t<<8:])
	path := f.path
	row := 0
	for ; row+6 <= len(sums); row += 6 {
		at := row * cols
		a, b, c := (*[64]int64)(keys[at:]), (*[64]int64)(keys[at+cols:]), (*[64]int64)(keys[at+2*cols:])
		d, e, g := (*[64]int64)(keys[at+3*cols:]), (*[64]int64)(keys[at+4*cols:]), (*[64]int64)(keys[at+5*cols:])
		i, j, k, l, m, n := uint(1), uint(1), uint(1), uint(1), uint(1), uint(1)
		for range 8 {
			u, v, w, x, y, z := nodes[i&255], nodes[j&255], nodes[k&255], nodes[l&255], nodes[m&255], nodes[n&255]
			i = i<<1 | uint(uint64(u-a[u&63])>>63)
			j = j<<1 | uint(uint64(v-b[v&63])>>63)
			k = k<<1 | uint(uint64(w-c[w&63])>>63)
			l = l<<1 | uint(uint64(x-d[x&63])>>63)
			m = m<<1 | uint(uint64(y-e[y&63])>>63)
			n = n<<1 | uint(uint64(z-g[z&63])>>63)
		}
		to := (*[6]float64)(sums[row:])
		to[0] += path[leaves[i&255]]
		to[1] += path[leaves[j&255]]
		to[2] += path[leaves[k&255]]
		to[3] += path[leaves[l&255]]
		to[4] += path[leaves[m&255]]
		to[5] += path[leaves[n&255]]
	}
	for ; row < len(sums); row++ {
		a, i := (*[64]int64)(keys[row*cols:]), uint(1)
		for range 8 {
			u := nodes[i&255]
			i = i<<1 | uint(uint64(u-a[u&63])>>63)
		}
		sums[row] += path[leaves[i&255]]
	}
}

// rawAll writes the raw score of every row of x.
func (f *IForest) rawAll(x Matrix, scores []float64, g *forestGrower) {
	f.forest.pathSums(x, scores, g)
	c := averagePath(f.psi)
	if c == 0 {
		for i := range scores {
			scores[i] = 0.5
		}
		return
	}
	scale := float64(f.forest.trees) * c
	for i, sum := range scores {
		scores[i] = math.Exp2(-sum / scale)
	}
}
