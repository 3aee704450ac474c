package detectors

import (
	"math"
	"slices"
	"sort"

	"gonum.org/v1/gonum/mathext"
)

// Outputs turns the raw scores of one fitted detector into what PyOD derives from them: threshold, labels, ranks, two
// kinds of probability, and confidence. It depends on the training scores and the contamination alone, and is safe for
// concurrent use.
type Outputs struct {
	contamination float64
	threshold     float64
	sorted        []float64
	mean, sd      float64
}

// NewOutputs describes training scores, which it copies; contamination is the expected share of anomalies, in (0, 0.5].
// It refuses no scores at all with a *DataError and another contamination with a *ParamError. If there are NaN among
// the scores the threshold is NaN and no label is true, as in PyOD.
func NewOutputs(training []float64, contamination float64) (*Outputs, error) {
	if len(training) == 0 {
		return nil, &DataError{Row: -1, Col: -1, Reason: "has no training scores"}
	}
	if !(contamination > 0 && contamination <= 0.5) {
		return nil, &ParamError{Detector: "outputs", Param: "contamination", Value: contamination, Want: "a number in (0, 0.5]"}
	}
	o := &Outputs{contamination: contamination, sorted: slices.Clone(training)}
	o.mean, o.sd = meanAndSpread(training)
	slices.Sort(o.sorted)
	o.threshold = percentileSorted(o.sorted, 100*(1-contamination))
	return o, nil
}

// meanAndSpread returns mean and population standard deviation as NumPy computes them, to the last bit: where scores hardly
// differ, every later digit of a probability depends on it. Where sums or squares overflow they are divided first.
func meanAndSpread(v []float64) (mean, sd float64) {
	n := float64(len(v))
	mean = pairwiseSum(v, func(x float64) float64 { return x }) / n
	if mean-mean != 0 {
		mean = pairwiseSum(v, func(x float64) float64 { return x / n })
	}
	sd = math.Sqrt(pairwiseSum(v, func(x float64) float64 { d := x - mean; return float64(d * d) }) / n)
	if math.IsInf(sd, 1) && mean-mean == 0 {
		sd = math.Sqrt(pairwiseSum(v, func(x float64) float64 { d := x/math.MaxFloat64 - mean/math.MaxFloat64; return float64(d * d) })/n) * math.MaxFloat64
	}
	return mean, sd
}

// pairwiseSum adds f of every value in the order of NumPy: eight interleaved sums in blocks of at most 128, blocks in
// pairs.
func pairwiseSum(v []float64, f func(float64) float64) float64 {
	n := len(v)
	if n > 128 {
		half := n / 2
		half -= half % 8
		return pairwiseSum(v[:half], f) + pairwiseSum(v[half:], f)
	}
	var sum float64
	i := 0
	if n >= 8 {
		var r [8]float64
		for k := range r {
			r[k] = f(v[k])
		}
		for i = 8; i+8 <= n; i += 8 {
			for k := range r {
				r[k] += f(v[i+k])
			}
		}
		sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
	}
	for ; i < n; i++ {
		sum += f(v[i])
	}
	return sum
}

// WithThreshold returns the same outputs with another cut: PyOD's MAD takes a number of deviations, not a share.
func (o *Outputs) WithThreshold(threshold float64) *Outputs {
	c := *o
	c.threshold = threshold
	return &c
}

// Threshold returns the percentile 100·(1-contamination) of the training scores.
func (o *Outputs) Threshold() float64 { return o.threshold }

// Label says whether a score is strictly above the threshold. Scores equal to it are normal, and common where scores
// are discrete: there can be no label at all among the training rows.
func (o *Outputs) Label(score float64) bool { return score > o.threshold }

// Rank returns how many training scores are below a score.
func (o *Outputs) Rank(score float64) int { return sort.SearchFloat64s(o.sorted, score) }

// ProbabilityLinear returns where a score lies between the least and the greatest training score, in [0, 1]. One
// training outlier compresses everything else.
func (o *Outputs) ProbabilityLinear(score float64) float64 {
	lo, hi := o.sorted[0], o.sorted[len(o.sorted)-1]
	width := hi - lo
	if width < 10*0x1p-52 {
		width = 1
	}
	a := 1 / width
	return clip01(float64(score*a) + (0 - float64(lo*a)))
}

// ProbabilityUnify returns erf((score-mean)/(sd·√2)), at least 0, with mean and sd of the training scores: every score
// up to the mean gives 0. Where all training scores are equal, up to rounding, it is 0 up to them and 1 above, where
// PyOD gives NaN or noise.
func (o *Outputs) ProbabilityUnify(score float64) float64 {
	lo, hi := o.sorted[0], o.sorted[len(o.sorted)-1]
	if o.sd <= 1e-13*max(math.Abs(lo), math.Abs(hi)) {
		if score > hi {
			return 1
		}
		return 0
	}
	return clip01(math.Erf((score - o.mean) / (o.sd * math.Sqrt2)))
}

// clip01 clips to [0, 1] and leaves NaN.
func clip01(v float64) float64 { return min(max(v, 0), 1) }

// Confidence returns the probability that a score would get the same label under a redrawn training set (Perini et al.,
// 2020): with k training scores at most the score among n, p = (1+k)/(2+n) and m = ⌊n·contamination⌋, the chance that
// more than n-m of n draws fall below it, for an anomaly, or the opposite for a normal row.
func (o *Outputs) Confidence(score float64) float64 {
	n := len(o.sorted)
	k := sort.Search(n, func(i int) bool { return o.sorted[i] > score })
	p := float64(1+k) / float64(2+n)
	m := int(float64(n) * o.contamination)
	above := 1 - binomialCDF(n-m, n, p)
	if o.Label(score) {
		return above
	}
	return 1 - above
}

// binomialCDF returns the probability of at most x successes in n trials of chance p, p inside (0, 1), x at least 0.
func binomialCDF(x, n int, p float64) float64 {
	if x >= n {
		return 1
	}
	return mathext.RegIncBeta(float64(n-x), float64(x+1), 1-p)
}
