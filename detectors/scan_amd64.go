//go:build amd64 && !purego

package detectors

// scanLeaf is scanLeafGo in SSE2 instructions: the same bits in half the time.
//
//go:noescape
func scanLeaf(values, q []float64, worst float64, distances *[leafRows]float64) uint32
