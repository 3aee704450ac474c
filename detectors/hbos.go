package detectors

import (
	"fmt"
	"math"
	"sync"
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

	cols   []hbosColumn
	cells  []hbosCell // Of all columns.
	scores []float64
	pool   *sync.Pool // Of *hbosScratch.
}

// hbosScratch is the memory of fitting one column.
type hbosScratch struct {
	column, edges []float64
	counted       []uint16 // The bin of every row.
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
	h := &HBOS{bins: 10, pool: &sync.Pool{New: func() any { return new(hbosScratch) }}}
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
	scratch := h.pool.Get().(*hbosScratch)
	defer h.pool.Put(scratch)
	scratch.column, scratch.counted = resize(scratch.column, x.Rows), resize(scratch.counted, x.Rows)
	for j := range h.cols {
		for i := range scratch.column {
			scratch.column[i] = x.Data[i*x.Cols+j]
		}
		if err := h.fitColumn(j, scratch); err != nil {
			h.cols = nil
			return err
		}
	}
	return nil
}

// fitColumn builds the histogram of column j and adds its terms to the training scores.
func (h *HBOS) fitColumn(j int, s *hbosScratch) error {
	lo, hi := s.column[0], s.column[0]
	for _, v := range s.column[1:] {
		if v < lo {
			lo = v
		} else if v > hi {
			hi = v
		}
	}
	unit := 1.0
	if !h.strict {
		if hi-lo <= 1e-12*max(math.Abs(lo), math.Abs(hi)) {
			h.fitConstant(j, lo)
			return nil
		}
		unit = columnSpread(s.column, lo, hi)
	}
	bins := h.bins
	if bins == 0 {
		bins = optimalBins(s.column, 1, lo, hi)
	}
	s.edges = resize(s.edges, bins+1)
	hist, ok := newHistogram(lo, hi, s.edges)
	if !ok && !h.strict && !math.IsInf(hi-lo, 0) {
		h.fitConstant(j, lo)
		return nil
	}
	if !ok || bins == 0 {
		reason := fmt.Sprintf("ranges from %v to %v: cannot be cut into bins of equal width", lo, hi)
		return &DataError{Detector: "hbos", Row: -1, Col: j, Reason: reason}
	}
	h.fitCells(j, s, &hist, unit)
	h.scoreColumn(j, s)
	return nil
}

// fitCells counts the rows of column j, and turns the counts into terms. Densities are per unit.
func (h *HBOS) fitCells(j int, s *hbosScratch, hist *histogram, unit float64) {
	bins, first := len(hist.edges)-1, len(h.cells)
	h.cells = grow(h.cells, bins+2)
	cells := h.cells[first:]
	for b := range cells {
		cells[b].term = 0
	}
	for i, v := range s.column {
		b := hist.bin(v)
		s.counted[i] = uint16(b)
		cells[b].term++
	}
	worst := math.Inf(-1)
	for b := range bins {
		density := cells[b].term / ((hist.edges[b+1] - hist.edges[b]) / unit) / float64(len(s.column))
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

// columnSpread returns the population standard deviation of values from lo to hi. It is computed on a scale, a power of
// two, where no square overflows or vanishes.
func columnSpread(column []float64, lo, hi float64) float64 {
	_, exponent := math.Frexp(hi - lo)
	scale, n := math.Ldexp(1, min(-exponent, 1000)), float64(len(column))
	var sum, squares float64
	for _, v := range column {
		sum += float64((v - lo) * scale)
	}
	mean := sum / n
	for _, v := range column {
		d := float64((v-lo)*scale) - mean
		squares += float64(d * d)
	}
	return math.Sqrt(squares/n) / scale
}

// scoreColumn adds the terms of column j to the training scores and keeps their mean.
func (h *HBOS) scoreColumn(j int, s *hbosScratch) {
	c := &h.cols[j]
	cells := h.cells[c.first : c.first+c.bins]
	var sum float64
	for i := range h.scores {
		var term float64
		if h.strict {
			term = h.term(c, s.column[i])
		} else {
			term = cells[s.counted[i]].term
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
	return 64*cap(h.cols) + 16*cap(h.cells) + 8*cap(h.scores)
}
