package detectors

// ECOD is the outlier detection by empirical cumulative distributions of Li et al. (2022) as PyOD computes it: how far
// out in the tails of its columns a row is. With U = -ln F of the left and the right tail (see below) and U_s the one
// that the column's skewness points to, or their sum if it is 0,
//
//	score = Σ max(U_l, U_r, U_s) over the columns
//
// in nats: a value beyond all n training values is worth ln(n + 1). F counts the values of the training rows on that
// side, and for a new row its own, N = n + 1, as PyOD does for a batch of one. (PyOD's larger batches count one another,
// and a second fit of its object keeps the rows of the first; here a fit starts afresh.)
//
// There is no parameter and no mode. Fit costs O(n·log n·d), a score O(log n·d). Units do not matter. It treats columns
// as independent and the middle as normal, so it misses unusual combinations, gaps between clusters, and how far beyond
// the training range a row is.
type ECOD struct{ tails empirical }

func newECOD(p *params) (Detector, error) {
	p.strict() // Both modes are the same.
	return new(ECOD), p.done()
}

// ecodTerm is the largest of the tails. Pointed to by the skewness or not, both count.
func ecodTerm(left, right float64, sign int) float64 {
	if sign == 0 {
		return left + right
	}
	return max(left, right)
}

// Name returns "ecod".
func (e *ECOD) Name() string { return "ecod" }

// TrainingScores returns the scores of the rows of the last Fit.
func (e *ECOD) TrainingScores() []float64 { return e.tails.scores }

// Fit sorts the columns. The seed is not used.
func (e *ECOD) Fit(x Matrix, _ uint64) error {
	e.tails.cols = 0
	if err := checkMatrix("ecod", x); err != nil {
		return err
	}
	e.tails.fit(x, ecodTerm)
	return nil
}

// Score returns the sum of the columns' larger tails, in nats.
func (e *ECOD) Score(row []float64) (float64, error) {
	if err := checkRow("ecod", e.tails.cols, row); err != nil {
		return 0, err
	}
	return e.tails.score(row, ecodTerm), nil
}

// Explain writes each column's term of the score minus its mean over the training rows, in nats. The parts sum to the
// score minus the mean training score.
func (e *ECOD) Explain(row, parts []float64) error {
	if err := checkParts("ecod", e.tails.cols, row, parts); err != nil {
		return err
	}
	e.tails.explain(row, parts, ecodTerm)
	return nil
}

// SizeBytes returns the memory of the fitted model, training scores included.
func (e *ECOD) SizeBytes() int { return e.tails.sizeBytes() }
