package detectors

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	ten := []float64{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}
	for _, c := range []struct {
		values  []float64
		q, want float64
	}{
		{ten, 90, 9.1}, {ten, 0, 1}, {ten, 100, 10}, {ten, 50, 5.5}, {ten, -5, 1}, {ten, 200, 10},
		{[]float64{3}, 42, 3}, {nil, 50, math.NaN()}, {[]float64{1, math.NaN()}, 50, math.NaN()}, {ten, math.NaN(), math.NaN()},
		{[]float64{1, math.Inf(1), math.Inf(1)}, 99, math.Inf(1)},
	} {
		got := Percentile(c.values, c.q)
		if got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("percentile %v of %v: got %v, want %v", c.q, c.values, got, c.want)
		}
	}
	if !slices.Equal(ten, []float64{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}) {
		t.Error("the values were reordered")
	}
}

// TestMedian95 gives the bits of Percentile, on ties and in any order, without changing its input.
func TestMedian95(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.Float64Range(-1e9, 1e9), rapid.Map(rapid.IntRange(0, 3), func(i int) float64 { return float64(i) }))
		scores := rapid.SliceOfN(value, 1, 300).Draw(t, "scores")
		if rapid.Bool().Draw(t, "sorted") {
			slices.Sort(scores)
		}
		before := slices.Clone(scores)
		median, q95 := Median95(scores, make([]float64, rapid.IntRange(0, 400).Draw(t, "scratch")))
		if want := Percentile(scores, 50); median != want {
			t.Fatalf("median: got %v, want %v", median, want)
		}
		if want := Percentile(scores, 95); q95 != want {
			t.Fatalf("95 %%: got %v, want %v", q95, want)
		}
		if !slices.Equal(scores, before) {
			t.Fatal("the scores were reordered")
		}
	})
	if m, q := Median95(nil, nil); !math.IsNaN(m) || !math.IsNaN(q) {
		t.Errorf("no scores: got %v and %v, want NaN", m, q)
	}
}

// TestQuickselect against a sort, on patterns that are hard for it.
func TestQuickselect(t *testing.T) {
	t.Parallel()
	patterns := map[string]func(i, n int) float64{
		"ascending":  func(i, _ int) float64 { return float64(i) },
		"descending": func(i, _ int) float64 { return float64(-i) },
		"organ pipe": func(i, n int) float64 { return float64(min(i, n-i)) },
		"constant":   func(int, int) float64 { return 1 },
		"sawtooth":   func(i, _ int) float64 { return float64(i % 7) },
		"random":     func(i, _ int) float64 { r := newRNG(uint64(i), 0); return r.float() },
	}
	for name, pattern := range patterns {
		for _, n := range []int{1, 2, 13, 14, 100, 1000} {
			v := make([]float64, n)
			for i := range v {
				v[i] = pattern(i, n)
			}
			sorted := slices.Sorted(slices.Values(v))
			for k := 0; k < n; k += 1 + n/17 {
				w := slices.Clone(v)
				if got := quickselect(w, k); got != sorted[k] || w[k] != sorted[k] {
					t.Errorf("%s of %d: got %v at %d, want %v", name, n, got, k, sorted[k])
				}
				for i := range w {
					if i < k && w[i] > w[k] || i > k && w[i] < w[k] {
						t.Fatalf("%s of %d: position %d is on the wrong side of %d", name, n, i, k)
					}
				}
			}
		}
	}
}
