package detectors

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// checkRefusals makes an error of everything that PyOD refuses, and of NaN and infinities whatever PyOD does.
func (f *fixtures) checkRefusals(t *testing.T, file string) {
	var e struct {
		Rows     []numbers
		Refusals []struct {
			Detector, Call, Input, Parameter, Outcome string
			Given                                     any
		}
	}
	f.load(t, file, &e)
	f.count("refusals", func(c *fixtureTally) { c.files++ })
	rows := matrixOf(e.Rows, 3)
	for _, r := range e.Refusals {
		name := strings.ToLower(r.Detector)
		if slices.Contains(fixtureWithout, r.Detector) || r.Input == "vector" || r.Parameter == "n_jobs" {
			continue // A vector and a number of jobs cannot be said in Go.
		}
		what := fmt.Sprintf("%s %s %s%s %v", name, r.Call, r.Input, r.Parameter, r.Given)
		params := map[string]any{}
		if r.Detector == "CBLOF" {
			params["alpha"] = 0.6
		}
		good := rows
		if r.Detector == "MAD" {
			good = columnsOf(rows, 1, 2)
		}
		var err error
		switch r.Call {
		case "fit":
			err = fitAndScore(name, params, refusalInput(rows, r.Input, r.Detector == "MAD"), nil)
		case "score":
			input := refusalInput(rows, r.Input, r.Detector == "MAD")
			err = fitAndScore(name, params, good, &input)
		default:
			params[r.Parameter] = r.Given
			err = fitAndScore(name, params, good, nil)
		}
		f.count("refusals", func(c *fixtureTally) { c.compared++ })
		bad := strings.Contains(r.Input, "nan") || strings.Contains(r.Input, "inf")
		switch {
		case err == nil && (r.Outcome == "refused" || bad && r.Detector != "MAD"):
			t.Errorf("%s: accepted; PyOD: %s", what, r.Outcome)
		case err != nil && r.Outcome == "accepted" && r.Input == "ok":
			t.Errorf("%s: %v", what, err)
		}
		var data *DataError
		var param *ParamError
		if err != nil && !errors.As(err, &data) && !errors.As(err, &param) {
			t.Errorf("%s: got %T %v, want a *DataError or a *ParamError", what, err, err)
		}
	}
}

// fitAndScore fits a detector and scores every row of input, if there is one.
func fitAndScore(name string, params map[string]any, x Matrix, input *Matrix) error {
	d, err := New(Spec{name, params})
	if err != nil {
		return err
	}
	if err := d.Fit(x, 1); err != nil || input == nil {
		return err
	}
	if input.Rows == 0 {
		return &DataError{Row: -1, Col: -1, Reason: "has no rows"} // Scoring is by row here: no rows cannot be said.
	}
	for i := range input.Rows {
		if _, err := d.Score(input.Row(i)); err != nil {
			return err
		}
	}
	return nil
}

// refusalInput makes the matrix of that name from the rows; MAD gets one column of it where that makes sense.
func refusalInput(rows Matrix, name string, one bool) Matrix {
	spoil := map[string]float64{"nan": math.NaN(), "inf": math.Inf(1), "-inf": math.Inf(-1), "1e39": 1e39, "1e200": 1e200}
	if v, ok := spoil[name]; ok {
		m := Matrix{Rows: rows.Rows, Cols: rows.Cols, Data: slices.Clone(rows.Data)}
		m.Row(3)[1] = v
		if one {
			return columnsOf(m, 1, 2)
		}
		return m
	}
	switch name {
	case "two columns":
		return columnsOf(rows, 0, 2)
	case "four columns":
		m := NewMatrix(rows.Rows, 4)
		for i := range m.Rows {
			copy(m.Row(i), rows.Row(i))
		}
		return m
	case "no columns":
		return columnsOf(rows, 0, 0)
	}
	if one {
		rows = columnsOf(rows, 0, 1)
	}
	switch name {
	case "empty":
		return Matrix{Cols: rows.Cols}
	case "one row":
		return Matrix{1, rows.Cols, rows.Data[:rows.Cols]}
	case "two rows":
		return Matrix{2, rows.Cols, rows.Data[:2*rows.Cols]}
	}
	return rows
}

// columnsOf copies the columns from lo to below hi.
func columnsOf(m Matrix, lo, hi int) Matrix {
	out := NewMatrix(m.Rows, hi-lo)
	for i := range m.Rows {
		copy(out.Row(i), m.Row(i)[lo:hi])
	}
	return out
}
