package detectors

import (
	"errors"
	"math"
	"slices"
	"testing"
)

func column(values ...float64) Matrix { return Matrix{len(values), 1, values} }

func TestMADIsItsDefinition(t *testing.T) {
	t.Parallel()
	for _, shape := range shapes {
		for _, rows := range []int{1, 2, 7, 100} {
			x := shaped(shape.value, rows, 1, 2)
			middle := func(v []float64) float64 {
				v = slices.Clone(v)
				slices.Sort(v)
				return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
			}
			m := middle(x.Data)
			distances := make([]float64, rows)
			for i, v := range x.Data {
				distances[i] = math.Abs(v - m)
			}
			d, deviation := fitted(t, Spec{"mad", nil}, x), middle(distances)
			for i, v := range append(slices.Clone(x.Data), 0, 1, -5) {
				want := 0.6745 * math.Abs(v-m) / deviation
				if deviation == 0 {
					want = 0
					if v != m {
						want = math.MaxFloat64
					}
				}
				got := scoreOf(t, d, []float64{v})
				near(t, shape.name, got, want, 1e-12*want)
				if i < rows && d.TrainingScores()[i] != got {
					t.Errorf("%s: got training score %v, want %v", shape.name, d.TrainingScores()[i], got)
				}
			}
		}
	}
}

// TestMADModes: strict takes NaN and infinities, fixed refuses them; both refuse two columns.
func TestMADModes(t *testing.T) {
	t.Parallel()
	x := column(1, 2, math.NaN(), 3, 4, 5, math.Inf(1))
	d := fitted(t, Spec{"mad", map[string]any{"mode": "strict"}}, x)
	if got := d.TrainingScores(); got[2] != 0 || got[6] != math.MaxFloat64 || got[3] >= got[0] {
		t.Errorf("got training scores %v, want 0 of NaN and the largest number of an infinity", got)
	}
	var data *DataError
	fixed, err := New(Spec{"mad", nil})
	if err != nil {
		t.Fatal(err)
	}
	if err := fixed.Fit(x, 1); !errors.As(err, &data) || data.Row != 2 {
		t.Errorf("mode fixed: got %v, want row 2 to be refused", err)
	}
	for _, detector := range []Detector{d, fixed} {
		if err := detector.Fit(NewMatrix(5, 2), 1); !errors.As(err, &data) {
			t.Errorf("two columns: got %v, want a *DataError", err)
		}
	}
	if got := fitted(t, Spec{"mad", map[string]any{"threshold": 2}}, column(1, 2, 4)).(*MAD).Threshold(); got != 2 {
		t.Errorf("got threshold %v, want 2", got)
	}
}

func FuzzMAD(f *testing.F) { fuzzDetector(f, "mad", "threshold") }

func BenchmarkMAD(b *testing.B) { benchDetector(b, Spec{"mad", nil}, 1) }
