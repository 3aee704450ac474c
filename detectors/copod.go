package detectors

// COPOD is the copula-based outlier detection of Li et al. (2020) as PyOD computes it. With U = -ln F of the left and
// the right tail and U_s the one that the column's skewness points to, or their sum if it is 0,
//
//	score = Σ max(U_s, (U_l + U_r)/2) over the columns
//
// in nats. Tails are counted as for ECOD, and the skewness is that of the training rows and the new row. It differs from
// ECOD in that the tail which the skewness does not point to counts half.
//
// There is no parameter and no mode. Fit costs O(n·log n·d), a score O(log n·d). Units do not matter. It treats columns
// as independent, whatever the name says, and misses unusual combinations, gaps between clusters, and how far beyond the
// training range a row is. Where the skewness of a column is about 0, a single row may turn it.
type COPOD struct{ tails empirical }

func newCOPOD(p *params) (Detector, error) {
	p.strict() // Both modes are the same.
	return new(COPOD), p.done()
}

func copodTerm(left, right float64, sign int) float64 {
	switch sign {
	case -1:
		return max(left, (left+right)/2)
	case 1:
		return max(right, (left+right)/2)
	}
	return left + right
}

// Name returns "copod".
func (c *COPOD) Name() string { return "copod" }

// TrainingScores returns the scores of the rows of the last Fit.
func (c *COPOD) TrainingScores() []float64 { return c.tails.scores }

// Fit sorts the columns. The seed is not used.
func (c *COPOD) Fit(x Matrix, _ uint64) error {
	c.tails.cols = 0
	if err := checkMatrix("copod", x); err != nil {
		return err
	}
	c.tails.fit(x, copodTerm)
	return nil
}

// Score returns the sum of the columns' terms, in nats.
func (c *COPOD) Score(row []float64) (float64, error) {
	if err := checkRow("copod", c.tails.cols, row); err != nil {
		return 0, err
	}
	return c.tails.score(row, copodTerm), nil
}

// Explain writes each column's term of the score minus its mean over the training rows, in nats. The parts sum to the
// score minus the mean training score.
func (c *COPOD) Explain(row, parts []float64) error {
	if err := checkParts("copod", c.tails.cols, row, parts); err != nil {
		return err
	}
	c.tails.explain(row, parts, copodTerm)
	return nil
}

// SizeBytes returns the memory of the fitted model, training scores included.
func (c *COPOD) SizeBytes() int { return c.tails.sizeBytes() }
