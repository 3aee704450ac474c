package detectors

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// mahalanobisOracle is Σ (z·v_i)²/((1-s)·λ_i + s) over the eigenvectors of the covariance, from the definition.
func mahalanobisOracle(x Matrix, shrinkage float64, row []float64) float64 {
	n, d := float64(x.Rows), x.Cols
	mean, sd := make([]float64, d), make([]float64, d)
	for j := range d {
		for i := range x.Rows {
			mean[j] += x.Row(i)[j] / n
		}
		for i := range x.Rows {
			sd[j] += (x.Row(i)[j] - mean[j]) * (x.Row(i)[j] - mean[j]) / n
		}
		sd[j] = math.Sqrt(sd[j])
		if sd[j] < 1e-12*max(1, math.Abs(mean[j])) {
			sd[j] = 1
		}
	}
	z := func(row []float64, j int) float64 { return (row[j] - mean[j]) / sd[j] }
	cov := mat.NewSymDense(d, nil)
	for a := range d {
		for b := range a + 1 {
			var sum float64
			for i := range x.Rows {
				sum += z(x.Row(i), a) * z(x.Row(i), b) / n
			}
			cov.SetSym(a, b, sum)
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(cov, true) {
		panic("no decomposition")
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	var score float64
	for i, lambda := range eigen.Values(nil) {
		var projection float64
		for j := range d {
			projection += z(row, j) * vectors.At(j, i)
		}
		score += projection * projection / ((1-shrinkage)*lambda + shrinkage)
	}
	return score
}

func TestMahalanobisIsItsDefinition(t *testing.T) {
	t.Parallel()
	for _, shape := range shapes {
		if shape.name == "huge" {
			continue // The oracle's squares overflow.
		}
		for _, size := range [][2]int{{1, 3}, {2, 2}, {5, 7}, {60, 1}, {61, 4}, {200, 6}, {90, 40}} {
			for _, shrinkage := range []float64{0.01, 0.5} {
				x := shaped(shape.value, size[0], size[1], 3)
				d := fitted(t, Spec{"mahalanobis", map[string]any{"shrinkage": shrinkage}}, x)
				for i, got := range d.TrainingScores() {
					want := mahalanobisOracle(x, shrinkage, x.Row(i))
					tolerance := 1e-8
					if shape.name == "offset" {
						tolerance = 1e-2 // A float64 at 1e9 resolves 1e-4 of these standard deviations.
					}
					near(t, fmt.Sprintf("%s %v row %d", shape.name, size, i), got, want, tolerance*max(1, want))
				}
			}
		}
	}
}

// TestMahalanobisPartsSum to the score, for any row.
func TestMahalanobisPartsSum(t *testing.T) {
	t.Parallel()
	for _, cols := range []int{1, 4, 33} {
		x := autoregressive(200, cols)
		d, parts := fitted(t, Spec{"mahalanobis", nil}, x), make([]float64, cols)
		for i := range 50 {
			row := gaussian(1, cols, uint64(i)).Row(0)
			if err := d.Explain(row, parts); err != nil {
				t.Fatal(err)
			}
			var sum float64
			for _, part := range parts {
				sum += part
			}
			score := scoreOf(t, d, row)
			near(t, "sum of the parts", sum, score, 1e-9*score)
		}
	}
}

// TestMahalanobisIgnoresUnits: shifting and scaling the columns, and the order of the rows, change nothing.
func TestMahalanobisIgnoresUnits(t *testing.T) {
	t.Parallel()
	x := autoregressive(300, 3)
	change := func(row []float64) []float64 { return []float64{row[2]*1e-3 + 7, row[0]*1e4 - 3, -row[1]} }
	y := NewMatrix(x.Rows, x.Cols)
	for i := range y.Rows {
		copy(y.Row(y.Rows-1-i), change(x.Row(i)))
	}
	a, b := fitted(t, Spec{"mahalanobis", nil}, x), fitted(t, Spec{"mahalanobis", nil}, y)
	for i := range 40 {
		row := gaussian(1, 3, uint64(i)).Row(0)
		want := scoreOf(t, a, row)
		near(t, "score", scoreOf(t, b, change(row)), want, 1e-8*want)
	}
}

// TestMahalanobisSeesCorrelation: a row that is ordinary in each column, but not in both, and a constant that changes.
func TestMahalanobisSeesCorrelation(t *testing.T) {
	t.Parallel()
	x := NewMatrix(400, 3)
	for i := range x.Rows {
		v := gaussian(1, 2, uint64(i)).Row(0)
		x.Row(i)[0], x.Row(i)[1], x.Row(i)[2] = v[0], v[0]+0.05*v[1], 5
	}
	d := fitted(t, Spec{"mahalanobis", nil}, x)
	ordinary := scoreOf(t, d, []float64{1, 1, 5})
	for _, row := range [][]float64{{1, -1, 5}, {1, 1, 6}} {
		if got := scoreOf(t, d, row); got < 20*ordinary {
			t.Errorf("got score %v of %v, want far more than %v of an ordinary row", got, row, ordinary)
		}
	}
}

func FuzzMahalanobis(f *testing.F) { fuzzDetector(f, "mahalanobis", "shrinkage") }

func BenchmarkMahalanobis(b *testing.B) { benchDetector(b, Spec{"mahalanobis", nil}) }
