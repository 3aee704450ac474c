package detectors

import (
	"math"
	"sync"
)

// RCF is a batch random cut forest: the trees of Guha et al. (2016), grown anew at every fit, with a score that follows
// what a random cut would do to the row. At a node of m training rows at depth h, whose bounding box has sides of sum L,
// a row that lies outside the box by e, summed over the columns, would be cut off first with probability p = e/(e + L).
// That is worth (1 - m/2ψ)/(h + 1); with probability 1 - p the row goes on to its child. A row that ends in a leaf among
// m equals is worth (1 - m/2ψ)/(h + log2(1 + m)). The score is the expectation, as a mean over the trees of ψ rows.
//
// It lies between 0 and 1, about 0.1 is normal, and it compares between fits and streams, so one alert threshold can
// serve many streams. Unlike IForest it sees how far out a row is, and changes of columns that were constant.
//
// Parameters: n_estimators (estimators, trees) 100; max_samples (sample_size) 256, from 2 to 16384, at most all rows.
// There is no mode, as PyOD has no such detector. Columns are cut with probability proportional to their range: scale
// first. Values are kept as float32, and those beyond ±1e32 as that.
//
// Fit costs O(trees·ψ·log ψ·d) and one score per training row, a score O(trees·(log ψ + d)) or so. It misses what is
// unusual only relative to a local density (LOF sees that), and clusters of anomalies as large as a good part of ψ.
type RCF struct {
	trees, psi int

	cols   int
	forest cutForest
	scores []float64
	pool   *sync.Pool // Of *cutGrower.
}

func newRCF(p *params) (Detector, error) {
	p.strict() // Both modes are the same.
	f := &RCF{
		trees: p.int("n_estimators|estimators|trees", 100, 1, 10000),
		psi:   p.int("max_samples|sample_size", 256, 2, 16384),
		pool:  &sync.Pool{New: func() any { return new(cutGrower) }},
	}
	return f, p.done()
}

// Name returns "rcf".
func (f *RCF) Name() string { return "rcf" }

// TrainingScores returns the scores of the rows of the last Fit, whether a tree drew them or not.
func (f *RCF) TrainingScores() []float64 { return f.scores }

// Fit grows the trees from the seed and scores the rows.
func (f *RCF) Fit(x Matrix, seed uint64) error {
	f.cols = 0
	if err := checkMatrix("rcf", x); err != nil {
		return err
	}
	if x.Cols > math.MaxUint16 {
		return &DataError{Detector: "rcf", Row: -1, Col: -1, Reason: "has more than 65,535 columns"}
	}
	g := f.pool.Get().(*cutGrower)
	defer f.pool.Put(g)
	g.grow(&f.forest, x, f.trees, min(f.psi, x.Rows), seed)
	f.scores = resize(f.scores, x.Rows)
	f.forest.scoreAll(g.values, f.scores)
	f.cols = x.Cols
	return nil
}

// Score returns the expected score, in [0, 1].
func (f *RCF) Score(row []float64) (float64, error) {
	if err := checkRow("rcf", f.cols, row); err != nil {
		return 0, err
	}
	var stack [cutStack]float32
	if f.forest.width <= len(stack) {
		return f.forest.score(castRow(row, stack[:f.forest.width])), nil
	}
	g := f.pool.Get().(*cutGrower)
	g.row = resize(g.row, f.forest.width)
	score := f.forest.score(castRow(row, g.row))
	f.pool.Put(g)
	return score, nil
}

// Explain writes how much of the score each column earned: what a cut at a node is worth goes to the columns in
// proportion to how far the row is outside the box in each. The parts sum to the score less what the row earns in
// leaves, where no column stands out.
func (f *RCF) Explain(row, parts []float64) error {
	if err := checkParts("rcf", f.cols, row, parts); err != nil {
		return err
	}
	clear(parts)
	f.forest.explain(castRow(row, make([]float32, f.forest.width)), parts)
	return nil
}

// SizeBytes returns the memory of the fitted model, training scores included.
func (f *RCF) SizeBytes() int { return f.forest.sizeBytes() + 8*cap(f.scores) }
