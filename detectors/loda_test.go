package detectors

import (
	"math"
	"testing"
)

// lodaOracle is the score of mode fixed from the projections, by counting rows between edges.
func lodaOracle(l *LODA, x Matrix, row []float64) float64 {
	var sum float64
	for c := range l.cuts {
		w := l.weights[c*x.Cols : (c+1)*x.Cols]
		lo, hi := math.Inf(1), math.Inf(-1)
		for i := range x.Rows {
			lo, hi = min(lo, dot(w, x.Row(i))), max(hi, dot(w, x.Row(i)))
		}
		v, bins := dot(w, row), 10.0
		if v < lo || v > hi {
			sum -= math.Log(1e-12 / float64(x.Rows))
			continue
		}
		bin := func(v float64) float64 { return min(math.Floor((v-lo)/(hi-lo)*bins), bins-1) }
		var count float64
		for i := range x.Rows {
			if bin(dot(w, x.Row(i))) == bin(v) {
				count++
			}
		}
		sum -= math.Log((count + 1e-12) / (float64(x.Rows) + bins*1e-12))
	}
	return sum / float64(l.cuts)
}

func TestLODAIsItsDefinition(t *testing.T) {
	t.Parallel()
	x := gaussian(300, 5, 2)
	l := fitted(t, Spec{"loda", map[string]any{"cuts": 40}}, x).(*LODA)
	for i, got := range l.TrainingScores() {
		near(t, "training score", got, lodaOracle(l, x, x.Row(i)), 1e-9)
	}
	for i := range 50 {
		row := gaussian(1, 5, uint64(60+i)).Row(0)
		row[0] *= float64(1 + i%4)
		near(t, "score", scoreOf(t, l, row), lodaOracle(l, x, row), 1e-9)
	}
}

// TestLODADraws normal numbers, and zeros in all but ⌊√d⌋ columns, each column as often.
func TestLODADraws(t *testing.T) {
	t.Parallel()
	const d, cuts = 10, 3000
	l := fitted(t, Spec{"loda", map[string]any{"cuts": cuts}}, gaussian(30, d, 2)).(*LODA)
	var mean, square float64
	var used [d]int
	for c := range cuts {
		count := 0
		for j, w := range l.weights[c*d : (c+1)*d] {
			if w != 0 {
				count++
				used[j]++
				mean += w / (3 * cuts)
				square += w * w / (3 * cuts)
			}
		}
		if count != 3 {
			t.Fatalf("got %d columns in a projection of %d, want 3", count, d)
		}
	}
	near(t, "mean", mean, 0, 0.06)
	near(t, "variance", square, 1, 0.09)
	for j, n := range used {
		near(t, "share of column "+string(rune('0'+j)), float64(n)/cuts, 0.3, 0.05)
	}
}

func TestLODAPartsSum(t *testing.T) {
	t.Parallel()
	l, parts := fitted(t, Spec{"loda", nil}, gaussian(200, 4, 2)).(*LODA), make([]float64, 4)
	for i := range 20 {
		row := gaussian(1, 4, uint64(i)).Row(0)
		if err := l.Explain(row, parts); err != nil {
			t.Fatal(err)
		}
		near(t, "sum of the parts", sumOf(parts), scoreOf(t, l, row)-sumOf(l.TrainingScores())/200, 1e-10)
	}
}

func FuzzLODA(f *testing.F) { fuzzDetector(f, "loda", "n_random_cuts") }

func BenchmarkLODA(b *testing.B) { benchDetector(b, Spec{"loda", nil}) }
