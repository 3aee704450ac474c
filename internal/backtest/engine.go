package backtest

import (
	"math"

	"anomalystream/processors"
	"anomalystream/streams"
)

// outcome is what the detector of an entity says about one event.
type outcome struct {
	scored     bool // False during the warm-up; of the others only closed is set then.
	score      float64
	severity   float64
	alertScore float64
	anomaly    *streams.Anomaly // Nil unless the event is anomalous.
	raw        []float64        // The voters' own scores, in configuration order.
	why        *streams.Explanation
	drift      bool             // The regime changed with this event.
	closed     []streams.Rollup // Minutes that this event ended; set during the warm-up too.
}

// detector judges the events of one entity, in order.
type detector struct {
	engine *processors.Engine
	state  *processors.State
}

// step judges an event by the ones before it, then learns it, and explains it even where it is no anomaly if asked to. The
// outcome holds until the next call.
func (d *detector) step(e *streams.Event, explain bool) (outcome, *streams.Reject) {
	out := outcome{alertScore: math.NaN()}
	if explain {
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
		return outcome{closed: r.Closed, anomaly: r.Anomaly}, reject // In the warm-up a rule may make one.
	}
	out.scored, out.score, out.severity, out.anomaly, out.raw, out.drift = true, r.Score, r.Severity, r.Anomaly, r.Raw, r.Drift
	out.closed = r.Closed
	if a := r.Anomaly; a != nil { // By a rule it is one at any score of the models.
		out.score, out.severity, out.alertScore, out.why = a.Score, a.Severity, a.AlertScore, r.Why
	}
	return out, nil
}
