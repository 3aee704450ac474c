package decision

import (
	"math"
	"slices"
)

// oracle is the rule written down without any shortcut: every quantile by sorting, every vote by counting, for detectors of
// equal weight that all vote. The calibrator must agree with it.
type oracle struct {
	q             int
	mean          bool
	regime        bool
	size, delay   int
	rate          float64
	past          []float64 // In order of arrival.
	waiting       []wait
	clock, needed int
	drift         bool

	centre, spread, average, sd []float64
}

type wait struct {
	at int
	m  float64
}

func newOracle(cfg Config, rate float64) *oracle {
	k := len(cfg.Weights)
	q := map[Vote]int{Majority: k/2 + 1, Any: 1, All: k}[cfg.Vote]
	return &oracle{q: q, mean: cfg.Mean, regime: cfg.Regime, size: cfg.Buffer, delay: cfg.Delay, rate: rate, needed: 100}
}

// rescale takes training scores, rows by detectors.
func (o *oracle) rescale(rows [][]float64) {
	k := len(rows[0])
	o.centre, o.spread, o.average, o.sd = make([]float64, k), make([]float64, k), make([]float64, k), make([]float64, k)
	for j := range k {
		column := columnOf(rows, j)
		o.centre[j] = percentile(column, 0.5)
		floor := 1e-9 * math.Max(1, math.Abs(o.centre[j]))
		o.spread[j] = math.Max(percentile(column, 0.95)-o.centre[j], floor)
		o.average[j] = averageOf(column)
		for i := range column {
			column[i] = (column[i] - o.average[j]) * (column[i] - o.average[j])
		}
		o.sd[j] = math.Max(math.Sqrt(averageOf(column)), floor)
	}
}

// judgeAgain follows rescale at every refit but the first.
func (o *oracle) judgeAgain(rows [][]float64) {
	if !o.regime || len(o.waiting) <= 50 {
		o.drift = false
		return
	}
	theta, waiting := o.threshold(), o.waiting
	o.waiting = nil
	for _, w := range waiting {
		if age := o.clock - w.at; age < len(rows) {
			w.m = o.statistic(rows[len(rows)-1-age])
		}
		if o.drift && w.m <= theta {
			o.remember(w.m)
		} else {
			o.waiting = append(o.waiting, w)
		}
	}
	if o.drift {
		o.drift, o.needed = false, max(100, 2*len(o.waiting))
	}
}

func (o *oracle) remember(m float64) {
	o.past = append(o.past, m)
	if len(o.past) > o.size {
		o.past = o.past[1:]
	}
}

func (o *oracle) affine(scores []float64) []float64 {
	u := make([]float64, len(scores))
	for k := range u {
		u[k] = (scores[k] - o.centre[k]) / o.spread[k]
	}
	return u
}

func (o *oracle) statistic(scores []float64) float64 {
	if o.mean {
		var sum float64
		for k := range scores {
			sum += (scores[k] - o.average[k]) / o.sd[k]
		}
		return rounded(sum / float64(len(scores)))
	}
	u := o.affine(scores)
	slices.Sort(u)
	return rounded(u[len(u)-o.q])
}

func (o *oracle) threshold() float64 {
	past := slices.Sorted(slices.Values(o.past))
	n := len(past)
	if j := int(math.Floor(o.rate*float64(n+1) + 1e-9)); j >= 1 {
		return math.Max(past[n-j], 0.1)
	}
	i := int(0.95 * float64(n))
	return math.Max(past[i]+(averageOf(past[i:])-past[i])*math.Log(0.05/o.rate), 0.1)
}

func (o *oracle) depth(m float64) float64 {
	past := slices.Sorted(slices.Values(o.past))
	n := len(past)
	i := int(0.95 * float64(n))
	if m <= past[i] {
		below := 0
		for _, v := range past {
			if v < m {
				below++
			}
		}
		return -math.Log10(float64(n-below+1) / float64(n+1))
	}
	return math.Min(-math.Log10(0.05)+(m-past[i])/math.Max(averageOf(past[i:])-past[i], 1e-9)/math.Log(10), 300)
}

// verdict is what both say about one event.
type verdict struct {
	Score, Severity, Statistic, Threshold, Depth float64
	Anomaly, Drift                               bool
	Votes                                        int
}

func (o *oracle) step(scores []float64) verdict {
	u, k := o.affine(scores), float64(len(scores))
	v := verdict{Statistic: o.statistic(scores), Threshold: o.threshold()}
	v.Anomaly, v.Depth = v.Statistic > v.Threshold, o.depth(v.Statistic)
	for _, x := range u {
		g := graded(rounded(x), v.Threshold)
		switch {
		case v.Anomaly:
			v.Score += math.Max(0, (g-0.6)/0.4) / k
		default:
			v.Score += math.Min(g, 0.6-1e-9) / k
		}
		if rounded(x) > v.Threshold {
			v.Votes++
		}
		v.Severity += math.Min(math.Max(x, 0), 30) / k
	}
	if v.Anomaly {
		v.Score = 0.6 + 0.4*v.Score
	}
	if o.mean {
		v.Score = graded(v.Statistic, v.Threshold)
	}
	v.Drift = o.learn(v.Statistic, v.Anomaly)
	return v
}

func (o *oracle) learn(m float64, alarm bool) bool {
	o.clock++
	if alarm {
		o.waiting = append(o.waiting, wait{o.clock, m})
	} else {
		o.remember(m)
	}
	for len(o.waiting) > 0 && o.waiting[0].at <= o.clock-o.delay {
		o.remember(o.waiting[0].m)
		o.waiting = o.waiting[1:]
	}
	o.needed = max(100, min(o.needed, 2*len(o.waiting)))
	o.drift = o.regime && len(o.waiting) > o.needed
	return o.drift
}

func graded(u, theta float64) float64 {
	if u > theta {
		return 0.6 + 0.4*(1-theta/u)
	}
	return math.Min(0.6*math.Max(u, 0)/theta, 0.6-1e-9)
}

func rounded(v float64) float64 { return float64(float32(v)) }

func columnOf(rows [][]float64, j int) []float64 {
	column := make([]float64, len(rows))
	for i, row := range rows {
		column[i] = row[j]
	}
	return column
}

func averageOf(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// percentile interpolates linearly between the neighbours, as numpy does.
func percentile(v []float64, p float64) float64 {
	sorted := slices.Sorted(slices.Values(v))
	at := p * float64(len(v)-1)
	low := int(at)
	high := min(low+1, len(v)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}
