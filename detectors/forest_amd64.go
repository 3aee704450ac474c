//go:build amd64 && !purego

package detectors

import "golang.org/x/sys/cpu"

// narrow says whether the two below serve rows of so many columns. They compare a row with 15 nodes, which are four
// levels, at once and then only follow bits: the same leaves, and sums in the same order.
func (f *forest) narrow(cols int) bool {
	return cpu.X86.HasAVX2 && f.depth == 8 && cols <= len(registerRow{})
}

// pathSumNarrow is pathSum where a register holds the row, else false.
func (f *forest) pathSumNarrow(row []float64) (sum float64, ok bool) {
	if !f.narrow(len(row)) {
		return 0, false
	}
	var values registerRow
	for j, v := range row {
		values[j] = orderedFloat(v)
	}
	return pathSumAVX2(&f.nodes[0], &f.leaves[0], &f.path[0], &values, &threeLevels, f.trees), true
}

// pathSumsNarrow is pathSums where a register holds a row, else false.
func (f *forest) pathSumsNarrow(x Matrix, sums []float64, g *forestGrower) bool {
	if !f.narrow(x.Cols) {
		return false
	}
	g.values = resize(g.values, x.Rows)
	for i := range g.values {
		for j, v := range x.Row(i) {
			g.values[i][j] = orderedFloat(v)
		}
	}
	clear(sums)
	for t := range f.trees {
		addTreeAVX2(&f.nodes[t<<8], &f.leaves[t<<8], &f.path[0], &g.values[0], &threeLevels, sums)
	}
	return true
}

// threeLevels maps the comparisons of a row with seven nodes to the node that it reaches three levels below the first,
// which is one of eight, p. An entry is p<<5 and, in its low bits, which comparison of the next eight is that of p.
//
// The instructions that pair up halves of nodes leave eight comparisons in the order 0, 1, 4, 5, 2, 3, 6, 7.
var threeLevels = func() (table [256]uint8) {
	order := [8]int{0, 1, 4, 5, 2, 3, 6, 7} // Its own inverse.
	for bits := range table {
		i := 1
		for range 3 {
			i = i<<1 | bits>>order[i&7]&1
		}
		table[bits] = uint8((i-8)<<5 | order[i-8])
	}
	return table
}()

//go:noescape
func pathSumAVX2(nodes *int64, leaves *uint16, path *float64, values *registerRow, table *[256]uint8, trees int) float64

//go:noescape
func addTreeAVX2(nodes *int64, leaves *uint16, path *float64, values *registerRow, table *[256]uint8, sums []float64)
