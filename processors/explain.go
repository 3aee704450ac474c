package processors

import (
	"fmt"
	"math"
	"strconv"
	"strings"

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
	byShare(why.Contributions)
	why.Sentence = sentence(why.Contributions, r)
	return why
}

// shown is how many features a sentence names at most; a feature with less than this share of the largest is left out.
const (
	shown      = 3
	worthyPart = 0.3
)

// sentence puts the reason in words.
func sentence(list []streams.Contribution, r *Result) string {
	var parts []string
	for i, c := range list {
		if i == shown || c.Share < worthyPart*list[0].Share {
			break
		}
		parts = append(parts, phrase(c))
	}
	text := strings.Join(parts, "; ")
	if r.Needed > 0 {
		return fmt.Sprintf("%s. %d of %d detectors agree.", text, r.Votes, r.Voters)
	}
	return text + ". The detectors' mean score decides."
}

// phrase describes one feature: what it is, what it usually is, and how far that is.
func phrase(c streams.Contribution) string {
	value, expected := figure(c.Value), figure(c.Expected)
	if value == expected {
		return fmt.Sprintf("%s is %s, unusual at this moment or beside the others (%s of the reason)", c.Feature, value, percent(c.Share))
	}
	side := "above"
	if c.Value < c.Expected {
		side = "below"
	}
	switch d := math.Abs(c.Deviation); {
	case d >= 4:
		side = "far " + side
	case d < 1.5:
		side = "a little " + side
	}
	return fmt.Sprintf("%s is %s, %s the usual %s (%s of the reason)", c.Feature, value, side, expected, percent(c.Share))
}

// figure writes a number with four significant digits.
func figure(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

func percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 0, 64) + " %" }

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
