// Package decision turns the raw scores of several detectors into one decision whose false-alarm rate is the requested one.
//
// Each detector's score is brought on a common affine scale: u = 0 is the median and u = 1 the 95 % quantile of its training
// scores. The statistic m is the u at which the vote turns: with an equal majority vote of K detectors the q-th largest,
// q = floor(K/2)+1. The threshold theta is the value that a share epsilon of the recent past's m exceeds (a conformal
// rank), so "a majority exceeds theta" happens to a share epsilon of normal events, whatever the detectors are. The ensemble
// score E is at least 0.6 exactly when the vote holds.
package decision

import "fmt"

// Cut is the ensemble score from which an event is an anomaly.
const Cut = 0.6

// justBelow is the highest score without a vote: the gap keeps "E >= 0.6" and the vote the same thing.
const justBelow = Cut - 1e-9

// Constants of the regime rule. More than fifty waiting alarms could become the threshold on their own; a hundred are a third
// of the delay, far more than any sensible rate leaves waiting.
const (
	waitingIsMuch = 50
	waitingIsNew  = 100
)

// RegimeRows is how many of the newest training rows remain after a change of regime.
const RegimeRows = 500

// lowestThreshold keeps theta off zero, where every detector's training median lies.
const lowestThreshold = 0.1

// mostSeverity bounds one detector's part of the severity.
const mostSeverity = 30

// Vote says which votes make an anomaly.
type Vote int

// The kinds of vote.
const (
	Majority Vote = iota // More than half of the weight.
	Any
	All
)

// Config configures a Calibrator.
type Config struct {
	Weights []float64 // One per detector, positive.
	Vote    Vote
	Mean    bool // The mean of the standardised scores decides instead of a vote.
	Buffer  int  // Past statistics kept: N.
	Delay   int  // Events before the statistic of an anomaly may count as past.
	Regime  bool // Steps 7 and 8: judge waiting alarms again, notice a new regime.
}

// Validate reports what is wrong with the configuration.
func (c Config) Validate() error {
	switch {
	case len(c.Weights) == 0:
		return fmt.Errorf("no detectors")
	case c.Buffer < 1 || c.Delay < 1:
		return fmt.Errorf("buffer %d and delay %d must be positive", c.Buffer, c.Delay)
	}
	for _, w := range c.Weights {
		if !(w > 0) {
			return fmt.Errorf("weight %v is not positive", w)
		}
	}
	return nil
}

// scale brings one detector's scores on the common scale.
type scale struct {
	Median, Spread float64 // Of the training scores: u = (s - Median) / Spread.
	Mean, SD       float64 // The same scores standardised, for combine: mean.
	Failed         bool    // The detector could not be fitted: it has no vote.
}

// pending is the statistic of an anomaly that does not count as past yet.
type pending struct {
	at int64 // Clock of the event.
	m  float32
}

// Calibrator holds what the rule remembers. It is not safe for concurrent use.
type Calibrator struct {
	cfg     Config
	scales  []scale
	past    sample
	waiting []pending
	clock   int64
	needed  int  // Waiting alarms above which the regime has changed.
	drift   bool // It has, and the refit has not happened yet.

	total  float64 // Weight of the detectors that vote.
	voters int
	order  []int     // Scratch: detectors by descending u.
	u, g   []float64 // Scratch.
}

// New returns a calibrator that has seen nothing. The configuration must be valid.
func New(cfg Config) *Calibrator {
	k := len(cfg.Weights)
	slab := make([]float64, 2*k)
	return &Calibrator{cfg: cfg, scales: make([]scale, k), past: newSample(cfg.Buffer), needed: waitingIsNew, order: make([]int, k), u: slab[:k:k], g: slab[k:]}
}

// Decision is what the rule says about one event. Its slices belong to the calibrator until the next call.
type Decision struct {
	Score     float64   // E in [0, 1].
	Anomaly   bool      // E >= 0.6.
	Severity  float64   // Mean of the u, each clipped to 0..30.
	Statistic float64   // m.
	Threshold float64   // theta.
	Votes     int       // Detectors with a grade of at least 0.6.
	Voters    int       // Detectors that did not fail.
	Needed    int       // Votes that make an anomaly; 0 where the mean decides.
	Grades    []float64 // Each detector's score on the 0..1 scale; NaN where it failed.
	Drift     bool      // Cut the training window to RegimeRows and refit now.
}
