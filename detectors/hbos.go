package detectors

import (
	"fmt"
	"math"
)

// HBOS is the histogram-based outlier score of Goldstein and Dengel (2012) as PyOD computes it: one histogram of equal
// bins per column, score = -Σ log2(density + alpha) over the columns, in bits.
//
// Parameters: n_bins (bins) 10, at least 3, or "auto"; alpha 0.1 and tol 0.5, both inside (0, 1); mode. Fit costs O(n·d),
// a score O(d). It treats columns as independent, so it misses what is unusual only in combination.
//
// Mode fixed repairs what goes wrong in PyOD: densities are per standard deviation of the column, so units do not
// matter; a value is scored with the bin it was counted in; a constant column adds 0 for its value and -log2(alpha)
// for any other; beyond tol bin widths out of range the density is 0. Mode strict gives PyOD's numbers, and refuses
// columns too narrow for their magnitude as PyOD does.
type HBOS struct {
	bins       int // 0 means "auto".
	alpha, tol float64
	strict     bool

	cols    []hbosColumn
	edges   []float64 // All columns' edges.
	logs    []float64 // All columns' -log2(density + alpha).
	scores  []float64
	scratch []uint16
}

// hbosColumn is the histogram of one column; edges and logs start at its offsets in the slabs.
type hbosColumn struct {
	lo, hi, inv     float64
	outside         float64 // The term of everything beyond.
	mean            float64 // Mean term of the training rows.
	edge, log, bins int32
	constant        bool // Mode fixed: lo is the value, hi the tolerance.
}

func newHBOS(p *params) (Detector, error) {
	h := &HBOS{bins: 10}
	open := func(v float64) bool { return v > 0 && v < 1 }
	if _, v, ok := p.lookup("n_bins|bins"); !ok || v != "auto" {
		h.bins = p.int("n_bins|bins", 10, 3, math.MaxUint16)
	} else {
		h.bins = 0
	}
	h.alpha = p.float("alpha", 0.1, "a number inside (0, 1)", open)
	h.tol = p.float("tol", 0.5, "a number inside (0, 1)", open)
	h.strict = p.strict()
	return h, p.done()
}

// Name returns "hbos".
func (h *HBOS) Name() string { return "hbos" }

// TrainingScores returns the scores of the rows of the last Fit.
func (h *HBOS) TrainingScores() []float64 { return h.scores }

// Fit builds one histogram per column. The seed is not used. Beyond what every detector refuses, mode strict refuses a
// column whose range is too narrow, for its magnitude, to be cut into bins.
func (h *HBOS) Fit(x Matrix, _ uint64) error {
	if err := checkMatrix("hbos", x); err != nil {
		h.cols = nil
		return err
	}
	if cap(h.cols) < x.Cols {
		h.cols = make([]hbosColumn, x.Cols)
	}
	h.cols, h.edges, h.logs = h.cols[:x.Cols], h.edges[:0], h.logs[:0]
	h.scores = resize(h.scores, x.Rows)
	clear(h.scores)
	for j := range h.cols {
		if err := h.fitColumn(x, j); err != nil {
			h.cols = nil
			return err
		}
	}
	return nil
}

// fitColumn builds the histogram of column j and adds its terms to the training scores.
func (h *HBOS) fitColumn(x Matrix, j int) error {
	lo, hi := x.Data[j], x.Data[j]
	for i := j; i < len(x.Data); i += x.Cols {
		lo, hi = min(lo, x.Data[i]), max(hi, x.Data[i])
	}
	unit := 1.0
	if !h.strict {
		if hi-lo <= 1e-12*max(math.Abs(lo), math.Abs(hi)) {
			h.fitConstant(j, lo)
			return nil
		}
		unit = columnSpread(x, j, lo, hi)
	}
	bins := h.bins
	if bins == 0 {
		bins = optimalBins(x.Data[j:], x.Cols, lo, hi)
	}
	first, firstLog := len(h.edges), len(h.logs)
	h.edges = grow(h.edges, bins+1)
	hist, ok := newHistogram(lo, hi, h.edges[first:])
	if !ok && !h.strict && !math.IsInf(hi-lo, 0) {
		h.edges = h.edges[:first]
		h.fitConstant(j, lo)
		return nil
	}
	if !ok || bins == 0 {
		reason := fmt.Sprintf("ranges from %v to %v: cannot be cut into bins of equal width", lo, hi)
		return &DataError{Detector: "hbos", Row: -1, Col: j, Reason: reason}
	}
	h.logs = grow(h.logs, bins)
	logs := h.logs[firstLog:]
	h.scratch = resize(h.scratch, x.Rows)
	clear(logs)
	for i := range x.Rows {
		b := hist.bin(x.Data[i*x.Cols+j])
		h.scratch[i] = uint16(b)
		logs[b]++
	}
	worst := math.Inf(-1)
	for b, count := range logs {
		density := count / ((hist.edges[b+1] - hist.edges[b]) / unit) / float64(x.Rows)
		logs[b] = -math.Log2(density + h.alpha)
		worst = max(worst, logs[b])
	}
	c := &h.cols[j]
	*c = hbosColumn{lo: hist.lo, hi: hist.hi, inv: hist.inv, edge: int32(first), log: int32(firstLog), bins: int32(bins)}
	c.outside = worst
	if !h.strict {
		c.outside = -math.Log2(h.alpha)
	}
	h.scoreColumn(x, j)
	return nil
}

