package backtest

import (
	"math"

	"anomalystream/processors"
	"anomalystream/streams"
)

// outcome is what the detector of an entity says about one event.
type outcome struct {
	scored     bool // False during the warm-up; nothing else is set then.
	score      float64
	severity   float64
	alertScore float64
	anomaly    *streams.Anomaly // Nil unless the event is anomalous.
	raw        []float64        // The voters' own scores, in configuration order.
	why        *streams.Explanation
}

// detector judges the events of one entity, in order.
type detector struct {
	engine *processors.Engine
	state  *processors.State
	peek   bool // Explains every event.
}

// step judges an event by the ones before it, then learns it. The outcome holds until the next call.
func (d *detector) step(e *streams.Event) (outcome, *streams.Reject) {
	out := outcome{alertScore: math.NaN()}
	if d.peek {
		seen, reject := d.engine.Peek(d.state, e)
		if reject != nil {
			return outcome{}, reject
		}
		if seen.Scored {
			out.alertScore, out.why = seen.AlertScore, seen.Why
		}
	}
	r, reject := d.engine.Step(d.state, e)
	if reject != nil || !r.Scored {
		return outcome{}, reject
	}
	out.scored, out.score, out.severity, out.anomaly, out.raw = true, r.Score, r.Severity, r.Anomaly, r.Raw
	if r.Flag {
		out.alertScore, out.why = r.AlertScore, r.Why
	}
	return out, nil
}
