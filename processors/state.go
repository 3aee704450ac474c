package processors

import (
	"math"
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

	seen      int64
	scored    int64
	flagged   int64
	lastEvent time.Time

	transforms *features.State
	speeds     *features.State // Of the alert forest's columns; nil where the alert score is the depth.
	held       []float64       // Last value of each feature; NaN before any.

	rows  []float64 // Ring of rows: see plan.width. The row of event number i (from 0) is at i mod its capacity.
	times []int64   // Event times of the rows, Unix nanoseconds.

	generation int64 // Number of fits.
	fitFrom    int64 // Rows of the last fit: [fitFrom, fitTo).
	fitTo      int64
	fitTime    time.Time // Event time of the last fit.
	cut        int64     // Rows before this one belong to an old regime.
	regimes    int64
	calibrator *decision.Calibrator
	models     *models // Nil until they are needed.

	recent      recent // Flags of the last scored events.
	scoreSum    float64
	scoreMax    float64
	lastAnomaly *streams.LastAnomaly
	minute      minute
}

// NewState returns the state of a key never seen.
func (e *Engine) NewState(entity string) *State {
	s := &State{entity: entity, calibrator: decision.New(e.rule)}
	if e.fixed != nil {
		s.adopt(e.fixed)
	}
	return s
}

// adopt fixes the features of the key.
func (s *State) adopt(p *plan) {
	s.plan, s.transforms = p, p.pipeline.NewState()
	if p.alert != nil {
		s.speeds = p.alert.NewState()
	}
	s.held = make([]float64, len(p.names))
	for i := range s.held {
		s.held[i] = math.NaN()
	}
	s.minute.features = make([]span, len(p.names))
}

// row returns the stored row of event number i.
func (s *State) row(i int64, keep int) []float64 {
	w := s.plan.width()
	at := int(i%int64(keep)) * w
	return s.rows[at : at+w]
}

// store keeps the row of the next event. The ring grows until it is full: most keys of a wide stream stay small.
func (s *State) store(row []float64, at time.Time, keep int) {
	if n := int(s.seen % int64(keep)); n*len(row) < len(s.rows) {
		copy(s.rows[n*len(row):], row)
		s.times[n] = at.UnixNano()
		return
	}
	s.rows = append(s.rows, row...)
	s.times = append(s.times, at.UnixNano())
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
