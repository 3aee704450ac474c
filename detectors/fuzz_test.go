package detectors

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"testing"
)

// fuzzDetector fits and scores arbitrary rows with arbitrary parameters of one detector: errors are the package's own,
// scores and parts of accepted rows are finite, and a second fit gives the same bits.
//
// The bytes of shape are the number of columns, the mode and whether the parameter is a share, its number, and what the
// numbers of rows are: raw bits, or small integers, which tie. A parameter without a name is none.
func fuzzDetector(f *testing.F, name, param string) {
	for _, shape := range shapes {
		var raw []byte
		for _, v := range shaped(shape.value, 12, 2, 1).Data {
			raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(v))
		}
		f.Add([]byte{2, 0, 5, 0}, raw)
		f.Add([]byte{1, 1, 3, 1}, raw)
		f.Add([]byte{2, 2, 128, 0}, raw)
	}
	f.Add([]byte{9, 0, 1, 1}, make([]byte, 9*8*20))
	f.Fuzz(func(t *testing.T, shape, raw []byte) {
		if len(shape) < 4 || len(raw) > 1<<13 {
			return
		}
		params := map[string]any{"mode": []string{"fixed", "strict"}[shape[1]%2]}
		switch {
		case param == "":
		case shape[1]&2 != 0:
			params[param] = float64(shape[2]) / 256
		default:
			params[param] = int(shape[2])
		}
		d, err := New(Spec{name, params})
		if err != nil {
			var refused *ParamError
			if !errors.As(err, &refused) {
				t.Fatalf("New: got %v, want a *ParamError", err)
			}
			return
		}
		x := fuzzMatrix(int(shape[0]%12), shape[3]%2 == 1, raw)
		if err := d.Fit(x, uint64(shape[2])); err != nil {
			var data *DataError
			var refused *ParamError
			if !errors.As(err, &data) && !errors.As(err, &refused) {
				t.Fatalf("Fit: got %v, want a *DataError or a *ParamError", err)
			}
			if _, err := d.Score(make([]float64, x.Cols)); err == nil {
				t.Fatal("a detector whose fit was refused scores")
			}
			return
		}
		expectFinite(t, "training scores", d.TrainingScores())
		want := append([]float64(nil), d.TrainingScores()...)
		parts := make([]float64, x.Cols)
		for i := range min(x.Rows, 20) {
			row := append([]float64(nil), x.Row(i)...)
			row[i%x.Cols] *= 1.5
			s, err := d.Score(row)
			if err != nil {
				var data *DataError
				if !errors.As(err, &data) || firstNonfinite(row) < 0 {
					t.Fatalf("Score of %v: %v", row, err)
				}
				continue
			}
			expectFinite(t, "score", []float64{s})
			if err := d.Explain(row, parts); err != nil {
				t.Fatalf("Explain of %v: %v", row, err)
			}
			expectFinite(t, "parts", parts)
		}
		if l, ok := d.(Learner); ok {
			fuzzLearner(t, l, x)
		}
		if err := d.Fit(x, uint64(shape[2])); err != nil {
			t.Fatalf("the second fit: %v", err)
		}
		sameBits(t, "the second fit", d.TrainingScores(), want)
	})
}

// fuzzLearner learns the rows of a fit again: scores stay finite.
func fuzzLearner(t *testing.T, l Learner, x Matrix) {
	t.Helper()
	for i := range min(x.Rows, 40) {
		if err := l.Learn(x.Row(i)); err != nil {
			t.Fatalf("Learn of row %d: %v", i, err)
		}
		s, err := l.Score(x.Row(x.Rows - 1 - i))
		if err != nil {
			t.Fatalf("Score after learning: %v", err)
		}
		expectFinite(t, "score after learning", []float64{s})
	}
}

// fuzzMatrix reads as many whole rows as there are.
func fuzzMatrix(cols int, integers bool, raw []byte) Matrix {
	m := Matrix{Cols: cols}
	if cols == 0 {
		return m
	}
	for size := 8 * cols; len(raw) >= size; raw = raw[size:] {
		m.Rows++
		for j := range cols {
			v := math.Float64frombits(binary.LittleEndian.Uint64(raw[8*j:]))
			if integers {
				v = float64(raw[8*j] % 8)
			}
			m.Data = append(m.Data, v)
		}
	}
	return m
}

func expectFinite(t *testing.T, what string, v []float64) {
	t.Helper()
	if i := firstNonfinite(v); i >= 0 {
		t.Fatalf("%s: got %v", what, v[i])
	}
}

func FuzzIForest(f *testing.F) { fuzzDetector(f, "iforest", "n_estimators") }
func FuzzLOF(f *testing.F)     { fuzzDetector(f, "lof", "n_neighbors") }
func FuzzKNN(f *testing.F)     { fuzzDetector(f, "knn", "n_neighbors") }
func FuzzHBOS(f *testing.F)    { fuzzDetector(f, "hbos", "n_bins") }

// FuzzNew builds detectors from arbitrary parameters as configuration gives them; those accepted can be fitted.
func FuzzNew(f *testing.F) {
	for _, s := range []string{
		`{"name":"iforest","params":{"trees":10,"max_samples":0.5,"max_features":2,"bootstrap":true}}`,
		`{"name":"lof","params":{"k":3,"metric":"manhattan","p":1,"mode":"strict"}}`,
		`{"name":"knn","params":{"k":3,"method":"mean","p":2.5}}`,
		`{"name":"hbos","params":{"n_bins":"auto","alpha":0.1,"tol":0.9,"contamination":0.2}}`,
		`{"name":"hbos","params":{"n_bins":null}}`, `{}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var spec Spec
		if json.Unmarshal(raw, &spec) != nil {
			return
		}
		d, err := New(spec)
		if err != nil {
			return
		}
		x := gaussian(12, 2, 1)
		if err := d.Fit(x, 1); err != nil {
			return
		}
		if _, err := d.Score(x.Row(0)); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
	})
}
