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
	cells   []hbosCell // Of all columns.
	scores  []float64
	edges   []float64 // Scratch: of one column.
	counted []uint16  // Scratch: the bin of every row in one column.
}

// hbosColumn is the histogram of one column. A constant column has no bins, and no value is within its lo and hi.
type hbosColumn struct {
	lo, hi, inv      float64
	outside          float64 // The term of everything beyond.
	mean             float64 // Mean term of the training rows.
	value, tolerance float64 // Of a constant column.
	first, bins      int32   // Of the cells.
}

// hbosCell is a bin: where it begins and what it adds to the score. After the last bin of a column follow its end, with
// the term of the last bin, and an edge that nothing reaches.
type hbosCell struct{ edge, term float64 }

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
	h.cols, h.cells = h.cols[:x.Cols], h.cells[:0]
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
	h.edges = resize(h.edges, bins+1)
	hist, ok := newHistogram(lo, hi, h.edges)
	if !ok && !h.strict && !math.IsInf(hi-lo, 0) {
		h.fitConstant(j, lo)
		return nil
	}
	if !ok || bins == 0 {
		reason := fmt.Sprintf("ranges from %v to %v: cannot be cut into bins of equal width", lo, hi)
		return &DataError{Detector: "hbos", Row: -1, Col: j, Reason: reason}
	}
	h.fitCells(x, j, &hist, unit)
	h.scoreColumn(x, j)
	return nil
}

// fitCells counts the rows of column j, and turns the counts into terms. Densities are per unit.
func (h *HBOS) fitCells(x Matrix, j int, hist *histogram, unit float64) {
	bins, first := len(hist.edges)-1, len(h.cells)
	h.cells = grow(h.cells, bins+2)
	cells := h.cells[first:]
	for b := range cells {
		cells[b].term = 0
	}
	h.counted = resize(h.counted, x.Rows)
	for i := range x.Rows {
		b := hist.bin(x.Data[i*x.Cols+j])
		h.counted[i] = uint16(b)
		cells[b].term++
	}
	worst := math.Inf(-1)
	for b := range bins {
		density := cells[b].term / ((hist.edges[b+1] - hist.edges[b]) / unit) / float64(x.Rows)
		// A bin narrower than 1e-308 has an infinite density: its term stays finite.
		cells[b] = hbosCell{edge: hist.edges[b], term: -math.Log2(min(density, math.MaxFloat64/2) + h.alpha)}
		worst = max(worst, cells[b].term)
	}
	cells[bins] = hbosCell{edge: hist.edges[bins], term: cells[bins-1].term}
	cells[bins+1] = hbosCell{edge: math.Inf(1)}
	if !h.strict {
		worst = -math.Log2(h.alpha)
	}
	inv := hist.inv
	if math.IsInf(inv, 1) {
		inv = 0 // A range below 1e-307: the search starts at the first bin.
	}
	h.cols[j] = hbosColumn{lo: hist.lo, hi: hist.hi, inv: inv, outside: worst, first: int32(first), bins: int32(bins)}
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
			term = h.cells[int(c.first)+int(h.counted[i])].term
		}
		h.scores[i] += term
		sum += term
	}
	c.mean = sum / float64(len(h.scores))
}

// fitConstant describes a column that has one value: 0 for it, the score of an empty bin for any other.
func (h *HBOS) fitConstant(j int, v float64) {
	h.cols[j] = hbosColumn{
		lo: math.Inf(1), hi: math.Inf(-1), outside: -math.Log2(h.alpha),
		value: v, tolerance: 1e-9 * max(1, math.Abs(v)),
	}
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
	if !(v >= c.lo && v <= c.hi) {
		return h.beyond(c, v)
	}
	cells := h.cells[c.first : c.first+c.bins+2]
	b := int((v - c.lo) * c.inv)
	for v < cells[b].edge {
		b--
	}
	for v >= cells[b+1].edge {
		b++
	}
	if h.strict && b > 0 && v == cells[b].edge {
		b-- // PyOD counts in [e, e') but scores in (e, e'].
	}
	return cells[b].term
}

// beyond is term for a value out of range, or of a constant column.
func (h *HBOS) beyond(c *hbosColumn, v float64) float64 {
	if c.bins == 0 {
		if math.Abs(v-c.value) <= c.tolerance {
			return 0
		}
		return c.outside
	}
	cells := h.cells[c.first : c.first+c.bins+1]
	last := len(cells) - 2
	switch {
	case v < c.lo && h.within(c.lo-v, cells[1].edge-cells[0].edge):
		return cells[0].term
	case v > c.hi && h.within(v-c.hi, c.hi-cells[last].edge):
		return cells[last].term
	}
	return c.outside
}

// within says whether a value at this distance out of range is still scored like the outer bin of this width.
func (h *HBOS) within(distance, width float64) bool { return distance <= width*h.tol }

// SizeBytes returns the memory of the fitted model, training scores included.
func (h *HBOS) SizeBytes() int {
	return 64*cap(h.cols) + 16*cap(h.cells) + 8*(cap(h.edges)+cap(h.scores)) + 2*cap(h.counted)
}
