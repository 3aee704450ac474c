package detectors

import (
	"math"
	"testing"
)

// hstOracle is a half-space tree from the paper, grown with the columns that the detector drew: it keeps the rows of
// the reference window themselves, halves the work space on the way down, and counts.
func hstOracle(h *HST, low, high [][]float64, window [][]float64, row []float64) float64 {
	var mass float64
	for t := range h.trees {
		lo, hi := append([]float64(nil), low[t]...), append([]float64(nil), high[t]...)
		inside, i, k := window, 1, 0
		for k < h.depth && float64(len(inside)) > 0.1*float64(len(window)) {
			j := h.columns[t<<h.depth+i]
			middle := (lo[j] + hi[j]) / 2
			left := row[j] < middle
			var kept [][]float64
			for _, r := range inside {
				if r[j] < middle == left {
					kept = append(kept, r)
				}
			}
			if i = 2 * i; left {
				hi[j] = middle
			} else {
				lo[j] = middle
				i++
			}
			inside = kept
			k++
		}
		mass += float64(len(inside)) * math.Pow(2, float64(k))
	}
	return math.Log2((float64(h.trees*len(window)) + 1) / (mass + 1))
}

// TestHSTIsItsDefinition while it learns, over several windows.
func TestHSTIsItsDefinition(t *testing.T) {
	t.Parallel()
	const cols, size = 3, 40
	x := gaussian(300, cols, 6)
	train := Matrix{100, cols, x.Data[:100*cols]}
	h := fitted(t, Spec{"hst", map[string]any{"window": size, "trees": 7, "depth": 6}}, train).(*HST)
	normal := func(row []float64) []float64 { return append([]float64(nil), h.normalise(row)...) }
	// The work spaces are recomputed from the generator, tree by tree, as Fit draws them.
	r := newRNG(1, 0)
	low, high := make([][]float64, h.trees), make([][]float64, h.trees)
	for tree := range h.trees {
		for range cols {
			s := r.float()
			low[tree] = append(low[tree], s-2*max(s, 1-s))
			high[tree] = append(high[tree], s+2*max(s, 1-s))
		}
		for range 1<<h.depth - 1 {
			r.below(cols)
		}
	}
	var window, next [][]float64
	for i := 60; i < 100; i++ {
		window = append(window, normal(x.Row(i)))
	}
	for i, got := range h.TrainingScores() {
		near(t, "training score", got, hstOracle(h, low, high, window, normal(x.Row(i))), 1e-12)
	}
	for i := 100; i < x.Rows; i++ {
		near(t, "score", scoreOf(t, h, x.Row(i)), hstOracle(h, low, high, window, normal(x.Row(i))), 1e-12)
		if err := h.Learn(x.Row(i)); err != nil {
			t.Fatal(err)
		}
		if next = append(next, normal(x.Row(i))); len(next) == size {
			window, next = next, nil
		}
	}
}

// TestHSTAdapts: what was sparse is normal after a window of it.
func TestHSTAdapts(t *testing.T) {
	t.Parallel()
	x := gaussian(500, 2, 6)
	h := fitted(t, Spec{"hst", nil}, x).(*HST)
	before := scoreOf(t, h, []float64{5, 5})
	for i := range 250 {
		if err := h.Learn([]float64{x.Row(i)[0] + 5, x.Row(i)[1] + 5}); err != nil {
			t.Fatal(err)
		}
	}
	if got := scoreOf(t, h, []float64{5, 5}); got > before-2 {
		t.Errorf("got score %v after a window of such rows, want far less than %v", got, before)
	}
}

// TestLearnersRefuse what Score refuses, and are unchanged then.
func TestLearnersRefuse(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"hst", "rrcf"} {
		d, err := New(Spec{name, nil})
		if err != nil {
			t.Fatal(err)
		}
		learner, ok := d.(Learner)
		if !ok {
			t.Fatalf("%s does not learn", name)
		}
		if err := learner.Learn([]float64{1, 2}); err == nil {
			t.Errorf("%s learned before a fit", name)
		}
		x := gaussian(300, 2, 1)
		if err := learner.Fit(x, 1); err != nil {
			t.Fatal(err)
		}
		want := scoreOf(t, learner, []float64{1, 2})
		for _, row := range [][]float64{nil, {1}, {1, 2, 3}, {1, math.NaN()}, {math.Inf(-1), 0}} {
			if err := learner.Learn(row); err == nil {
				t.Errorf("%s learned %v", name, row)
			}
		}
		if got := scoreOf(t, learner, []float64{1, 2}); got != want {
			t.Errorf("%s: got score %v after refused rows, want %v", name, got, want)
		}
	}
}

func FuzzHST(f *testing.F) { fuzzDetector(f, "hst", "window_size") }

func BenchmarkHST(b *testing.B) { benchDetector(b, Spec{"hst", nil}) }

// BenchmarkLearn is the time of learning one row.
func BenchmarkLearn(b *testing.B) {
	for _, name := range []string{"hst", "rrcf"} {
		b.Run(name+"/d=4", func(b *testing.B) {
			train, queries := scaledData(b, autoregressive, 2000, 4)
			learner := fitted(b, Spec{name, nil}, train).(Learner)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if err := learner.Learn(queries.Row(i & 511)); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}
