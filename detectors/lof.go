package detectors

import (
	"math"
	"sync"
)

// LOF is the local outlier factor of Breunig et al. (2000) as scikit-learn computes it, novelty mode: how much sparser
// the surroundings of a row are than those of its k nearest neighbours. About 1 is normal; far out it grows with the
// distance. It has no unit.
//
//	kd(j)      = distance from training row j to its k-th nearest other row
//	reach(x,j) = max(distance(x, j), kd(j))
//	lrd(x)     = 1 / (mean of reach over the k nearest rows j of x + 1e-10)
//	score(x)   = mean of lrd(j) over them / lrd(x)
//
// Parameters: n_neighbors (neighbors, k) 20, clamped to the rows less one; metric euclidean, manhattan, chebyshev or
// minkowski with p; mode. There are exactly k neighbours, equal distances being decided by the lower row number. A
// training row is not its own neighbour; a new row equal to a training row has it at distance 0.
//
// Mode strict is scikit-learn: where more than k rows are identical, rows near them score up to 1e10. Mode fixed floors
// every reach at a thousandth of the median kd (0.001 if that is 0, for scaled data), which bounds the score there.
//
// With up to 8 columns a score costs O(log n) or so, beyond it O(n·d) at a few operations per cycle; a fit costs n
// scores. It depends on the columns' units (scale first), and a dense group of more than k anomalies is normal to it.
type LOF struct {
	k      int
	strict bool

	search neighbors
	used   int // Neighbours of the fitted model: k, or rows - 1; 0 if there is none.
	lrd    []float64
	floor  float64 // Smallest key of a reach.
	scores []float64
	pool   *sync.Pool // Of *lofScratch.
}

// lofScratch is the memory of one search, and of a fit's: all neighbours of all rows.
type lofScratch struct {
	near nearest
	keys []float64
	rows []int32
}

func newLOF(p *params) (Detector, error) {
	l := &LOF{
		k:      p.int("n_neighbors|neighbors|k", 20, 1, math.MaxInt32),
		strict: p.strict(),
		search: neighbors{metric: newMetric(p)},
		pool:   &sync.Pool{New: func() any { return new(lofScratch) }},
	}
	return l, p.done()
}

// Name returns "lof".
func (l *LOF) Name() string { return "lof" }

// TrainingScores returns the scores of the rows of the last Fit, each with itself left out.
func (l *LOF) TrainingScores() []float64 { return l.scores }

// Fit finds the k nearest other rows of every row. The seed is not used. One row alone is refused.
func (l *LOF) Fit(x Matrix, _ uint64) error {
	l.used = 0
	if err := checkMatrix("lof", x); err != nil {
		return err
	}
	if x.Rows == 1 {
		return &DataError{Detector: "lof", Row: -1, Col: -1, Reason: "has one row: a neighbour needs another"}
	}
	n, k := x.Rows, min(l.k, x.Rows-1)
	l.lrd, l.scores = resize(l.lrd, n), resize(l.scores, n)
	scratch := l.pool.Get().(*lofScratch)
	defer l.pool.Put(scratch)
	scratch.keys, scratch.rows = resize(scratch.keys, n*k), resize(scratch.rows, n*k)
	keys, rows := scratch.keys, scratch.rows
	l.search.fit(x, k, &scratch.near, func(i int, near *nearest) {
		copy(keys[i*k:], near.keys)
		copy(rows[i*k:], near.rows)
	})
	l.floor = l.reachFloor()
	for i := range n {
		l.lrd[i] = l.density(keys[i*k:(i+1)*k], rows[i*k:(i+1)*k])
	}
	for i := range n {
		l.scores[i] = l.factor(rows[i*k:(i+1)*k], l.lrd[i])
	}
	l.used = k
	return nil
}

// reachFloor returns the key below which no reach falls: 0 in mode strict.
func (l *LOF) reachFloor() float64 {
	if l.strict {
		return 0
	}
	keys := append(l.lrd[:0], l.search.kth...) // Densities are not there yet.
	lower, upper := quickselect(keys, (len(keys)-1)/2), quickselect(keys, len(keys)/2)
	floor := 1e-3 * (l.search.metric.root(lower) + l.search.metric.root(upper)) / 2
	if floor == 0 {
		floor = 1e-3
	}
	return l.search.metric.key([]float64{floor}, []float64{0})
}

// density returns the local reachability density of a row with these neighbours. The greater of two keys is the key of
// the greater distance, so one root per neighbour is enough.
func (l *LOF) density(keys []float64, rows []int32) float64 {
	var sum float64
	for i, row := range rows {
		sum += l.search.metric.root(max(keys[i], l.search.kth[row], l.floor))
	}
	return 1 / (sum/float64(len(rows)) + 1e-10)
}

// factor returns the mean density of these neighbours relative to that of the row.
func (l *LOF) factor(rows []int32, density float64) float64 {
	var sum float64
	for _, row := range rows {
		sum += l.lrd[row]
	}
	return finite(sum/float64(len(rows))/density, 1)
}

// finite replaces what overflowed: an infinity by the largest float64, and NaN, where equals were compared, by equal.
func finite(v, equal float64) float64 {
	if v != v {
		return equal
	}
	return min(v, math.MaxFloat64)
}

// Score returns the local outlier factor.
func (l *LOF) Score(row []float64) (float64, error) {
	if err := l.check(row); err != nil {
		return 0, err
	}
	scratch := l.pool.Get().(*lofScratch)
	near := &scratch.near
	l.search.nearestTo(row, near)
	score := l.factor(near.rows, l.density(near.keys, near.rows))
	l.pool.Put(scratch)
	return score, nil
}

func (l *LOF) check(row []float64) error {
	if l.used == 0 {
		return ErrNotFitted
	}
	return checkRow("lof", l.search.cols, row)
}

// Explain writes, per column, the mean over the row's neighbours of the squared difference, in squared units of the
// rows. For Euclidean distance the parts sum to the mean squared distance to the neighbours.
func (l *LOF) Explain(row, parts []float64) error {
	if err := l.check(row); err != nil {
		return err
	}
	if err := checkParts("lof", len(row), row, parts); err != nil {
		return err
	}
	scratch := l.pool.Get().(*lofScratch)
	l.search.nearestTo(row, &scratch.near)
	l.search.explain(row, scratch.near.rows, parts)
	l.pool.Put(scratch)
	return nil
}

// SizeBytes returns the memory of the fitted model, training scores included.
func (l *LOF) SizeBytes() int {
	return l.search.sizeBytes() + 8*(cap(l.lrd)+cap(l.scores))
}
