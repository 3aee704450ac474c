package processors

import (
	"math"
	"time"

	"anomalystream/streams"
)

// scoreBins divide [0, 1] for the quantiles of a minute's scores; 0.6 is an edge.
const scoreBins = 200

// span is the range of one raw feature in a minute.
type span struct{ min, max, sum float64 }

// minute gathers one minute of event time.
type minute struct {
	start    int64 // Unix seconds; meaningful while events > 0.
	events   int64
	scored   int64
	flagged  int64
	late     int64
	scoreMax float64
	bins     [scoreBins]uint32
	features []span
}

// roll counts the event just learned. It returns the minute before, closed, when the event begins a new one. An event of an
// earlier minute is counted in the open one, as late.
func (e *Engine) roll(s *State, ev *streams.Event, w *work, r *Result) []streams.Rollup {
	m := &s.minute
	start := ev.Time.Unix() - (ev.Time.Unix()%60+60)%60
	var closed []streams.Rollup
	if m.events > 0 && start > m.start {
		closed = []streams.Rollup{e.rollup(s, true)}
		*m = minute{features: m.features}
	}
	if m.events == 0 {
		m.start = start
		for j := range m.features {
			m.features[j] = span{min: math.Inf(1), max: math.Inf(-1)}
		}
	}
	m.events++
	if start < m.start {
		m.late++
	}
	if r.Scored {
		m.scored++
		m.scoreMax = max(m.scoreMax, r.Score)
		m.bins[min(int(r.Score*scoreBins), scoreBins-1)]++
	}
	if r.Anomaly != nil {
		m.flagged++
	}
	for j, v := range w.values {
		f := &m.features[j]
		f.min, f.max, f.sum = min(f.min, v), max(f.max, v), f.sum+v
	}
	return closed
}

// Rollup returns the open minute of a key as it stands, and false before its first event.
func (e *Engine) Rollup(s *State) (streams.Rollup, bool) {
	if s.minute.events == 0 {
		return streams.Rollup{}, false
	}
	return e.rollup(s, false), true
}

func (e *Engine) rollup(s *State, closed bool) streams.Rollup {
	m := &s.minute
	r := streams.Rollup{
		Stream: e.def.Name, Entity: s.entity, Minute: time.Unix(m.start, 0).UTC(), Events: m.events, Scored: m.scored,
		Anomalies: m.flagged, Late: m.late, Requested: e.rateOf(s), Closed: closed,
	}
	r.Realised, _ = s.recent.rate()
	if m.scored > 0 {
		top := m.scoreMax
		r.ScoreP50, r.ScoreP95, r.ScoreP99, r.ScoreMax = m.quantile(0.5), m.quantile(0.95), m.quantile(0.99), &top
	}
	for j, f := range m.features {
		mean := min(max(f.sum/float64(m.events), f.min), f.max)
		r.Features = append(r.Features, streams.FeatureRollup{Name: s.plan.names[j], Min: f.min, Mean: mean, Max: f.max})
	}
	return r
}

// quantile returns the lower edge of the bin that holds the quantile, so that it is never rounded up to 0.6.
func (m *minute) quantile(q float64) *float64 {
	rank, below := int64(math.Ceil(q*float64(m.scored))), int64(0)
	edge := 0.0
	for i, n := range m.bins {
		if below += int64(n); below >= rank {
			edge = float64(i) / scoreBins
			break
		}
	}
	return &edge
}
