package detectors

import (
	"math"
	"slices"
	"sync"
)

// empirical is what ECOD and COPOD share: the empirical tails of every column and the direction of its skewness.
//
// Among N values the left tail of v is F_l = #{<= v}/N, the right tail F_r = #{>= v}/N, and a tail is worth -ln F. For a
// new row the value itself counts among the N = n + 1, as if PyOD scored a batch of one.
type empirical struct {
	rows, cols int
	columns    []float64 // Column by column.
	sorted     []float64 // The same, each in ascending order.
	shape      []columnShape
	training   []float64 // -ln(k/n) by k.
	scoring    []float64 // -ln(k/(n+1)) by k.
	scores     []float64
	pool       sync.Pool // Of *[]float64: a column with one more value.
}

// columnShape holds central moments of a column, in units of a power of two near its standard deviation, as sums, from
// which those with one more value follow.
type columnShape struct {
	mean, unit     float64
	second, third  float64
	sign           int // Of the skewness of the training rows.
	meanOfTraining float64
}

// tailTerm combines the worth of the left and right tail and the sign of the skewness into a column's term.
type tailTerm func(left, right float64, sign int) float64

// fit replaces the columns by those of x and scores its rows. The matrix was checked.
func (e *empirical) fit(x Matrix, term tailTerm) {
	n, d := x.Rows, x.Cols
	e.columns, e.sorted, e.shape = resize(e.columns, n*d), resize(e.sorted, n*d), resize(e.shape, d)
	e.training, e.scoring = resize(e.training, n+1), resize(e.scoring, n+2)
	for k := 1; k <= n+1; k++ {
		e.training[min(k, n)] = -math.Log(float64(min(k, n)) / float64(n))
		e.scoring[k] = -math.Log(float64(k) / float64(n+1))
	}
	e.scores = resize(e.scores, n)
	clear(e.scores)
	mean, sd := make([]float64, d), make([]float64, d)
	moments(x, mean, sd)
	e.rows, e.cols = n, d
	for j := range d {
		values, column := e.columns[j*n:(j+1)*n], e.sorted[j*n:(j+1)*n]
		for i := range values {
			values[i] = x.Row(i)[j]
		}
		e.shape[j] = newColumnShape(values, d, mean[j], sd[j])
		copy(column, values)
		slices.Sort(column)
		var sum float64
		for i := range n {
			v := x.Row(i)[j]
			t := term(e.training[countBelow(column, v, true)], e.training[n-countBelow(column, v, false)], e.shape[j].sign)
			e.scores[i] += t
			sum += t
		}
		e.shape[j].meanOfTraining = sum / float64(n)
	}
}

// newColumnShape computes the moments of one of cols columns, with a standard deviation of about sd. A skewness that is 0
// up to rounding has the sign that rounding gave it, and with 0 the score may jump: sums are in NumPy's order, which is
// pairwise for a single column and row by row for several, so that it is PyOD's sign.
func newColumnShape(column []float64, cols int, mean, sd float64) columnShape {
	sum := pairwiseSum
	if cols > 1 {
		sum = sequentialSum
	}
	n := float64(len(column))
	s := columnShape{mean: mean, unit: 1}
	if sd > 0 {
		_, exponent := math.Frexp(sd)
		s.unit = math.Ldexp(1, min(max(exponent, -1000), 1000))
	}
	if m := sum(column, func(v float64) float64 { return v }) / n; !math.IsInf(m, 0) {
		s.mean = m
	}
	s.second = sum(column, func(v float64) float64 { z := (v - s.mean) / s.unit; return float64(z * z) })
	s.third = sum(column, func(v float64) float64 { z := (v - s.mean) / s.unit; return float64(float64(z*z) * z) })
	s.sign = skewSign(n, s.second, s.third, s.unit, s.mean)
	return s
}

// sequentialSum adds f of every value, one after the other.
func sequentialSum(v []float64, f func(float64) float64) float64 {
	var sum float64
	for _, x := range v {
		sum += f(x)
	}
	return sum
}

// skewSign returns the sign of the skewness from sums of squares and cubes in units, 0 for a column that is constant up
// to rounding.
func skewSign(n, second, third, unit, mean float64) int {
	const epsilon = 0x1p-52
	switch {
	case math.Sqrt(second/n)*unit <= epsilon*math.Abs(mean):
		return 0
	case third > 0:
		return 1
	case third < 0:
		return -1
	}
	return 0
}

// signWith returns the sign of the skewness of column j and one more value. Where the updated moments leave it to
// rounding, they are computed anew.
func (e *empirical) signWith(j int, v float64) int {
	s := &e.shape[j]
	n, all := float64(e.rows), float64(e.rows+1)
	delta := (v - s.mean) / s.unit
	second := s.second + float64(delta*delta*(n/all))
	third := s.third + float64(delta*(float64(delta*delta*(n*(n-1)/(all*all)))-3*s.second/all))
	if math.Abs(third) <= 1e-9*second*math.Sqrt(second/all) {
		scratch, ok := e.pool.Get().(*[]float64)
		if !ok {
			scratch = new([]float64)
		}
		*scratch = append(append((*scratch)[:0], e.columns[j*e.rows:(j+1)*e.rows]...), v)
		sign := newColumnShape(*scratch, e.cols, s.mean, s.unit).sign
		e.pool.Put(scratch)
		return sign
	}
	return skewSign(all, second, third, s.unit, s.mean+(v-s.mean)/all)
}

// countBelow returns how many of the sorted values are below v, or at most v.
func countBelow(sorted []float64, v float64, orEqual bool) int {
	lo, hi := 0, len(sorted)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if sorted[mid] < v || orEqual && sorted[mid] == v {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// column returns the term of a new value.
func (e *empirical) column(j int, v float64, term tailTerm) float64 {
	sorted := e.sorted[j*e.rows : (j+1)*e.rows]
	below := countBelow(sorted, v, false)
	atMost := below
	if below < e.rows && sorted[below] == v {
		atMost += countBelow(sorted[below:], v, true)
	}
	return term(e.scoring[atMost+1], e.scoring[e.rows-below+1], e.signWith(j, v))
}

// score sums the terms of a new row.
func (e *empirical) score(row []float64, term tailTerm) float64 {
	var sum float64
	for j, v := range row {
		sum += e.column(j, v, term)
	}
	return sum
}

// explain writes each column's term less its mean over the training rows.
func (e *empirical) explain(row, parts []float64, term tailTerm) {
	for j, v := range row {
		parts[j] = e.column(j, v, term) - e.shape[j].meanOfTraining
	}
}

// sizeBytes returns the memory of the columns and the training scores.
func (e *empirical) sizeBytes() int {
	return 8*(cap(e.columns)+cap(e.sorted)+cap(e.training)+cap(e.scoring)+cap(e.scores)) + 48*cap(e.shape)
}
