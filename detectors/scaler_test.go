package detectors

import (
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestScaler(t *testing.T) {
	t.Parallel()
	x := Matrix{4, 3, []float64{
		1, 7, 1e9,
		2, 7, 1e9 + 1,
		3, 7, 1e9 + 2,
		4, 7, 1e9 + 3,
	}}
	var s Scaler
	if err := s.Fit(x); err != nil {
		t.Fatal(err)
	}
	sd := math.Sqrt(1.25)
	for j, want := range []float64{2.5, 7, 1e9 + 1.5} {
		near(t, "mean", s.Mean()[j], want, 0)
	}
	for j, want := range []float64{sd, 1, sd} {
		near(t, "scale", s.Scale()[j], want, 1e-15)
	}
	row := []float64{4, 9, 1e300}
	if err := s.Transform(row, row); err != nil {
		t.Fatal(err)
	}
	for j, want := range []float64{1.5 / sd, 2, 1e6} {
		near(t, "scaled", row[j], want, 1e-14)
	}
	if err := s.Transform([]float64{math.NaN(), 0, math.Inf(-1)}, row); err != nil || !math.IsNaN(row[0]) || row[2] != -1e6 {
		t.Errorf("got %v and error %v, want NaN kept and the infinity clipped", row, err)
	}
}

func TestScalerRefuses(t *testing.T) {
	t.Parallel()
	var s Scaler
	if err := s.Transform([]float64{1}, []float64{0}); !errors.Is(err, ErrNotFitted) {
		t.Errorf("before Fit: got %v, want ErrNotFitted", err)
	}
	var data *DataError
	if err := s.Fit(Matrix{2, 1, []float64{1, math.NaN()}}); !errors.As(err, &data) || data.Row != 1 {
		t.Errorf("NaN: got %v, want a *DataError at row 1", err)
	}
	if err := s.Fit(gaussian(10, 2, 1)); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2][]float64{{make([]float64, 3), make([]float64, 3)}, {make([]float64, 2), make([]float64, 3)}, {nil, nil}} {
		if err := s.Transform(c[0], c[1]); !errors.As(err, &data) {
			t.Errorf("%d columns into %d: got %v, want a *DataError", len(c[0]), len(c[1]), err)
		}
	}
	if err := s.TransformMatrix(NewMatrix(2, 2), NewMatrix(3, 2)); !errors.As(err, &data) {
		t.Errorf("another number of rows: got %v, want a *DataError", err)
	}
}

// TestScalerProperties: whatever is finite gets a finite, positive scale, and ordinary columns mean 0 and sd 1.
func TestScalerProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.IntRange(1, 40).Draw(t, "rows")
		value := rapid.OneOf(rapid.Float64Range(-1e3, 1e3), rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64))
		x := NewMatrix(rows, 2)
		for i := range x.Data {
			x.Data[i] = value.Draw(t, "value")
		}
		var s Scaler
		if err := s.Fit(x); err != nil {
			t.Fatal(err)
		}
		out := NewMatrix(rows, 2)
		if err := s.TransformMatrix(x, out); err != nil {
			t.Fatal(err)
		}
		if firstNonfinite(slices.Concat(s.Mean(), s.Scale(), out.Data)) >= 0 || slices.Min(s.Scale()) <= 0 {
			t.Fatalf("mean %v, scale %v, rows %v", s.Mean(), s.Scale(), out.Data)
		}
		if s.Scale()[0] == 1 || slices.Max(x.Data) > 1e3 || slices.Min(x.Data) < -1e3 {
			return
		}
		mean, sd := meanAndSpread(columnsOf(out, 0, 1).Data)
		if math.Abs(mean) > 1e-6 || math.Abs(sd-1) > 1e-6 {
			t.Fatalf("scaled to mean %v and sd %v", mean, sd)
		}
	})
}
