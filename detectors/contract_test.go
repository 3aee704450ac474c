package detectors

import (
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
)

// eachDetector runs a test for every detector with its default parameters, on rows of a width it accepts.
func eachDetector(t *testing.T, run func(t *testing.T, name string, cols int)) {
	for _, name := range Names() {
		cols := 3
		if name == "mad" {
			cols = 1
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, name, cols)
		})
	}
}

// gaussian returns random rows.
func gaussian(rows, cols int, seed uint64) Matrix { return shaped(shapes[0].value, rows, cols, seed) }

// allScores returns the training scores and those of some more rows.
func allScores(t testing.TB, d Detector, queries Matrix) []float64 {
	t.Helper()
	scores := slices.Clone(d.TrainingScores())
	for i := range queries.Rows {
		scores = append(scores, scoreOf(t, d, queries.Row(i)))
	}
	return scores
}

func TestEveryDetectorRefusesBadRows(t *testing.T) {
	t.Parallel()
	eachDetector(t, func(t *testing.T, name string, cols int) {
		d, err := New(Spec{name, nil})
		if err != nil {
			t.Fatal(err)
		}
		row, parts := make([]float64, cols), make([]float64, cols)
		if d.Name() != name {
			t.Errorf("got name %q, want %q", d.Name(), name)
		}
		if _, err := d.Score(row); !errors.Is(err, ErrNotFitted) {
			t.Errorf("Score before Fit: got %v, want ErrNotFitted", err)
		}
		if err := d.Explain(row, parts); !errors.Is(err, ErrNotFitted) {
			t.Errorf("Explain before Fit: got %v, want ErrNotFitted", err)
		}
		good := gaussian(60, cols, 1)
		var data *DataError
		for what, x := range map[string]Matrix{
			"no rows":      {Cols: cols},
			"no columns":   {Rows: 3},
			"a wrong size": {Rows: 3, Cols: cols, Data: make([]float64, 3*cols+1)},
			"negative":     {Rows: -1, Cols: -cols, Data: make([]float64, cols)},
		} {
			if err := d.Fit(x, 1); !errors.As(err, &data) {
				t.Errorf("Fit on %s: got %v, want a *DataError", what, err)
			}
		}
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			spoiled := Matrix{good.Rows, cols, slices.Clone(good.Data)}
			spoiled.Row(7)[cols-1] = bad
			if err := d.Fit(good, 1); err != nil {
				t.Fatal(err)
			}
			if name != "mad" { // PyOD's MAD takes them, on purpose.
				if err := d.Fit(spoiled, 1); !errors.As(err, &data) || data.Row != 7 || data.Col != cols-1 || data.Detector != name {
					t.Errorf("Fit on %v: got %v, want a *DataError at row 7", bad, err)
				}
				if _, err := d.Score(good.Row(0)); !errors.Is(err, ErrNotFitted) {
					t.Errorf("Score after a refused Fit: got %v, want ErrNotFitted", err)
				}
				if err := d.Fit(good, 1); err != nil {
					t.Fatal(err)
				}
				if _, err := d.Score(spoiled.Row(7)); !errors.As(err, &data) || data.Col != cols-1 {
					t.Errorf("Score of %v: got %v, want a *DataError", bad, err)
				}
				if err := d.Explain(spoiled.Row(7), parts); !errors.As(err, &data) {
					t.Errorf("Explain of %v: got %v, want a *DataError", bad, err)
				}
			}
		}
		for _, width := range []int{0, cols + 1} {
			if _, err := d.Score(make([]float64, width)); !errors.As(err, &data) {
				t.Errorf("Score of %d columns: got %v, want a *DataError", width, err)
			}
		}
		if err := d.Explain(row, make([]float64, cols+1)); !errors.As(err, &data) {
			t.Errorf("Explain into too many parts: got %v, want a *DataError", err)
		}
	})
}

