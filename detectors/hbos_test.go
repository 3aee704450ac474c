package detectors

import (
	"errors"
	"math"
	"testing"
)

// hbosOracle computes the fixed form from its description, by division and linear search.
func hbosOracle(x Matrix, row []float64, bins int, alpha, tol float64) float64 {
	var score float64
	for j, v := range row {
		column := columnsOf(x, j, j+1).Data
		lo, hi := column[0], column[0]
		for _, c := range column {
			lo, hi = min(lo, c), max(hi, c)
		}
		if lo == hi {
			if math.Abs(v-lo) > 1e-9*max(1, math.Abs(lo)) {
				score -= math.Log2(alpha)
			}
			continue
		}
		_, sd := meanAndSpread(column)
		width := (hi - lo) / float64(bins)
		edge := func(i int) float64 {
			if i == bins {
				return hi
			}
			return float64(float64(i)*width) + lo
		}
		bin := func(v float64) int {
			for i := bins - 1; i > 0; i-- {
				if v >= edge(i) {
					return i
				}
			}
			return 0
		}
		count := make([]float64, bins)
		for _, c := range column {
			count[bin(c)]++
		}
		density := 0.0
		if v >= lo-tol*(edge(1)-lo) && v <= hi+tol*(hi-edge(bins-1)) {
			i := bin(v)
			density = count[i] / ((edge(i+1) - edge(i)) / sd) / float64(x.Rows)
		}
		score -= math.Log2(density + alpha)
	}
	return score
}

func TestHBOSFixedAgainstItsDefinition(t *testing.T) {
	t.Parallel()
	for _, shape := range shapes[:7] {
		x := shaped(shape.value, 200, 3, 1)
		for i := range x.Rows {
			x.Row(i)[1] = 4 // A constant column.
		}
		d := fitted(t, Spec{"hbos", map[string]any{"bins": 12, "alpha": 0.2, "tol": 0.3}}, x)
		for i := range x.Rows {
			near(t, shape.name+": training score", d.TrainingScores()[i], hbosOracle(x, x.Row(i), 12, 0.2, 0.3), 1e-9)
			near(t, shape.name+": the same row as query", scoreOf(t, d, x.Row(i)), d.TrainingScores()[i], 0)
		}
		queries := shaped(shape.value, 60, 3, 2)
		for i := range queries.Rows {
			q := queries.Row(i)
			q[1] = float64(4 + i%2)
			near(t, shape.name+": score", scoreOf(t, d, q), hbosOracle(x, q, 12, 0.2, 0.3), 1e-9)
		}
	}
}

// TestHBOSRepairs are what goes wrong in PyOD and not here.
func TestHBOSRepairs(t *testing.T) {
	t.Parallel()
	constant := gaussian(100, 2, 3)
	for i := range constant.Rows {
		constant.Row(i)[1] = 3
	}
	fixed, strict := fitted(t, Spec{"hbos", nil}, constant), fitted(t, Spec{"hbos", map[string]any{"mode": "strict"}}, constant)
	row := func(v float64) []float64 { return []float64{constant.Row(0)[0], v} }
	near(t, "a changed constant costs -log2(alpha)", scoreOf(t, fixed, row(3.03))-scoreOf(t, fixed, row(3)), -math.Log2(0.1), 1e-12)
	if scoreOf(t, strict, row(3.03)) >= scoreOf(t, strict, row(3)) {
		t.Error("strict: a changed constant is not more normal than the constant; PyOD's artefact is gone")
	}
	uniform := NewMatrix(1000, 1)
	for i := range uniform.Data {
		uniform.Data[i] = float64(i)
	}
	far := []float64{1e12}
	fixed, strict = fitted(t, Spec{"hbos", nil}, uniform), fitted(t, Spec{"hbos", map[string]any{"mode": "strict"}}, uniform)
	if got := scoreOf(t, fixed, far); got <= scoreOf(t, fixed, uniform.Row(0)) || got != -math.Log2(0.1) {
		t.Errorf("fixed: far out of range scores %v, want the score of an empty bin", got)
	}
	if got, most := scoreOf(t, strict, far), strict.TrainingScores()[0]; math.Abs(got-most) > 1e-12 {
		t.Errorf("strict: far out of range scores %v, want the training maximum %v as PyOD has it", got, most)
	}
	near(t, "within the tolerance", scoreOf(t, fixed, []float64{999 + 49}), scoreOf(t, fixed, []float64{999}), 0)
}

// TestHBOSExplain: the parts sum to the score less the mean training score.
func TestHBOSExplain(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"fixed", "strict"} {
		x := gaussian(300, 4, 7)
		d := fitted(t, Spec{"hbos", map[string]any{"mode": mode}}, x)
		parts := make([]float64, 4)
		row := []float64{0, 9, 0.5, -0.2}
		if err := d.Explain(row, parts); err != nil {
			t.Fatal(err)
		}
		near(t, mode, meanOf(parts)*4, scoreOf(t, d, row)-meanOf(d.TrainingScores()), 1e-10)
	}
}

// TestHBOSNarrowRange: a column that cannot be cut is refused in mode strict, and is a constant or an error otherwise.
func TestHBOSNarrowRange(t *testing.T) {
	t.Parallel()
	narrow := Matrix{3, 1, []float64{1e17, 1e17 + 16, 1e17 + 32}}
	d, err := New(Spec{"hbos", map[string]any{"mode": "strict"}})
	if err != nil {
		t.Fatal(err)
	}
	var data *DataError
	if err := d.Fit(narrow, 1); !errors.As(err, &data) || data.Col != 0 {
		t.Errorf("strict: got %v, want a *DataError at column 0", err)
	}
	sameBits(t, "fixed", fitted(t, Spec{"hbos", nil}, narrow).TrainingScores(), []float64{0, 0, 0})
	wide := Matrix{2, 1, []float64{-math.MaxFloat64, math.MaxFloat64}}
	for _, mode := range []string{"fixed", "strict"} {
		d, err := New(Spec{"hbos", map[string]any{"mode": mode}})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Fit(wide, 1); !errors.As(err, &data) {
			t.Errorf("%s: a range beyond float64: got %v, want a *DataError", mode, err)
		}
	}
}
