//go:build amd64 && !purego

package detectors

import "golang.org/x/sys/cpu"

// boundRows is how many rows boundAVX2 works on at once.
const boundRows = 32

// bound is boundGo, in AVX2 instructions where there are enough rows: column by column for a few rows, which stay in
// registers, instead of all rows for each column.
func (f *rowFilter) bound(q, approx []float32) {
	if !cpu.X86.HasAVX2 || len(approx) < boundRows {
		f.boundGo(q, approx)
		return
	}
	boundAVX2(f.columns, f.half, q, approx)
}

//go:noescape
func boundAVX2(columns, half, q, approx []float32)
