package detectors

import "math"

// KDE is the kernel density estimate of Rosenblatt (1956) and Parzen (1962) with a Gaussian kernel: how thin the
// training rows are around a row. With h the bandwidth,
//
//	score = -ln( 1/n Σ exp(-|x - x_i|²/2h²) · (2π)^(-d/2) · h^(-d) )
//
// in nats. A training row counts itself. PyOD's tree search loses the digits of low densities, down to ranking a far
// outlier below a near one; here the sum is exact.
//
// Parameters: bandwidth 1.0, in the unit of the rows (scale first). There is no mode. Fit keeps the rows and costs
// O(n²·d) for the training scores, a score O(n·d), both heavy beside KNN, whose ranking is similar. One bandwidth for
// all regions over-smooths dense ones; with many columns all rows come to look alike.
type KDE struct {
	bandwidth float64

	cols   int
	rows   []float64
	scores []float64
}

func newKDE(p *params) (Detector, error) {
	p.strict() // Both modes are the same.
	k := &KDE{bandwidth: p.float("bandwidth", 1, "a number above 0", func(v float64) bool { return v > 0 })}
	return k, p.done()
}

// Name returns "kde".
func (k *KDE) Name() string { return "kde" }

// TrainingScores returns the scores of the rows of the last Fit, each among all rows.
func (k *KDE) TrainingScores() []float64 { return k.scores }

// Fit keeps the rows and scores each. The seed is not used.
func (k *KDE) Fit(x Matrix, _ uint64) error {
	k.cols = 0
	if err := checkMatrix("kde", x); err != nil {
		return err
	}
	k.rows = append(k.rows[:0], x.Data...)
	k.cols = x.Cols
	k.scores = resize(k.scores, x.Rows)
	for i := range k.scores {
		k.scores[i] = k.density(x.Row(i))
	}
	return nil
}

// squaredDistance is the squared distance of a row from training row i, in bandwidths.
func (k *KDE) squaredDistance(row []float64, i int) float64 {
	other := k.rows[i*k.cols:][:len(row)]
	var sum float64
	for j, v := range row {
		d := v - other[j]
		sum += float64(d * d)
	}
	return sum / k.bandwidth / k.bandwidth
}

// density returns the negative logarithm of the density. The nearest row is taken out of the sum, so that at least one
// term is 1; those that could not change it are left out.
func (k *KDE) density(row []float64) float64 {
	n := len(k.rows) / k.cols
	nearest := math.Inf(1)
	for i := range n {
		nearest = min(nearest, k.squaredDistance(row, i))
	}
	const negligible = 2 * 60 // e^-60 is beyond a float64's digits for up to 10^9 rows.
	var sum float64
	for i := range n {
		if d := k.squaredDistance(row, i) - nearest; d < negligible {
			sum += math.Exp(-d / 2)
		}
	}
	sum = max(sum, 1) // Not even the nearest row counts if its distance overflowed.
	d := float64(k.cols)
	score := nearest/2 - math.Log(sum) + math.Log(float64(n)) + d/2*math.Log(2*math.Pi) + d*math.Log(k.bandwidth)
	return finite(score, math.MaxFloat64)
}

// Score returns the negative logarithm of the density, in nats.
func (k *KDE) Score(row []float64) (float64, error) {
	if err := checkRow("kde", k.cols, row); err != nil {
		return 0, err
	}
	return k.density(row), nil
}

// Explain writes the mean of the squared difference in each column, in squared bandwidths, over the training rows
// weighted by their kernels: what holds the row away from those that count.
func (k *KDE) Explain(row, parts []float64) error {
	if err := checkParts("kde", k.cols, row, parts); err != nil {
		return err
	}
	n := len(k.rows) / k.cols
	nearest, at := math.Inf(1), 0
	for i := range n {
		if d := k.squaredDistance(row, i); d < nearest {
			nearest, at = d, i
		}
	}
	clear(parts)
	var sum float64
	for i := range n {
		weight := math.Exp((nearest - k.squaredDistance(row, i)) / 2)
		if i == at {
			weight = 1 // Also where the distance overflowed.
		}
		if !(weight > 0) {
			continue
		}
		sum += weight
		for j, v := range row {
			d := (v - k.rows[i*k.cols+j]) / k.bandwidth
			parts[j] += min(float64(weight*float64(d*d)), math.MaxFloat64/float64(2*n))
		}
	}
	for j := range parts {
		parts[j] /= sum
	}
	return nil
}

// SizeBytes returns the memory of the fitted model, training scores included.
func (k *KDE) SizeBytes() int { return 8 * (cap(k.rows) + cap(k.scores)) }
