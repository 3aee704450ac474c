package detectors

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCombinationFunctions(t *testing.T) {
	t.Parallel()
	scores := Matrix{Rows: 3, Cols: 4, Data: []float64{
		1, 2, 3, 6,
		-1, 0, 0, 1,
		5, 5, 5, 5,
	}}
	buckets := [][]int{{0, 3}, {1, 2}}
	for _, c := range []struct {
		name string
		call func() ([]float64, error)
		want []float64
	}{
		{"average", func() ([]float64, error) { return Average(scores, nil) }, []float64{3, 0, 5}},
		{"weighted average", func() ([]float64, error) { return Average(scores, []float64{1, 0, 0, 1}) }, []float64{3.5, 0, 5}},
		{"maximization", func() ([]float64, error) { return Maximization(scores) }, []float64{6, 1, 5}},
		{"median", func() ([]float64, error) { return MedianScore(scores) }, []float64{2.5, 0, 5}},
		{"aom", func() ([]float64, error) { return AverageOfMaximum(scores, buckets) }, []float64{4.5, 0.5, 5}},
		{"moa", func() ([]float64, error) { return MaximumOfAverage(scores, buckets) }, []float64{3.5, 0, 5}},
	} {
		got, err := c.call()
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestMajorityVote(t *testing.T) {
	t.Parallel()
	labels := Matrix{Rows: 4, Cols: 2, Data: []float64{0, 0, 0, 1, 1, 0, 1, 1}}
	for _, c := range []struct{ weights, want []float64 }{
		{nil, []float64{0, 0, 0, 1}},
		{[]float64{1, 2}, []float64{0, 1, 0, 1}},
	} {
		got, err := MajorityVote(labels, c.weights)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("weights %v (-want +got):\n%s", c.weights, diff)
		}
	}
}

func TestCombinationRefuses(t *testing.T) {
	t.Parallel()
	scores := NewMatrix(2, 3)
	for name, call := range map[string]func() ([]float64, error){
		"weights of another shape":    func() ([]float64, error) { return Average(scores, []float64{1, 2}) },
		"weights without a sum":       func() ([]float64, error) { return Average(scores, []float64{0, 0, 0}) },
		"a negative weight":           func() ([]float64, error) { return Average(scores, []float64{1, -1, 3}) },
		"no rows":                     func() ([]float64, error) { return Maximization(Matrix{Cols: 3}) },
		"scores as labels":            func() ([]float64, error) { return MajorityVote(Matrix{1, 2, []float64{0.5, 1}}, nil) },
		"no buckets":                  func() ([]float64, error) { return AverageOfMaximum(scores, nil) },
		"an empty bucket":             func() ([]float64, error) { return AverageOfMaximum(scores, [][]int{{}}) },
		"a bucket beyond the columns": func() ([]float64, error) { return MaximumOfAverage(scores, [][]int{{3}}) },
	} {
		if got, err := call(); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
}

// TestBuckets: static buckets are a partition, dynamic ones are subsets of a legal size, and a seed repeats them.
func TestBuckets(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		static, err := StaticBuckets(12, 4, seed)
		if err != nil {
			t.Fatal(err)
		}
		all := slices.Sorted(slices.Values(slices.Concat(static...)))
		if want := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}; !slices.Equal(all, want) {
			t.Errorf("static buckets %v are no partition", static)
		}
		dynamic, err := DynamicBuckets(12, 5, seed)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := DynamicBuckets(12, 5, seed)
		if diff := cmp.Diff(dynamic, again); diff != "" {
			t.Errorf("the same seed gives other buckets:\n%s", diff)
		}
		for _, b := range dynamic {
			sorted := slices.Sorted(slices.Values(b))
			if len(b) < 2 || len(b) >= 6 || len(slices.Compact(sorted)) != len(b) {
				t.Errorf("dynamic bucket %v: want 2 to 5 distinct columns", b)
			}
		}
	}
	for _, c := range []struct{ columns, n int }{{8, 1}, {8, 5}, {8, 9}, {3, 0}} {
		if got, err := StaticBuckets(c.columns, c.n, 1); err == nil {
			t.Errorf("%d static buckets of %d columns: got %v, want an error", c.n, c.columns, got)
		}
	}
	for _, c := range []struct{ columns, n int }{{5, 2}, {8, 1}, {8, 9}} {
		if got, err := DynamicBuckets(c.columns, c.n, 1); err == nil {
			t.Errorf("%d dynamic buckets of %d columns: got %v, want an error", c.n, c.columns, got)
		}
	}
}