// columnSpread returns the population standard deviation of column j, which ranges from lo to hi. It is computed on
// [0, 1], where no square overflows or vanishes.
func columnSpread(x Matrix, j int, lo, hi float64) float64 {
	n, width := float64(x.Rows), hi-lo
	var sum, squares float64
	for i := j; i < len(x.Data); i += x.Cols {
		sum += (x.Data[i] - lo) / width
	}
	mean := sum / n
	for i := j; i < len(x.Data); i += x.Cols {
		d := (x.Data[i]-lo)/width - mean
		squares += float64(d * d)
	}
	return math.Sqrt(squares/n) * width
}

// scoreColumn adds the terms of column j to the training scores and keeps their mean.
func (h *HBOS) scoreColumn(x Matrix, j int) {
	c := &h.cols[j]
	var sum float64
	for i := range h.scores {
		var term float64
		if h.strict {
			term = h.term(c, x.Data[i*x.Cols+j])
		} else {
			term = h.logs[int(c.log)+int(h.scratch[i])]
		}
		h.scores[i] += term
		sum += term
	}
	c.mean = sum / float64(len(h.scores))
}

// fitConstant describes a column that has one value: 0 for it, the score of an empty bin for any other.
func (h *HBOS) fitConstant(j int, v float64) {
	h.cols[j] = hbosColumn{constant: true, lo: v, hi: 1e-9 * max(1, math.Abs(v)), outside: -math.Log2(h.alpha)}
}

// Score returns -Σ log2(density + alpha), in bits.
func (h *HBOS) Score(row []float64) (float64, error) {
	if err := checkRow("hbos", len(h.cols), row); err != nil {
		return 0, err
	}
	var sum float64
	for j := range h.cols {
		sum += h.term(&h.cols[j], row[j])
	}
	return sum, nil
}

// Explain writes each column's term of the score minus its mean over the training rows, in bits. The parts sum to the
// score minus the mean training score.
func (h *HBOS) Explain(row, parts []float64) error {
	if err := checkParts("hbos", len(h.cols), row, parts); err != nil {
		return err
	}
	for j := range h.cols {
		c := &h.cols[j]
		parts[j] = h.term(c, row[j]) - c.mean
	}
	return nil
}

// term returns -log2(density + alpha) of one value.
func (h *HBOS) term(c *hbosColumn, v float64) float64 {
	if v >= c.lo && v <= c.hi && !c.constant {
		edges := h.edges[c.edge : c.edge+c.bins+1]
		hist := histogram{lo: c.lo, hi: c.hi, inv: c.inv, edges: edges}
		b := hist.bin(v)
		if h.strict && b > 0 && v == edges[b] {
			b-- // PyOD counts in [e, e') but scores in (e, e'].
		}
		return h.logs[int(c.log)+b]
	}
	switch {
	case c.constant && math.Abs(v-c.lo) <= c.hi:
		return 0
	case c.constant:
		return c.outside
	case v < c.lo && h.within(c.lo-v, h.edges[c.edge+1]-h.edges[c.edge]):
		return h.logs[c.log]
	case v > c.hi && h.within(v-c.hi, c.hi-h.edges[c.edge+c.bins-1]):
		return h.logs[c.log+c.bins-1]
	}
	return c.outside
}

// within says whether a value at this distance out of range is still scored like the outer bin of this width.
func (h *HBOS) within(distance, width float64) bool { return distance <= width*h.tol }

// SizeBytes returns the memory of the fitted model, training scores included.
func (h *HBOS) SizeBytes() int {
	return 72*cap(h.cols) + 8*(cap(h.edges)+cap(h.logs)+cap(h.scores)) + 2*cap(h.scratch)
}
