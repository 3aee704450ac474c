//go:build !amd64 || purego

package detectors

func (f *forest) pathSumNarrow([]float64) (float64, bool) { return 0, false }

func (f *forest) pathSumsNarrow(Matrix, []float64, *forestGrower) bool { return false }