// TestEveryDetectorRepeats: the same rows and seed give the same bits, in a new detector, in one that was fitted on
// something else before, and from several goroutines; and neither rows nor queries are changed or kept.
func TestEveryDetectorRepeats(t *testing.T) {
	t.Parallel()
	eachDetector(t, func(t *testing.T, name string, cols int) {
		x, queries := gaussian(300, cols, 2), gaussian(30, cols, 3)
		before := slices.Clone(x.Data)
		first := fitted(t, Spec{name, nil}, x)
		want := allScores(t, first, queries)
		if !slices.Equal(x.Data, before) {
			t.Error("the training rows were changed")
		}
		for _, other := range []Matrix{gaussian(700, cols, 4), gaussian(40, cols, 5), shaped(shapes[2].value, 500, cols, 6)} {
			reused := fitted(t, Spec{name, nil}, other)
			if err := reused.Fit(x, 1); err != nil {
				t.Fatal(err)
			}
			sameBits(t, "scores after another fit", allScores(t, reused, queries), want)
		}
		for i := range x.Data {
			x.Data[i] = math.NaN()
		}
		sameBits(t, "scores after the training rows changed", allScores(t, first, queries), want)
		if _, learns := first.(Learner); learns {
			return
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := range queries.Rows {
					if got, err := first.Score(queries.Row(i)); err != nil || got != want[len(want)-queries.Rows+i] {
						t.Errorf("concurrent score %d: got %v and error %v", i, got, err)
					}
					if err := first.Explain(queries.Row(i), make([]float64, cols)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	})
}

// TestEveryDetectorFindsAnOutlier: a row far from all others in every column scores at least as high as any training
// row, and of one that is far in one column, that column is blamed.
func TestEveryDetectorFindsAnOutlier(t *testing.T) {
	t.Parallel()
	eachDetector(t, func(t *testing.T, name string, cols int) {
		x := gaussian(400, cols, 11)
		d := fitted(t, Spec{name, nil}, x)
		row, parts := slices.Repeat([]float64{12}, cols), make([]float64, cols)
		if got, most := scoreOf(t, d, row), slices.Max(d.TrainingScores()); got < most {
			t.Errorf("got score %v, want at least the greatest training score %v", got, most)
		}
		clear(row)
		row[cols-1] = 12
		if err := d.Explain(row, parts); err != nil {
			t.Fatal(err)
		}
		if slices.Max(parts) != parts[cols-1] {
			t.Errorf("got parts %v, want the last one to be the greatest", parts)
		}
	})
}

// TestEveryDetectorSurvivesOddRows fits and scores what streams contain.
func TestEveryDetectorSurvivesOddRows(t *testing.T) {
	t.Parallel()
	eachDetector(t, func(t *testing.T, name string, cols int) {
		for _, shape := range shapes {
			for _, rows := range []int{1, 2, 3, 25, 150} {
				d, err := New(Spec{name, nil})
				if err != nil {
					t.Fatal(err)
				}
				x := shaped(shape.value, rows, cols, 3)
				if err := d.Fit(x, 5); err != nil {
					var data *DataError
					if !errors.As(err, &data) || !strings.HasPrefix(err.Error(), name+": data") {
						t.Errorf("%s with %d rows: got error %v, want a *DataError of %s", shape.name, rows, err, name)
					}
					continue
				}
				parts := make([]float64, cols)
				for _, scale := range []float64{0, 1, 1e3, 1e9, -1e150} {
					row := slices.Clone(x.Row(0))
					for j := range row {
						row[j] = min(max(row[j]*scale+scale, -math.MaxFloat64), math.MaxFloat64)
					}
					s, err := d.Score(row)
					if err != nil || s-s != 0 {
						t.Errorf("%s with %d rows: got score %v and error %v of %v", shape.name, rows, s, err, row)
					}
					if err := d.Explain(row, parts); err != nil || firstNonfinite(parts) >= 0 {
						t.Errorf("%s with %d rows: got parts %v and error %v of %v", shape.name, rows, parts, err, row)
					}
				}
				if i := firstNonfinite(d.TrainingScores()); i >= 0 {
					t.Errorf("%s with %d rows: got training score %v", shape.name, rows, d.TrainingScores()[i])
				}
			}
		}
	})
}

// TestScoreDoesNotAllocate, and a fit into the memory of the last one hardly.
func TestScoreDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget at random under the race detector")
	}
	for _, name := range Names() {
		for _, cols := range []int{4, 20, 300} {
			if name == "mad" {
				cols = 1
			}
			x := gaussian(100, cols, 1)
			d := fitted(t, Spec{name, nil}, x)
			row := slices.Clone(x.Row(0))
			if got := testing.AllocsPerRun(20, func() {
				if _, err := d.Score(row); err != nil {
					t.Fatal(err)
				}
			}); got != 0 {
				t.Errorf("%s with %d columns: got %v allocations per score, want 0", name, cols, got)
			}
		}
	}
}

// TestRowOrderDoesNotMatter for the detectors that do not sample.
func TestRowOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"lof", "hbos", "knn"} {
		x := gaussian(200, 3, 8)
		r := newRNG(5, 0)
		order := shuffled(x.Rows, &r)
		permuted := NewMatrix(x.Rows, x.Cols)
		for i, row := range order {
			copy(permuted.Row(i), x.Row(row))
		}
		a, b := fitted(t, Spec{name, nil}, x), fitted(t, Spec{name, nil}, permuted)
		for i, row := range order {
			near(t, name+": training score", b.TrainingScores()[i], a.TrainingScores()[row], 1e-12)
		}
		for i := range 20 {
			q := gaussian(1, 3, uint64(100+i)).Row(0)
			near(t, name+": score", scoreOf(t, b, q), scoreOf(t, a, q), 1e-12)
		}
	}
}

// TestUnitsDoNotMatter: multiplying by a power of two changes no bit of IForest and HBOS, and only the scale of KNN.
func TestUnitsDoNotMatter(t *testing.T) {
	t.Parallel()
	const factor = 1024
	scaled := func(m Matrix) Matrix {
		out := NewMatrix(m.Rows, m.Cols)
		for i, v := range m.Data {
			out.Data[i] = v * factor
		}
		return out
	}
	x, q := gaussian(300, 3, 21), gaussian(40, 3, 22)
	for name, by := range map[string]float64{"iforest": 1, "hbos": 1, "knn": factor} {
		a, b := fitted(t, Spec{name, nil}, x), fitted(t, Spec{name, nil}, scaled(x))
		want := allScores(t, a, q)
		for i := range want {
			want[i] *= by
		}
		sameBits(t, name, allScores(t, b, scaled(q)), want)
	}
	lof := fitted(t, Spec{"lof", nil}, x)
	for i, s := range allScores(t, fitted(t, Spec{"lof", nil}, scaled(x)), scaled(q)) {
		near(t, "lof", s, allScores(t, lof, q)[i], 1e-8)
	}
}
