package processors

import (
	"math"
	"slices"
	"time"

	"anomalystream/detectors/decision"
	"anomalystream/detectors/features"
	"anomalystream/streams"
)

// State is everything a detector key remembers. It keeps causes, not models: models are fitted from it, again after a
// restart, to the same bits. A State is not safe for concurrent use.
type State struct {
	entity string
	plan   *plan // Nil before the first event of a wildcard stream.

	seen       int64
	scored     int64
	flagged    int64
	firstEvent time.Time
	lastEvent  time.Time

	transforms *features.State
	speeds     *features.State // Of the alert forest's columns; nil where the alert score is the depth.
	held       []float64       // Last value of each feature; NaN before any.

	rows  rows     // Of the events from the oldest a fit may still need; events are numbered from 0.
	times []uint32 // Event times of the rows, Unix seconds: a ring alongside.

	generation int64 // Number of fits.
	fitFrom    int64 // Rows of the last fit: [fitFrom, fitTo).
	fitTo      int64
	fitTime    time.Time // Event time of the last fit.
	cut        int64     // Rows before this one belong to an old regime.
	regimes    int64
	calibrator *decision.Calibrator
	models     *models // Nil until they are needed.

	verdicts []verdict // That have not ended at the last fit, and later ones, by time and id.

	recent      recent // Flags of the last scored events.
	scoreSum    float64
	scoreMax    float64
	lastAnomaly *streams.LastAnomaly
	minute      minute

	guarded guarded
	watch   watch
}

// NewState returns the state of a key never seen.
func (e *Engine) NewState(entity string) *State {
	s := &State{entity: entity, calibrator: decision.New(e.rule)}
	if e.fixed != nil {
		e.adopt(s, e.fixed)
	}
	return s
}

// adopt fixes the features of a key.
func (e *Engine) adopt(s *State, p *plan) {
	s.plan, s.transforms = p, p.pipeline.NewState()
	s.rows = newRows(p.width, e.keep(), e.def.Profile == streams.ProfileCompact)
	if p.alert != nil {
		s.speeds = p.alert.NewState()
	}
	s.held = make([]float64, len(p.names))
	for i := range s.held {
		s.held[i] = math.NaN()
	}
	s.minute.features = make([]span, len(p.names))
	if slices.ContainsFunc(p.holds, func(n int64) bool { return n != 0 }) {
		s.watch.runs = make([]run, len(p.names))
	}
}

// store keeps the row of the next event.
func (s *State) store(row []float64, at time.Time) {
	s.rows.put(s.seen, row)
	seconds := uint32(at.Unix()) // Event times lie between the years 1971 and 2100.
	if n := int(s.seen % int64(s.rows.keep)); n < len(s.times) {
		s.times[n] = seconds
		return
	}
	s.times = append(s.times, seconds)
}

// timeOf returns the event time of the row of event number i, to the second.
func (s *State) timeOf(i int64) time.Time {
	return time.Unix(int64(s.times[i%int64(s.rows.keep)]), 0).UTC()
}

// recentFlags is how many scored events the realised rate looks back.
const recentFlags = 5000

// recent remembers for the last scored events whether they were flagged.
type recent struct {
	bits  []uint64 // Ring; event number n of the scored ones is bit n mod recentFlags.
	count int64    // Scored events so far.
	set   int      // Flags in the ring.
}

func (r *recent) add(flag bool) {
	n := int(r.count % recentFlags)
	if need := n/64 + 1; len(r.bits) < need {
		r.bits = append(r.bits, make([]uint64, need-len(r.bits))...)
	}
	word, bit := &r.bits[n/64], uint64(1)<<(n%64)
	if *word&bit != 0 {
		*word &^= bit
		r.set--
	}
	if flag {
		*word |= bit
		r.set++
	}
	r.count++
}

// rate returns the share of flags, and false before any event was scored.
func (r *recent) rate() (float64, bool) {
	n := min(r.count, recentFlags)
	if n == 0 {
		return 0, false
	}
	return float64(r.set) / float64(n), true
}
