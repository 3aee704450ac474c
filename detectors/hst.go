package detectors

import "math"

// HST is the forest of half-space trees of Tan, Ting and Liu (2011): it learns one row at a time without a refit. Each
// tree halves a random work space again and again, at the middle of a random column, and counts rows in every node.
// With r the rows of the reference window in the first node on a row's path, at depth k, that holds at most a tenth of
// the window or has the largest depth, the paper's mass is Σ r·2^k over the trees. Here
//
//	score = log2( (trees·n + 1) / (mass + 1) )
//
// in bits, with n the rows of the window: 0 where rows are as dense as if spread evenly, more where they are sparser, at
// most log2(trees·n + 1).
//
// Learn counts a row in the next window; when that holds window_size rows it becomes the reference. Fit lays out the work
// space, from the columns' ranges, and takes the last window_size rows as reference: it adapts to new densities, but not
// to values far beyond the range of the rows it was fitted on.
//
// Parameters: num_trees (n_estimators, trees) 25; max_depth (depth) 8, up to 20, where the paper has 15 in 64 times the
// memory; window_size (window) 250. There is no mode. Fit costs O(trees·(2^depth + n·depth)), a score and Learn
// O(trees·depth), whatever the columns. It is coarse: a score has few levels, and a column matters by chance.
type HST struct {
	trees, depth, window int

	cols      int
	lo, span  []float64
	columns   []uint16  // Of inner node i of tree t, at t<<depth + i, in heap order from 1.
	cuts      []float64 // Likewise.
	reference []int32   // Rows of node i of tree t, at t<<(depth+1) + i.
	latest    []int32
	rows      int // Of the reference.
	learned   int // Rows counted in latest.
	scores    []float64
	z         []float64 // Scratch: a normalised row.
	low, high []float64 // Scratch: the range of a node.
}

func newHST(p *params) (Detector, error) {
	p.strict() // Both modes are the same.
	h := &HST{
		trees:  p.int("num_trees|n_estimators|trees", 25, 1, 1000),
		depth:  p.int("max_depth|depth", 8, 1, 20),
		window: p.int("window_size|window", 250, 1, 1<<20),
	}
	return h, p.done()
}

// Name returns "hst".
func (h *HST) Name() string { return "hst" }

// TrainingScores returns the scores of the rows of the last Fit, by the reference at its end.
func (h *HST) TrainingScores() []float64 { return h.scores }

// Fit lays out the trees from the seed and counts the last rows.
func (h *HST) Fit(x Matrix, seed uint64) error {
	h.cols = 0
	if err := checkMatrix("hst", x); err != nil {
		return err
	}
	if x.Cols > math.MaxUint16 {
		return &DataError{Detector: "hst", Row: -1, Col: -1, Reason: "has more than 65,535 columns"}
	}
	d := x.Cols
	h.lo, h.span, h.z = resize(h.lo, d), resize(h.span, d), resize(h.z, d)
	h.low, h.high = resize(h.low, d), resize(h.high, d)
	for j := range d {
		lo, hi := x.Data[j], x.Data[j]
		for i := j; i < len(x.Data); i += d {
			lo, hi = min(lo, x.Data[i]), max(hi, x.Data[i])
		}
		h.lo[j], h.span[j] = lo, min(hi-lo, math.MaxFloat64)
		if h.span[j] == 0 {
			h.span[j] = 1 // A constant: a change counts in its own unit.
		}
	}
	h.columns, h.cuts = resize(h.columns, h.trees<<h.depth), resize(h.cuts, h.trees<<h.depth)
	h.reference, h.latest = resize(h.reference, h.trees<<(h.depth+1)), resize(h.latest, h.trees<<(h.depth+1))
	clear(h.latest)
	r := newRNG(seed, 0)
	for t := range h.trees {
		for j := range d {
			s := r.float()
			reach := 2 * max(s, 1-s)
			h.low[j], h.high[j] = s-reach, s+reach
		}
		h.halve(t, 1, &r)
	}
	h.cols, h.learned = d, 0
	for i := max(0, x.Rows-h.window); i < x.Rows; i++ {
		h.count(x.Row(i))
	}
	h.turn()
	h.scores = resize(h.scores, x.Rows)
	for i := range h.scores {
		h.scores[i] = h.sparsity(x.Row(i))
	}
	return nil
}

