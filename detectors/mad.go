package detectors

import "math"

// MAD is the median absolute deviation of Iglewicz and Hoaglin (1993) as PyOD computes it, for one column: with m the
// median and D the median of |x - m| over the training rows,
//
//	score = 0.6745·|x - m|/D
//
// which is about the distance from the centre in standard deviations for normal data. Where D is 0 the score is 0 at m
// and 1.797693e308, the largest float64, elsewhere.
//
// Parameters: threshold 3.5, PyOD's cut in place of contamination, see Threshold; mode. Mode strict takes NaN and
// infinities as PyOD does: NaN does not count and scores 0. Mode fixed refuses them. Fit costs O(n), a score O(1). It is
// robust up to half of the rows, sees one centre, and fails where more than half of the rows are equal.
type MAD struct {
	threshold float64
	strict    bool

	fitted            bool
	median, deviation float64
	scores            []float64
	scratch           []float64
}

func newMAD(p *params) (Detector, error) {
	m := &MAD{
		threshold: p.float("threshold", 3.5, "a finite number", func(float64) bool { return true }),
		strict:    p.strict(),
	}
	return m, p.done()
}

// Name returns "mad".
func (m *MAD) Name() string { return "mad" }

// Threshold returns the score above which PyOD labels a row.
func (m *MAD) Threshold() float64 { return m.threshold }

// TrainingScores returns the scores of the rows of the last Fit.
func (m *MAD) TrainingScores() []float64 { return m.scores }

// Fit computes median and deviation. The seed is not used. More than one column is refused.
func (m *MAD) Fit(x Matrix, _ uint64) error {
	m.fitted = false
	err := checkMatrix("mad", x)
	if e, is := err.(*DataError); is && m.strict && e.Row >= 0 {
		err = nil // Only a shape is refused, not a value.
	}
	if err != nil {
		return err
	}
	if x.Cols != 1 {
		return &DataError{Detector: "mad", Row: -1, Col: -1, Reason: "has more than one column"}
	}
	m.scratch = resize(m.scratch, x.Rows)
	m.median = nanMedian(append(m.scratch[:0], x.Data...))
	deviations := m.scratch[:0]
	for _, v := range x.Data {
		deviations = append(deviations, math.Abs(v-m.median))
	}
	m.deviation = nanMedian(deviations)
	m.scores = resize(m.scores, x.Rows)
	for i, v := range x.Data {
		m.scores[i] = m.score(v)
	}
	m.fitted = true
	return nil
}

// nanMedian returns the median of the values that are not NaN, NaN if there are none. It reorders them.
func nanMedian(values []float64) float64 {
	v := values[:0]
	for _, x := range values {
		if x == x {
			v = append(v, x)
		}
	}
	if len(v) == 0 {
		return math.NaN()
	}
	lower, upper := quickselect(v, (len(v)-1)/2), quickselect(v, len(v)/2)
	if lower == upper {
		return lower // Also where both are infinite, or their sum would be.
	}
	if sum := lower + upper; !math.IsInf(sum, 0) || math.IsInf(lower, 0) || math.IsInf(upper, 0) {
		return sum / 2
	}
	return lower/2 + upper/2
}

func (m *MAD) score(v float64) float64 {
	distance := math.Abs(v - m.median)
	if m.deviation > 0 && distance > math.MaxFloat64/2 {
		return finite(distance/m.deviation*0.6745, 0) // The product in PyOD's order might overflow.
	}
	return finite(float64(0.6745*distance)/m.deviation, 0)
}

// check refuses what Fit refuses.
func (m *MAD) check(row []float64) error {
	cols := 0
	if m.fitted {
		cols = 1
	}
	if m.strict && cols == 1 && len(row) == 1 {
		return nil
	}
	return checkRow("mad", cols, row)
}

// Score returns the distance from the median in robust standard deviations.
func (m *MAD) Score(row []float64) (float64, error) {
	if err := m.check(row); err != nil {
		return 0, err
	}
	return m.score(row[0]), nil
}

// Explain writes the score: there is one column.
func (m *MAD) Explain(row, parts []float64) error {
	if err := m.check(row); err != nil {
		return err
	}
	if len(parts) != 1 {
		return checkParts("mad", 1, row, parts)
	}
	parts[0] = m.score(row[0])
	return nil
}

// SizeBytes returns the memory of the fitted model, training scores included.
func (m *MAD) SizeBytes() int { return 8 * (2 + cap(m.scores) + cap(m.scratch)) }
