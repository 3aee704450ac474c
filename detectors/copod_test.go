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

func FuzzCOPOD(f *testing.F) { fuzzDetector(f, "copod", "") }

func BenchmarkCOPOD(b *testing.B) { benchDetector(b, Spec{"copod", nil}) }
