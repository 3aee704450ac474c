package processors

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"anomalystream/detectors/decision"
	"anomalystream/streams"
	"anomalystream/streams/guards"
)

// What an anomaly that needs no vote has at least: the score at which anomalies begin, a severity that people call high, and
// the alert score of one event in ten thousand.
const (
	sureScore    = decision.Cut
	sureSeverity = 9
	sureAlert    = 4
)

// sure gathers why an event is an anomaly whatever the models say.
type sure struct {
	kind    string // "" where it is none.
	phrases []string
	guilty  []int // Features.
}

// breach adds a value outside a hard range.
func (v *sure) breach(feature string, value float64, r guards.Range) {
	side, bound := "below the rule's minimum", r.Min
	if value > r.Max {
		side, bound = "above the rule's maximum", r.Max
	}
	v.kind = streams.KindRule
	v.phrases = append(v.phrases, fmt.Sprintf("%s %s is %s %s (rule %s)", feature, figure(value), side, figure(bound), r.Rule))
	v.guilty = append(v.guilty, r.Feature)
}

// hold adds a feature that has repeated its value for too long. A breach gives the kind where both come together.
func (v *sure) hold(j int, feature string, r *run) {
	v.kind = cmp.Or(v.kind, streams.KindStuck)
	v.phrases = append(v.phrases, fmt.Sprintf("%s is stuck: %d times %s in a row since %s, longer than usual",
		feature, r.length, figure(r.value), r.since.UTC().Format(time.RFC3339)))
	v.guilty = append(v.guilty, j)
}

// sureOf returns why the event at hand is an anomaly by the rules of its key.
func (e *Engine) sureOf(s *State, w *work) (v sure) {
	for _, r := range s.breaches(w) {
		v.breach(s.plan.names[r.Feature], w.values[r.Feature], r)
	}
	return v
}

// conclude makes the anomaly of an event that is one by the vote, by a rule, or by a feature that is stuck.
func (e *Engine) conclude(s *State, ev *streams.Event, w *work, r *Result, statistic float64, v *sure) {
	if !r.Flag && v.kind == "" {
		return
	}
	if r.Scored {
		r.AlertScore = e.alertScore(s, w, statistic)
		r.Why, r.Detectors = e.explain(s, w, r), e.votes(s, r)
	} else {
		r.Why = e.unscored(s, w)
	}
	if v.kind != "" {
		v.blame(s, r)
	}
	r.Anomaly = e.anomaly(s, ev, w, r)
	if v.kind != "" {
		a := r.Anomaly
		a.Kind, a.Score, a.Severity = v.kind, max(a.Score, sureScore, e.def.Threshold), max(a.Severity, sureSeverity)
	} else if expected := s.suppressing(r.Why, r.AlertScore, ev.Time); expected != nil { // What is sure no verdict silences.
		r.Anomaly.Suppressed = streams.SuppressedByVerdict + expected.id
	}
}

// blame puts the reason in front of what the models say, and shares it among its features.
func (v *sure) blame(s *State, r *Result) {
	text := strings.Join(v.phrases, "; ") + "."
	if r.Flag {
		text += " " + r.Why.Sentence
	}
	r.Why.Sentence, r.AlertScore = text, max(r.AlertScore, sureAlert)
	slices.Sort(v.guilty)
	guilty := slices.Compact(v.guilty)
	for i := range r.Why.Contributions {
		c := &r.Why.Contributions[i]
		c.Share = 0
		if slices.ContainsFunc(guilty, func(j int) bool { return s.plan.names[j] == c.Feature }) {
			c.Share = 1 / float64(len(guilty))
		}
	}
	byShare(r.Why.Contributions)
}

// unscored is the explanation of an event without a score: nothing is expected yet but what came.
func (e *Engine) unscored(s *State, w *work) *streams.Explanation {
	why := &streams.Explanation{RequestedRate: e.rateOf(s), Generation: int(s.generation)}
	for j, name := range s.plan.names {
		why.Contributions = append(why.Contributions, streams.Contribution{Feature: name, Value: w.values[j], Expected: w.values[j]})
	}
	return why
}

// byShare sorts contributions, the largest first.
func byShare(list []streams.Contribution) {
	slices.SortStableFunc(list, func(a, b streams.Contribution) int { return cmp.Compare(b.Share, a.Share) })
}
