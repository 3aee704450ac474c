package detectors

import (
	"errors"
	"math"
	"testing"
)

// TestPCAOfKnownComponents: independent columns whose components are the axes, by the definition.
func TestPCAOfKnownComponents(t *testing.T) {
	t.Parallel()
	x := NewMatrix(4, 2) // Variances 8 and 2, no covariance.
	copy(x.Data, []float64{4, 0, -4, 0, 0, 2, 0, -2})
	d := fitted(t, Spec{"pca", map[string]any{"standardization": false, "mode": "strict"}}, x)
	for _, row := range [][]float64{{0, 0}, {3, -1}, {-7, 2}} {
		want := math.Hypot(row[0]-1, row[1])/0.8 + math.Hypot(row[0], row[1]-1)/0.2
		near(t, "score", scoreOf(t, d, row), want, 1e-12*want)
	}
	last := fitted(t, Spec{"pca", map[string]any{"standardization": false, "n_selected_components": 1, "weighted": false}}, x)
	near(t, "last component", scoreOf(t, last, []float64{3, -1}), math.Hypot(3, -2), 1e-12)
}

// TestPCAModes: a collinear column makes strict scores explode or infinite, and leaves those of mode fixed as they are.
func TestPCAModes(t *testing.T) {
	t.Parallel()
	x := NewMatrix(100, 3)
	for i := range x.Rows {
		v := gaussian(1, 2, uint64(i)).Row(0)
		x.Row(i)[0], x.Row(i)[1], x.Row(i)[2] = v[0], v[1], v[0]
	}
	row := []float64{1, 0.5, 1}
	if got := scoreOf(t, fitted(t, Spec{"pca", nil}, x), row); got > 100 {
		t.Errorf("mode fixed: got %v, want an ordinary score", got)
	}
	if got := scoreOf(t, fitted(t, Spec{"pca", map[string]any{"mode": "strict"}}, x), row); got < 1e6 {
		t.Errorf("mode strict: got %v, want a division by nearly 0", got)
	}
	var data *DataError
	d, err := New(Spec{"pca", nil})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Fit(shaped(func(*rng, int, int) float64 { return 4 }, 20, 2, 1), 1); !errors.As(err, &data) {
		t.Errorf("constant rows: got %v, want a *DataError", err)
	}
}

// TestPCAPartsSum to the score.
func TestPCAPartsSum(t *testing.T) {
	t.Parallel()
	d, parts := fitted(t, Spec{"pca", nil}, autoregressive(200, 6)), make([]float64, 6)
	for i := range 20 {
		row := gaussian(1, 6, uint64(i)).Row(0)
		if err := d.Explain(row, parts); err != nil {
			t.Fatal(err)
		}
		score := scoreOf(t, d, row)
		near(t, "sum of the parts", sumOf(parts), score, 1e-10*score)
	}
}

func sumOf(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum
}

func FuzzPCA(f *testing.F) { fuzzFixed(f, "pca", "n_components") }

// fuzzFixed is fuzzDetector in mode fixed alone, for detectors whose strict scores are infinite where PyOD's are.
func fuzzFixed(f *testing.F, name, param string) {
	f.Add([]byte{2, 0, 1, 0}, make([]byte, 200))
	f.Add([]byte{3, 0, 2, 1}, []byte("any bytes will do here, as small integers that tie now and then, or differ"))
	f.Fuzz(func(t *testing.T, shape, raw []byte) {
		if len(shape) < 4 || len(raw) > 1<<12 {
			return
		}
		x := fuzzMatrix(int(shape[0]%8), shape[3]%2 == 1, raw)
		d, err := New(Spec{name, map[string]any{param: int(shape[2])}})
		if err != nil || d.Fit(x, 1) != nil {
			return
		}
		expectFinite(t, "training scores", d.TrainingScores())
		parts := make([]float64, x.Cols)
		for i := range x.Rows {
			if err := d.Explain(x.Row(i), parts); err != nil {
				t.Fatal(err)
			}
			expectFinite(t, "parts", parts)
		}
	})
}

func BenchmarkPCA(b *testing.B) { benchDetector(b, Spec{"pca", nil}) }
