package detectors

import "testing"

// TestCOPODHalvesTheOtherTail: with a long right tail, a value far left counts half as much as ECOD's.
func TestCOPODHalvesTheOtherTail(t *testing.T) {
	t.Parallel()
	x := shaped(func(r *rng, _, _ int) float64 { v := gauss(r); return v * v }, 300, 1, 4)
	copod, ecod := fitted(t, Spec{"copod", nil}, x), fitted(t, Spec{"ecod", nil}, x)
	near(t, "left", scoreOf(t, copod, []float64{-1}), scoreOf(t, ecod, []float64{-1})/2, 1e-12)
	near(t, "right", scoreOf(t, copod, []float64{50}), scoreOf(t, ecod, []float64{50}), 1e-12)
}

// TestCOPODSkewOfRounding: two values in equal numbers have a skewness of 0 up to rounding, whose sign decides how much a
// tail counts. The scores are those of PyOD 3.6.7, which adds up several columns (of an array in C order) row by row, a new row
// last.
func TestCOPODSkewOfRounding(t *testing.T) {
	t.Parallel()
	const low, high = -1.2078721071626433, 1.0360336783435031
	x := Matrix{10, 2, []float64{low, 0, low, 1, low, 0, low, 1, low, 0, high, 1, high, 0, high, 0, high, 1, high, 1}}
	for i, got := range fitted(t, Spec{"copod", nil}, x).TrainingScores() {
		want := 1.0397207708399179
		if i >= 5 {
			want = 1.3862943611198906
		}
		near(t, "training score", got, want, 1e-12)
	}

	x = Matrix{3, 4, []float64{0.8, -1.24, 0, 0, 2.3, -1, 2, 0, 0.4, -0.12, 0, 2}}
	near(t, "score", scoreOf(t, fitted(t, Spec{"copod", nil}, x), []float64{1.9, 0.72, 2, 2}), 3.4657359027997265, 1e-12)

	const a, b, c, d, e, f = -0.11651128559329274, -0.8413943363216317, -0.6487226331171586, 0.0813170616412533, -0.5108681294563134, -1.4193751723182926
	x = Matrix{9, 4, []float64{a, b, c, 0, a, b, c, 1, a, b, c, 0, a, b, c, 4, a, b, c, 3, d, e, f, 3, d, e, f, 1, d, e, f, 3, d, e, f, 2}}
	near(t, "score of a row that completes the symmetry", scoreOf(t, fitted(t, Spec{"copod", nil}, x), []float64{d, e, f, 1}), 2.1910133173369406, 1e-12)
}

func FuzzCOPOD(f *testing.F) { fuzzDetector(f, "copod", "") }

func BenchmarkCOPOD(b *testing.B) { benchDetector(b, Spec{"copod", nil}) }
