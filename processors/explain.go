package processors

import (
	"math"

	"anomalystream/detectors/decision"
	"anomalystream/streams"
)

// explain says why the event at hand scores as it does. Each detector's parts are clipped at 0 and scaled to sum to 1; a
// feature's share is their mean over the detectors, summed over the feature's columns.
func (e *Engine) explain(s *State, w *work, r *Result) *streams.Explanation {
	m, c := s.models, s.plan.columns()
	w.parts = sized(w.parts, c)
	shares := make([]float64, len(s.plan.names))
	var detectors float64
	for k, d := range m.list {
		if m.failed[k] != "" || d.Explain(w.scaled, w.parts) != nil {
			continue
		}
		var sum float64
		for _, v := range w.parts {
			if v > 0 && v <= math.MaxFloat64 {
				sum += v
			}
		}
		if !(sum > 0) || sum > math.MaxFloat64 {
			continue
		}
		detectors++
		for i, v := range w.parts {
			if v > 0 && v <= math.MaxFloat64 {
				shares[s.plan.source[i]] += v / sum
			}
		}
	}
	why := &streams.Explanation{
		RequestedRate: e.rateOf(s), Threshold: r.Threshold, Statistic: r.Statistic, Generation: int(s.generation),
		TrainedRows: m.rows, TrainedFrom: m.from, TrainedTo: m.to,
	}
	if detectors == 0 { // Nothing stands out for any detector: all features alike.
		detectors = 1
		for j := range shares {
			shares[j] = 1 / float64(len(shares))
		}
	}
	for j, name := range s.plan.names {
		deviation := (w.values[j] - m.rawMean[j]) / m.rawScale[j]
		why.Contributions = append(why.Contributions, streams.Contribution{
			Feature: name, Share: shares[j] / detectors, Value: w.values[j], Expected: m.expected[j],
			Deviation: min(max(deviation, -1e6), 1e6),
		})
	}
	for i, name := range s.plan.columnNames {
		if name != "" {
			c := &why.Contributions[s.plan.source[i]]
			c.Columns = append(c.Columns, streams.ColumnDeviation{Column: name, Deviation: w.scaled[i]})
		}
	}
	byShare(why.Contributions)
	why.Sentence = sentence(why.Contributions, r)
	return why
}

// anomaly is the record of a flagged event.
func (e *Engine) anomaly(s *State, ev *streams.Event, w *work, r *Result) *streams.Anomaly {
	a := &streams.Anomaly{
		ID: ev.Source.AnomalyID(e.def.Name), Stream: e.def.Name, Entity: ev.Entity, Timestamp: ev.Time.UTC(), Kind: streams.KindModel,
		Score: r.Score, Severity: r.Severity, AlertScore: r.AlertScore, Features: make(map[string]float64, len(s.plan.names)),
		Votes: r.Votes, Voters: r.Voters, Needed: r.Needed, Why: *r.Why, Detectors: r.Detectors, Source: ev.Source, Replay: ev.Replay,
	}
	for j, name := range s.plan.names {
		a.Features[name] = w.values[j]
	}
	return a
}

// votes names each detector's part in the decision, without those that could not be fitted.
func (e *Engine) votes(s *State, r *Result) []streams.DetectorVote {
	var out []streams.DetectorVote
	for k, spec := range e.specs {
		if s.models.failed[k] == "" {
			out = append(out, streams.DetectorVote{Name: spec.Name, Raw: r.Raw[k], Score: r.Grades[k], Vote: r.Grades[k] >= decision.Cut})
		}
	}
	return out
}