// halve splits node i, whose range is low to high, and those below.
func (h *HST) halve(t, i int, r *rng) {
	if i >= 1<<h.depth {
		return
	}
	j := r.below(len(h.low))
	low, high := h.low[j], h.high[j]
	cut := (low + high) / 2
	h.columns[t<<h.depth+i], h.cuts[t<<h.depth+i] = uint16(j), cut
	h.high[j] = cut
	h.halve(t, 2*i, r)
	h.low[j], h.high[j] = cut, high
	h.halve(t, 2*i+1, r)
	h.low[j] = low
}

// normalise maps the range of the training rows to [0, 1].
func (h *HST) normalise(row []float64) []float64 {
	for j, v := range row {
		h.z[j] = (v - h.lo[j]) / h.span[j]
	}
	return h.z
}

// count adds a row to the latest window.
func (h *HST) count(row []float64) {
	z := h.normalise(row)
	for t := range h.trees {
		latest := h.latest[t<<(h.depth+1):]
		i := 1
		for range h.depth {
			latest[i]++
			i = h.child(t, i, z)
		}
		latest[i]++
	}
	h.learned++
}

// child returns the half of node i that a row is in.
func (h *HST) child(t, i int, z []float64) int {
	if at := t<<h.depth + i; z[h.columns[at]] < h.cuts[at] {
		return 2 * i
	}
	return 2*i + 1
}

// turn makes the latest window the reference.
func (h *HST) turn() {
	h.reference, h.latest = h.latest, h.reference
	clear(h.latest)
	h.rows, h.learned = h.learned, 0
}

// sparsity returns the score of a row.
func (h *HST) sparsity(row []float64) float64 {
	z := h.normalise(row)
	var mass float64
	for t := range h.trees {
		i, k := 1, 0
		for k < h.depth && !h.terminal(t, i) {
			i = h.child(t, i, z)
			k++
		}
		mass += math.Ldexp(float64(h.reference[t<<(h.depth+1)+i]), k)
	}
	return math.Log2(float64(h.trees*h.rows+1) / (mass + 1))
}

// terminal says whether a node holds too few rows to look further: a tenth of the window.
func (h *HST) terminal(t, i int) bool { return 10*int(h.reference[t<<(h.depth+1)+i]) <= h.rows }

// Score returns how much sparser than evenly spread rows are around this one, in bits.
func (h *HST) Score(row []float64) (float64, error) {
	if err := checkRow("hst", h.cols, row); err != nil {
		return 0, err
	}
	return h.sparsity(row), nil
}

// Learn counts the row in the next reference window.
func (h *HST) Learn(row []float64) error {
	if err := checkRow("hst", h.cols, row); err != nil {
		return err
	}
	h.count(row)
	if h.learned >= h.window {
		h.turn()
	}
	return nil
}

// Explain writes how many bits of sparsity the halvings of each column contribute, as a mean over the trees: at each
// node on the path log2((r + 1)/(2·(r of the half + 1))). The parts sum to the mean over the trees of
// log2((n + 1)/((r + 1)·2^k)), which is near the score.
func (h *HST) Explain(row, parts []float64) error {
	if err := checkParts("hst", h.cols, row, parts); err != nil {
		return err
	}
	clear(parts)
	z := h.normalise(row)
	for t := range h.trees {
		reference := h.reference[t<<(h.depth+1):]
		i := 1
		for k := 0; k < h.depth && !h.terminal(t, i); k++ {
			child := h.child(t, i, z)
			parts[h.columns[t<<h.depth+i]] += math.Log2(float64(reference[i]+1) / float64(2*(reference[child]+1)))
			i = child
		}
	}
	for j := range parts {
		parts[j] /= float64(h.trees)
	}
	return nil
}

// SizeBytes returns the memory of the fitted model, training scores included.
func (h *HST) SizeBytes() int {
	return 8*(cap(h.lo)+cap(h.span)+cap(h.cuts)+cap(h.scores)+cap(h.z)+cap(h.low)+cap(h.high)) +
		2*cap(h.columns) + 4*(cap(h.reference)+cap(h.latest))
}
