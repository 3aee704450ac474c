package detectors

import (
	"math"
	"testing"
)

// TestKDEIsItsDefinition against the plain sum, where that does not vanish.
func TestKDEIsItsDefinition(t *testing.T) {
	t.Parallel()
	for _, h := range []float64{0.3, 1, 5} {
		x, d := gaussian(150, 3, 1), 3.0
		k := fitted(t, Spec{"kde", map[string]any{"bandwidth": h}}, x)
		oracle := func(row []float64) float64 {
			var sum float64
			for i := range x.Rows {
				var squares float64
				for j, v := range row {
					squares += (v - x.Row(i)[j]) * (v - x.Row(i)[j])
				}
				sum += math.Exp(-squares / (2 * h * h))
			}
			return -math.Log(sum / float64(x.Rows) * math.Pow(2*math.Pi, -d/2) * math.Pow(h, -d))
		}
		for i, got := range k.TrainingScores() {
			near(t, "training score", got, oracle(x.Row(i)), 1e-10)
		}
		for i := range 20 {
			row := gaussian(1, 3, uint64(i+40)).Row(0)
			near(t, "score", scoreOf(t, k, row), oracle(row), 1e-10)
		}
	}
}

// TestKDEFarAway: where every kernel vanishes in float64 the score still grows with the squared distance.
func TestKDEFarAway(t *testing.T) {
	t.Parallel()
	k := fitted(t, Spec{"kde", nil}, column(0, 0, 0))
	for _, v := range []float64{10, 100, 1e6, 1e100} {
		want := v*v/2 + math.Log(2*math.Pi)/2
		near(t, "score", scoreOf(t, k, []float64{v}), want, 1e-12*want)
	}
}

func FuzzKDE(f *testing.F) { fuzzDetector(f, "kde", "bandwidth") }

func BenchmarkKDE(b *testing.B) { benchDetector(b, Spec{"kde", nil}) }
