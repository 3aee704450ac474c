package detectors

import (
	"math"
	"sync"
)

// IForest is the isolation forest of Liu, Ting and Zhou (2008) as scikit-learn grows it: random splits isolate unusual
// rows after few steps. With E[h] the mean path length of a row over the trees and c(psi) that of a failed search in a
// tree of psi rows,
//
//	raw = 2^(-E[h] / c(psi))
//
// is about 0.5 for an average row and comes near 1 for an isolated one; it compares between fits and streams.
//
// Parameters: n_estimators (estimators, trees) 100; max_samples (sample_size) "auto" = min(256, rows), a number of rows
// or a share in (0, 1]; max_features (features) 1.0, a share or a number of columns, drawn once per tree; bootstrap
// false; contamination 0.1; mode. A JSON or YAML 1.0 is a share, any larger number a count.
//
// Mode fixed scores raw. Mode strict scores raw minus its percentile 100*(1-contamination) over the training rows, as
// PyOD's decision_function does. Forests are drawn from this package's generator: they match scikit-learn's in
// distribution, not tree by tree.
//
// Fit costs O(trees·psi·log psi) and one score per training row, a score O(trees·log psi), whatever the number of rows
// and columns. Values are cast to float32, and a range of 1e-7 or less counts as constant: scale first. It is blind to
// changes of a column that was constant in training, and out of range it does not see how far.
type IForest struct {
	trees         int
	samples       count
	features      count
	bootstrap     bool
	strict        bool
	contamination float64

	cols   int
	psi    int
	forest forest
	offset float64 // Subtracted from raw: 0 in mode fixed.
	scores []float64
	pool   *sync.Pool // Of *forestGrower.
}

// count is a number of rows or columns, given as a number, as a share of all of them, or by default (both 0).
type count struct {
	number int
	share  float64
}

func newIForest(p *params) (Detector, error) {
	f := &IForest{
		trees:         p.int("n_estimators|estimators|trees", 100, 1, 10000),
		samples:       p.count("max_samples|sample_size", 1),
		features:      p.count("max_features|features", 0),
		bootstrap:     p.bool("bootstrap", false),
		strict:        p.strict(),
		contamination: p.contamination,
		pool:          &sync.Pool{New: func() any { return new(forestGrower) }},
	}
	return f, p.done()
}

// count reads "auto", a number of at least low, or a share in (0, 1].
func (p *params) count(names string, low int) count {
	name, value, ok := p.lookup(names)
	if !ok || value == "auto" {
		return count{}
	}
	if v, isFloat := value.(float64); isFloat && v > 0 && v <= 1 {
		return count{share: v}
	}
	if n, whole := wholeNumber(value); whole && n >= low {
		return count{number: max(n, 1)}
	}
	p.fail(name, value, `"auto", a whole number, or a share in (0, 1]`)
	return count{}
}

// Name returns "iforest".
func (f *IForest) Name() string { return "iforest" }

// TrainingScores returns the scores of the rows of the last Fit.
func (f *IForest) TrainingScores() []float64 { return f.scores }

// Fit grows the trees from the seed and scores the rows. It refuses a max_samples share of less than one row and a
// max_features above the number of columns.
func (f *IForest) Fit(x Matrix, seed uint64) error {
	f.cols, f.scores = 0, f.scores[:0]
	if err := checkMatrix("iforest", x); err != nil {
		return err
	}
	p, err := f.resolve(x)
	if err != nil {
		return err
	}
	g := f.pool.Get().(*forestGrower)
	defer f.pool.Put(g)
	g.prepare(x)
	if !g.grow(&f.forest, x, p, seed) {
		return &DataError{Detector: "iforest", Row: -1, Col: -1, Reason: "gives trees with more than 65,535 kinds of leaves: lower max_samples"}
	}
	f.psi, f.offset = p.psi, 0
	f.scores = resize(f.scores, x.Rows)
	f.rawAll(x, f.scores, g)
	if f.strict {
		f.offset = Percentile(f.scores, 100*(1-f.contamination))
		for i := range f.scores {
			f.scores[i] -= f.offset
		}
	}
	f.cols = x.Cols
	return nil
}

// resolve turns the parameters into numbers for this matrix.
func (f *IForest) resolve(x Matrix) (forestParams, error) {
	p := forestParams{trees: f.trees, psi: min(256, x.Rows), columns: x.Cols, bootstrap: f.bootstrap}
	if x.Cols > math.MaxUint16 {
		return p, &DataError{Detector: "iforest", Row: -1, Col: -1, Reason: "has more than 65,535 columns"}
	}
	switch {
	case f.samples.number > 0:
		p.psi = min(f.samples.number, x.Rows)
	case f.samples.share > 0:
		p.psi = int(f.samples.share * float64(x.Rows))
	}
	if p.psi == 0 {
		return p, &ParamError{Detector: "iforest", Param: "max_samples", Value: f.samples.share, Want: "a share of at least one row"}
	}
	switch {
	case f.features.number > x.Cols:
		return p, &ParamError{Detector: "iforest", Param: "max_features", Value: f.features.number, Want: "at most the number of columns"}
	case f.features.number > 0:
		p.columns = f.features.number
	case f.features.share > 0:
		p.columns = max(1, int(f.features.share*float64(x.Cols)))
	}
	return p, nil
}

// raw returns 2^(-E[h]/c(psi)), ½ for trees of one row.
func (f *IForest) raw(row []float64) float64 {
	sum, c := f.forest.pathSum(row), f.forest.average(f.psi)
	if c == 0 {
		return 0.5
	}
	return math.Exp2(-sum / (float64(f.forest.trees) * c))
}

// Score returns the raw score, in (0, 1), or in mode strict its excess over the training percentile.
func (f *IForest) Score(row []float64) (float64, error) {
	if err := checkRow("iforest", f.cols, row); err != nil {
		return 0, err
	}
	return f.raw(row) - f.offset, nil
}

// Explain writes how much each column shortened the row's paths, in edges: at each split c(rows of the node) - 1 -
// c(rows of the child) goes to its column, and the parts are means over the trees. They sum to c(psi) - E[h] (with
// bootstrap, c of the distinct rows drawn), so raw = 2^(sum/c(psi) - 1).
func (f *IForest) Explain(row, parts []float64) error {
	if err := checkParts("iforest", f.cols, row, parts); err != nil {
		return err
	}
	clear(parts)
	f.forest.explain(row, parts)
	return nil
}

// SizeBytes returns the memory of the fitted model, training scores included.
func (f *IForest) SizeBytes() int { return f.forest.sizeBytes() + 8*cap(f.scores) }
