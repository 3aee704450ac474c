package decision

import "math"

// Voters returns how many detectors vote.
func (c *Calibrator) Voters() int { return c.voters }

// Past returns how many statistics count as past.
func (c *Calibrator) Past() int { return c.past.len() }

// Waiting returns how many alarms do not count as past yet.
func (c *Calibrator) Waiting() int { return len(c.waiting) }

// Memory is what a Calibrator remembers, as plain values to be saved.
type Memory struct {
	Scales  []Scale
	Past    []float32 // Oldest first.
	WaitAt  []int64   // Clock of each waiting alarm, oldest first.
	Wait    []float32 // Its statistic.
	Clock   int64
	Needed  int
	Drifted bool
}

// Scale is one detector's scale.
type Scale struct {
	Median, Spread, Mean, SD float64
	Failed                   bool
}

// Memory returns a copy of what the calibrator remembers.
func (c *Calibrator) Memory() Memory {
	m := Memory{Past: c.past.oldestFirst(), Clock: c.clock, Needed: c.needed, Drifted: c.drift}
	for _, s := range c.scales {
		m.Scales = append(m.Scales, Scale(s))
	}
	for _, w := range c.waiting {
		m.WaitAt, m.Wait = append(m.WaitAt, w.at), append(m.Wait, w.m)
	}
	return m
}

// Restore returns a calibrator of this configuration that remembers m. It reports false for a memory that no calibrator of
// this configuration can have.
func Restore(cfg Config, m Memory) (*Calibrator, bool) {
	c := New(cfg)
	if len(m.Scales) != len(c.scales) || len(m.Past) > cfg.Buffer || len(m.Wait) != len(m.WaitAt) || m.Clock < 0 || m.Needed < 0 {
		return nil, false
	}
	for k, s := range m.Scales {
		c.scales[k] = scale(s)
		if !s.Failed && s.Spread > 0 { // A scale without a spread was never set.
			c.total += cfg.Weights[k]
			c.voters++
		}
	}
	for _, v := range m.Past {
		if math.IsNaN(float64(v)) {
			return nil, false
		}
	}
	c.past.fill(m.Past)
	last := int64(0)
	for i, at := range m.WaitAt {
		if at < last || at > m.Clock || math.IsNaN(float64(m.Wait[i])) {
			return nil, false
		}
		last = at
		c.waiting = append(c.waiting, pending{at, m.Wait[i]})
	}
	c.clock, c.needed, c.drift = m.Clock, m.Needed, m.Drifted
	return c, true
}
