package decision

import "math"

// Training is the outcome of one detector's fit.
type Training struct {
	Scores []float64 // Of the training rows, in order; the last row is the latest event.
	Median float64   // Of the scores.
	Q95    float64   // Their 95 % quantile.
	Failed bool      // There is no model: the rest is of no use.
}

// Rescale takes new models: the scales follow their training scores. Where many alarms wait, each is judged again by its row's
// training score, so that they cannot become the threshold on their own; after a change of regime those that look normal now
// count as past at once.
func (c *Calibrator) Rescale(training []Training) {
	c.total, c.voters = 0, 0
	for k, t := range training {
		c.scales[k] = newScale(t)
		if !t.Failed {
			c.total += c.cfg.Weights[k]
			c.voters++
		}
	}
}

// Rejudge is the second half of a refit; rate is the requested rate. row returns where the training scores of an event stand
// that is so many events older than the latest, -1 where it is no training row: such an event keeps its value.
func (c *Calibrator) Rejudge(training []Training, rate float64, row func(age int64) int) {
	if !c.cfg.Regime || len(c.waiting) <= waitingIsMuch || c.voters == 0 {
		c.drift = false
		return
	}
	theta := c.past.threshold(rate, lowestThreshold)
	raw := make([]float64, len(training))
	rest := c.waiting[:0]
	var enter []float32
	for _, w := range c.waiting {
		if at := row(c.clock - w.at); at >= 0 {
			for k, t := range training {
				if !t.Failed {
					raw[k] = t.Scores[at]
				}
			}
			w.m = c.statistic(raw)
		}
		if c.drift && float64(w.m) <= theta {
			enter = append(enter, w.m)
		} else {
			rest = append(rest, w)
		}
	}
	for _, m := range enter {
		c.past.add(m)
	}
	c.waiting = rest
	if c.drift {
		c.drift, c.needed = false, max(waitingIsNew, 2*len(c.waiting))
	}
}

func newScale(t Training) scale {
	if t.Failed {
		return scale{Failed: true}
	}
	floor := 1e-9 * max(1, math.Abs(t.Median))
	s := scale{Median: t.Median, Spread: max(t.Q95-t.Median, floor)}
	var sum, squares float64
	for _, v := range t.Scores {
		sum += v
	}
	s.Mean = sum / float64(len(t.Scores))
	for _, v := range t.Scores {
		d := v - s.Mean
		squares += float64(d * d)
	}
	s.SD = max(math.Sqrt(squares/float64(len(t.Scores))), floor)
	return s
}

// Seed takes the statistic of one out-of-sample row of the warm-up as past.
func (c *Calibrator) Seed(raw []float64) { c.past.add(c.statistic(raw)) }

// statistic fills u and order and returns m, rounded to float32.
func (c *Calibrator) statistic(raw []float64) float32 {
	if c.cfg.Mean {
		var sum float64
		for k := range raw {
			c.affine(k, raw[k])
			if s := &c.scales[k]; !s.Failed {
				sum += float64(c.cfg.Weights[k] * ((raw[k] - s.Mean) / s.SD))
			}
		}
		return bounded(sum / c.total)
	}
	n := 0
	for k := range raw {
		if !c.affine(k, raw[k]) {
			continue
		}
		i := n
		for ; i > 0 && c.u[c.order[i-1]] < c.u[k]; i-- {
			c.order[i] = c.order[i-1]
		}
		c.order[i] = k
		n++
	}
	return bounded(c.u[c.order[c.turning()-1]])
}

// turning returns how many detectors, from the largest u down, must exceed the threshold for the vote to hold.
func (c *Calibrator) turning() int {
	switch c.cfg.Vote {
	case Any:
		return 1
	case All:
		return c.voters
	}
	var weight float64
	for i, k := range c.order[:c.voters] {
		if weight += c.cfg.Weights[k]; weight > c.total/2 {
			return i + 1
		}
	}
	return c.voters
}

// affine sets u of one detector and reports whether it votes.
func (c *Calibrator) affine(k int, raw float64) bool {
	s := &c.scales[k]
	if s.Failed {
		c.u[k] = math.NaN()
		return false
	}
	c.u[k] = (raw - s.Median) / s.Spread
	return true
}

// bounded rounds to float32 without an infinity.
func bounded(m float64) float32 { return float32(min(max(m, -math.MaxFloat32), math.MaxFloat32)) }

// Judge decides about one event by its raw scores and the requested rate, and changes nothing.
func (c *Calibrator) Judge(raw []float64, rate float64) Decision {
	m := float64(c.statistic(raw))
	theta := c.past.threshold(rate, lowestThreshold)
	d := Decision{Anomaly: m > theta, Statistic: m, Threshold: theta, Voters: c.voters, Grades: c.g}
	var above, below float64
	for k, u := range c.u {
		if c.scales[k].Failed {
			c.g[k] = math.NaN()
			continue
		}
		g := grade(float64(bounded(u)), theta)
		c.g[k] = g
		if g >= Cut {
			d.Votes++
		}
		w := c.cfg.Weights[k] / c.total
		above += float64(w * max(0, (g-Cut)/(1-Cut)))
		below += float64(w * min(g, justBelow))
		d.Severity += min(max(u, 0), mostSeverity) / float64(c.voters)
	}
	switch {
	case c.cfg.Mean:
		d.Score = grade(m, theta)
	case d.Anomaly:
		d.Score = min(Cut+float64((1-Cut)*above), 1)
	default:
		d.Score = min(below, justBelow)
	}
	if !c.cfg.Mean {
		d.Needed = c.turning()
	}
	return d
}

// grade maps u to [0, 1]: at least 0.6 exactly when it exceeds the threshold.
func grade(u, theta float64) float64 {
	if u > theta {
		return Cut + float64((1-Cut)*(1-theta/u))
	}
	return min(Cut*max(u, 0)/theta, justBelow)
}

// Learn remembers the decision about an event: a normal one counts as past at once, an anomaly after the delay. It sets Drift
// when so many alarms wait that the regime has changed.
func (c *Calibrator) Learn(d *Decision) {
	c.clock++
	m := float32(d.Statistic)
	if d.Anomaly {
		c.waiting = append(c.waiting, pending{c.clock, m})
	} else {
		c.past.add(m)
	}
	due := 0
	for due < len(c.waiting) && c.waiting[due].at <= c.clock-int64(c.cfg.Delay) {
		c.past.add(c.waiting[due].m)
		due++
	}
	if due > 0 {
		c.waiting = append(c.waiting[:0], c.waiting[due:]...)
	}
	c.needed = max(waitingIsNew, min(c.needed, 2*len(c.waiting)))
	c.drift = c.cfg.Regime && len(c.waiting) > c.needed
	d.Drift = c.drift
}

// Settle decides about alarms that wait to count as past: of those that in picks, by how many events they are older than the
// latest, it counts the values at once, or drops them.
func (c *Calibrator) Settle(in func(age int64) bool, count bool) {
	rest := c.waiting[:0]
	for _, w := range c.waiting {
		switch {
		case !in(c.clock - w.at):
			rest = append(rest, w)
		case count:
			c.past.add(w.m)
		}
	}
	c.waiting = rest
}

// Depth returns the alert score of a statistic, see sample.depth.
func (c *Calibrator) Depth(m float64) float64 { return c.past.depth(bounded(m)) }

// Threshold returns theta at the requested rate.
func (c *Calibrator) Threshold(rate float64) float64 { return c.past.threshold(rate, lowestThreshold) }
