//go:build !amd64 || purego

package detectors

func ascendBoxes(f *cutForest, info []cutInfo, boxes, row []float32, node int, value float64) float64 {
	return ascendBoxesGo(f, info, boxes, row, node, value)
}
