//go:build !amd64 || purego

package detectors

func scanLeaf(values, q []float64, worst float64, distances *[leafRows]float64) uint32 {
	return scanLeafGo(values, q, worst, distances)
}
