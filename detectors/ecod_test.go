package detectors

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// tailsOracle is the score of row i of the columns by counting, from the definition: all rows are the reference set.
func tailsOracle(x Matrix, i int, copod bool) float64 {
	n, score := float64(x.Rows), 0.0
	for j := range x.Cols {
		var left, right, mean, third float64
		column := columnsOf(x, j, j+1).Data
		for _, v := range column {
			mean += v / n
			if v <= column[i] {
				left++
			}
			if v >= column[i] {
				right++
			}
		}
		for _, v := range column {
			third += (v - mean) * (v - mean) * (v - mean) / n
		}
		l, r := -math.Log(left/n), -math.Log(right/n)
		var s float64
		switch {
		case slices.Min(column) == slices.Max(column):
			s = l + r
		case third < 0:
			s = l
		case third > 0:
			s = r
		}
		if copod {
			score += max(s, (l+r)/2)
		} else {
			score += max(l, r, s)
		}
	}
	return score
}

// withRow returns the rows and one more.
func withRow(x Matrix, row []float64) Matrix {
	return Matrix{x.Rows + 1, x.Cols, append(slices.Clone(x.Data), row...)}
}

// TestTailsAreTheirDefinition: training rows among themselves, a new row as one of n + 1.
func TestTailsAreTheirDefinition(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ecod", "copod"} {
		for _, shape := range shapes {
			if !slices.Contains([]string{"gauss", "heavy", "flat", "outlier", "constant"}, shape.name) {
				continue // The oracle's cubes overflow or vanish, or the skewness is rounding.
			}
			for _, rows := range []int{9, 150} { // The skewness of two values is rounding.
				x := shaped(shape.value, rows, 3, 5)
				d := fitted(t, Spec{name, nil}, x)
				for i, got := range d.TrainingScores() {
					near(t, fmt.Sprintf("%s %s of %d: training row %d", name, shape.name, rows, i), got, tailsOracle(x, i, name == "copod"), 1e-9)
				}
				for q := range 30 {
					row := gaussian(1, 3, uint64(q)).Row(0)
					if q%3 == 0 {
						copy(row, x.Row(q % rows)[:2])
					}
					want := tailsOracle(withRow(x, row), rows, name == "copod")
					near(t, fmt.Sprintf("%s %s of %d: %v", name, shape.name, rows, row), scoreOf(t, d, row), want, 1e-9)
				}
			}
		}
	}
}

// TestTailsIgnoreUnits: an increasing linear change of a column, and the order of the rows, change nothing.
func TestTailsIgnoreUnits(t *testing.T) {
	t.Parallel()
	x := gaussian(200, 2, 6)
	y := NewMatrix(x.Rows, x.Cols)
	for i := range x.Rows {
		y.Row(x.Rows - 1 - i)[0], y.Row(x.Rows - 1 - i)[1] = x.Row(i)[0]*1e-7+3, x.Row(i)[1]*1e5-1
	}
	for _, name := range []string{"ecod", "copod"} {
		a, b := fitted(t, Spec{name, nil}, x), fitted(t, Spec{name, nil}, y)
		for q := range 30 {
			row := gaussian(1, 2, uint64(q)).Row(0)
			near(t, name, scoreOf(t, b, []float64{row[0]*1e-7 + 3, row[1]*1e5 - 1}), scoreOf(t, a, row), 1e-12)
		}
	}
}

// TestTailsOfAConstant: 0 in training, and at most ln(n+1) for another value.
func TestTailsOfAConstant(t *testing.T) {
	t.Parallel()
	x := shaped(func(*rng, int, int) float64 { return 0.1 }, 50, 1, 1)
	for _, name := range []string{"ecod", "copod"} {
		d := fitted(t, Spec{name, nil}, x)
		if got := slices.Max(d.TrainingScores()); got != 0 {
			t.Errorf("%s: got training score %v of a constant, want 0", name, got)
		}
		near(t, name+": another value", scoreOf(t, d, []float64{0.2}), math.Log(51), 1e-12)
	}
}

func FuzzECOD(f *testing.F) { fuzzDetector(f, "ecod", "") }

func BenchmarkECOD(b *testing.B) { benchDetector(b, Spec{"ecod", nil}) }
