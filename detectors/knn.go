package detectors

import (
	"fmt"
	"math"
	"sync"
)

// KNN is the distance to the k-th nearest training row (Ramaswamy et al., 2000), or the mean or median of the k
// distances (Angiulli and Pizzuti, 2002), as PyOD computes it, in the unit of the rows.
//
// Parameters: n_neighbors (neighbors, k) 5; method largest, mean or median; metric and p as for LOF. A training row is
// not its own neighbour; a new row equal to a training row has it at distance 0. There is no mode: PyOD's numbers are
// right. Costs are those of LOF. It depends on the columns' units (scale first) and has one scale for all regions: a row
// between dense clusters can score lower than a normal row of a sparse one.
type KNN struct {
	k      int
	method string

	search neighbors
	cols   int
	scores []float64
	pool   *sync.Pool // Of *nearest.
}

func newKNN(p *params) (Detector, error) {
	p.strict() // Both modes are the same.
	k := &KNN{
		k:      p.int("n_neighbors|neighbors|k", 5, 1, math.MaxInt32),
		method: p.choice("method", "largest", "mean", "median"),
		search: neighbors{metric: newMetric(p)},
		pool:   &sync.Pool{New: func() any { return new(nearest) }},
	}
	return k, p.done()
}

// Name returns "knn".
func (d *KNN) Name() string { return "knn" }

// TrainingScores returns the scores of the rows of the last Fit, each with itself left out.
func (d *KNN) TrainingScores() []float64 { return d.scores }

// Fit keeps the rows and scores each against the others. The seed is not used. There must be more rows than neighbours.
func (d *KNN) Fit(x Matrix, _ uint64) error {
	d.cols = 0
	if err := checkMatrix("knn", x); err != nil {
		return err
	}
	if x.Rows <= d.k {
		reason := fmt.Sprintf("has %d rows: %d neighbours need at least one more", x.Rows, d.k)
		return &DataError{Detector: "knn", Row: -1, Col: -1, Reason: reason}
	}
	d.scores = resize(d.scores, x.Rows)
	near := d.pool.Get().(*nearest)
	defer d.pool.Put(near)
	d.search.fit(x, d.k, near, func(i int, near *nearest) { d.scores[i] = d.reduce(near.keys) })
	d.cols = x.Cols
	return nil
}

// reduce turns the keys of the neighbours into the score.
func (d *KNN) reduce(keys []float64) float64 {
	k, m := len(keys), d.search.metric
	switch d.method {
	case "largest":
		return finite(m.root(keys[k-1]), 0)
	case "median":
		return finite((m.root(keys[(k-1)/2])+m.root(keys[k/2]))/2, 0)
	}
	var sum float64
	for _, key := range keys {
		sum += m.root(key)
	}
	return finite(sum/float64(k), 0)
}

// Score returns the largest, mean or median distance to the k nearest training rows.
func (d *KNN) Score(row []float64) (float64, error) {
	if err := checkRow("knn", d.cols, row); err != nil {
		return 0, err
	}
	near := d.pool.Get().(*nearest)
	d.search.nearestTo(row, near)
	score := d.reduce(near.keys)
	d.pool.Put(near)
	return score, nil
}

// Explain writes, per column, the mean over the row's neighbours of the squared difference, in squared units of the
// rows. For Euclidean distance the parts sum to the mean squared distance to the neighbours.
func (d *KNN) Explain(row, parts []float64) error {
	if err := checkParts("knn", d.cols, row, parts); err != nil {
		return err
	}
	near := d.pool.Get().(*nearest)
	d.search.nearestTo(row, near)
	d.search.explain(row, near.rows, parts)
	d.pool.Put(near)
	return nil
}

// SizeBytes returns the memory of the fitted model, training scores included.
func (d *KNN) SizeBytes() int { return d.search.sizeBytes() + 8*cap(d.scores) }
