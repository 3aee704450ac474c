package detectors

import (
	"errors"
	"math"
	"slices"
	"testing"
)

// lofOracle computes LOF from its definition with a sort per row: training scores and those of queries.
func lofOracle(m metric, x, queries Matrix, k int, floor float64) []float64 {
	k = min(k, x.Rows-1)
	type neighbourhood struct {
		distances []float64
		rows      []int32
	}
	find := func(q []float64, self int) neighbourhood {
		keys, rows := nearestOracle(m, x, q, self, k)
		for i := range keys {
			keys[i] = m.root(keys[i])
		}
		return neighbourhood{keys, rows}
	}
	var training []neighbourhood
	for i := range x.Rows {
		training = append(training, find(x.Row(i), i))
	}
	density := func(n neighbourhood) float64 {
		var sum float64
		for i, row := range n.rows {
			sum += max(n.distances[i], training[row].distances[k-1], floor)
		}
		return 1 / (sum/float64(k) + 1e-10)
	}
	score := func(n neighbourhood) float64 {
		var sum float64
		for _, row := range n.rows {
			sum += density(training[row])
		}
		return sum / float64(k) / density(n)
	}
	var scores []float64
	for _, n := range training {
		scores = append(scores, score(n))
	}
	for i := range queries.Rows {
		scores = append(scores, score(find(queries.Row(i), -1)))
	}
	return scores
}

// TestLOFAgainstItsDefinition, with the tree, the filter and the other metrics.
func TestLOFAgainstItsDefinition(t *testing.T) {
	t.Parallel()
	for _, shape := range shapes[:7] {
		for _, cols := range []int{1, 3, 6, 12} {
			x, queries := shaped(shape.value, 90, cols, 3), shaped(shape.value, 10, cols, 4)
			for params, m := range map[string]metric{"euclidean": {}, "manhattan": {kind: manhattan}, "chebyshev": {kind: chebyshev}} {
				d := fitted(t, Spec{"lof", map[string]any{"k": 7, "metric": params, "mode": "strict"}}, x)
				want := lofOracle(m, x, queries, 7, 0)
				for i, got := range allScores(t, d, queries) {
					near(t, shape.name+" "+params, got, want[i], 1e-9*max(1, math.Abs(want[i])))
				}
			}
		}
	}
}

// TestLOFFloor: with more identical rows than neighbours the strict form explodes and the fixed one does not.
func TestLOFFloor(t *testing.T) {
	t.Parallel()
	x := gaussian(200, 2, 1)
	for i := range 50 {
		copy(x.Row(i), []float64{0.3, 0.3})
	}
	beside := []float64{0.3001, 0.3}
	strict := fitted(t, Spec{"lof", map[string]any{"mode": "strict"}}, x)
	fixed := fitted(t, Spec{"lof", nil}, x)
	if got := scoreOf(t, strict, beside); got < 1e5 {
		t.Errorf("strict, beside 50 copies: got %v, want more than 1e5", got)
	}
	if got := slices.Max(strict.TrainingScores()); got < 1e6 {
		t.Errorf("strict, training rows: got at most %v, want more than 1e6", got)
	}
	if got := scoreOf(t, fixed, beside); got > 2 {
		t.Errorf("fixed, beside 50 copies: got %v, want about 1", got)
	}
	want := lofOracle(metric{}, x, Matrix{}, 20, 1e-3*Percentile(kdOf(x, 20), 50))
	for i, got := range fixed.TrainingScores() {
		near(t, "fixed training score", got, want[i], 1e-9*want[i])
	}
	identical := fitted(t, Spec{"lof", nil}, shaped(shapes[5].value, 60, 2, 1))
	near(t, "an identical row", scoreOf(t, identical, []float64{-7, -7}), 1, 1e-12)
	near(t, "a row at distance 1", scoreOf(t, identical, []float64{-7, -6}), 1000, 1e-3)
	plain := gaussian(300, 3, 2)
	sameBits(t, "without duplicates both modes", fitted(t, Spec{"lof", nil}, plain).TrainingScores(),
		fitted(t, Spec{"lof", map[string]any{"mode": "strict"}}, plain).TrainingScores())
}

// kdOf returns the distance of every row to its k-th neighbour.
func kdOf(x Matrix, k int) []float64 {
	var kd []float64
	for i := range x.Rows {
		keys, _ := nearestOracle(metric{}, x, x.Row(i), i, k)
		kd = append(kd, math.Sqrt(keys[k-1]))
	}
	return kd
}

func TestLOFFewRows(t *testing.T) {
	t.Parallel()
	var data *DataError
	d, err := New(Spec{"lof", nil})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Fit(gaussian(1, 2, 1), 1); !errors.As(err, &data) {
		t.Errorf("one row: got %v, want a *DataError", err)
	}
	sameBits(t, "two rows", fitted(t, Spec{"lof", nil}, gaussian(2, 2, 1)).TrainingScores(), []float64{1, 1})
	if got := len(fitted(t, Spec{"lof", nil}, gaussian(5, 2, 1)).TrainingScores()); got != 5 {
		t.Errorf("fewer rows than neighbours: got %d scores, want 5", got)
	}
}

// TestNeighbourExplain: the parts of LOF and KNN sum to the mean squared distance to the neighbours.
func TestNeighbourExplain(t *testing.T) {
	t.Parallel()
	for _, cols := range []int{3, 12} {
		x := gaussian(150, cols, 5)
		parts := make([]float64, cols)
		for _, name := range []string{"lof", "knn"} {
			d := fitted(t, Spec{name, map[string]any{"k": 6}}, x)
			row := gaussian(1, cols, 6).Row(0)
			row[1] = 9
			if err := d.Explain(row, parts); err != nil {
				t.Fatal(err)
			}
			keys, _ := nearestOracle(metric{}, x, row, -1, 6)
			near(t, name, meanOf(parts)*float64(cols), meanOf(keys), 1e-9)
			if slices.Max(parts) != parts[1] {
				t.Errorf("%s: got parts %v, want the second to be the greatest", name, parts)
			}
		}
	}
}

// TestKNNAgainstItsDefinition holds the three methods to a sort per row.
func TestKNNAgainstItsDefinition(t *testing.T) {
	t.Parallel()
	x := gaussian(80, 3, 9)
	row := gaussian(1, 3, 10).Row(0)
	for _, k := range []int{1, 4, 5} {
		keys, _ := nearestOracle(metric{}, x, row, -1, k)
		for i := range keys {
			keys[i] = math.Sqrt(keys[i])
		}
		for method, want := range map[string]float64{"largest": keys[k-1], "mean": meanOf(keys), "median": Percentile(keys, 50)} {
			d := fitted(t, Spec{"knn", map[string]any{"k": k, "method": method}}, x)
			near(t, method, scoreOf(t, d, row), want, 1e-12)
		}
	}
	d := fitted(t, Spec{"knn", nil}, x)
	if self, training := scoreOf(t, d, x.Row(0)), d.TrainingScores()[0]; self >= training {
		t.Errorf("a training row as query scores %v, want less than %v: it finds itself", self, training)
	}
	var data *DataError
	d, err := New(Spec{"knn", map[string]any{"k": 80}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Fit(x, 1); !errors.As(err, &data) {
		t.Errorf("as many neighbours as rows: got %v, want a *DataError", err)
	}
}
