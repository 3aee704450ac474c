//go:build !amd64 || purego

package detectors

func (f *rowFilter) bound(q, approx []float32) { f.boundGo(q, approx) }
