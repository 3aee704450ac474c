package processors

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"anomalystream/detectors/decision"
	"anomalystream/streams"
)

// Result is what one event came to.
type Result struct {
	Scored     bool    // False during the warm-up, and while no detector could be fitted.
	Score      float64 // Ensemble score E in [0, 1].
	Flag       bool    // E reaches the stream's threshold: at 0.6, the vote holds.
	Severity   float64 // Mean distance from normal, 0 to 30, in units of normal spread.
	AlertScore float64 // Of anomalies, and of every event with Engine.Peek; 0 otherwise.
	Statistic  float64 // What the threshold is compared with.
	Threshold  float64
	Votes      int                    // Detectors that call the event an anomaly.
	Voters     int                    // Detectors that did not fail.
	Needed     int                    // Votes that make an anomaly; 0 where the mean decides.
	Raw        []float64              // Each detector's raw score; valid until the next call on this state.
	Grades     []float64              // The same on the common 0..1 scale; valid until the next call on this state.
	Drift      bool                   // The regime changed with this event.
	Refitted   bool                   // New models judge the next event.
	Late       bool                   // Older than the newest event of its key by more than the stream allows.
	Anomaly    *streams.Anomaly       // By the vote, or whatever the vote is by a rule or a feature that is stuck.
	Detectors  []streams.DetectorVote // The same by name; with Why.
	Why        *streams.Explanation   // Of anomalies, and of every scored event with Engine.Peek.
	Closed     []streams.Rollup       // Minutes that this event ended.
}

// Step scores an event by models of earlier events and then learns it, unless a maintenance window or the policy for late
// events says otherwise. It is deterministic: the same state, guards and event give the same bits. A Reject leaves the state as
// it was; one for a late event is counted in it.
func (e *Engine) Step(s *State, ev *streams.Event) (Result, *streams.Reject) {
	w := e.getWork()
	defer e.works.Put(w)
	p, reject := e.prepare(s, ev, w)
	if reject != nil {
		return Result{}, reject
	}
	if s.plan == nil {
		e.adopt(s, p)
	}
	e.guard(s)
	late := s.arrive(&e.def.Late, ev.Time)
	if late && e.def.Late.Policy == streams.LateTopic {
		return Result{Late: true}, &streams.Reject{Code: streams.CodeLate, Reason: "is " + s.watch.newest.Sub(ev.Time).String() + " older than the newest event of its key"}
	}
	window, learn := s.window(ev.Time)
	learn = learn && !(late && e.def.Late.Policy == streams.LateScoreOnly)
	r := Result{Late: late}
	d, scored := e.judge(s, w)
	if scored {
		e.fill(&r, &d, w)
		s.count(&r, learn)
	}
	v := e.sureOf(s, w)
	if learn {
		s.follow(ev, e.def.Incidents.Quiet, &v)
	}
	stale := false
	if e.conclude(s, ev, w, &r, d.Statistic, &v); r.Anomaly != nil {
		s.settle(r.Anomaly, window)
		s.lastAnomaly = &streams.LastAnomaly{ID: r.Anomaly.ID, Timestamp: r.Anomaly.Timestamp, Score: r.Anomaly.Score}
		stale = r.Anomaly.Suppressed == "" && s.prolong(ev.Time, &e.def.Incidents)
	}
	if !learn {
		e.pass(s, ev, w)
		r.Closed = e.roll(s, ev, w, &r)
		if stale {
			e.fit(s, w)
			r.Refitted = true
		}
		return r, nil
	}
	if scored {
		s.calibrator.Learn(&d)
	}
	e.learn(s, ev, w)
	r.Closed = e.roll(s, ev, w, &r)
	if r.Drift = d.Drift; r.Drift {
		s.regimes++
		s.cut = max(s.cut, s.seen-decision.RegimeRows)
	}
	if r.Drift || e.due(s) || stale {
		e.fit(s, w)
		r.Refitted = true
	}
	return r, nil
}

// Peek tells what an event would score, with the explanation even where it is no anomaly. The state stays as it is.
func (e *Engine) Peek(s *State, ev *streams.Event) (Result, *streams.Reject) {
	w := e.getWork()
	defer e.works.Put(w)
	if _, reject := e.prepare(s, ev, w); reject != nil || s.plan == nil {
		return Result{}, reject
	}
	e.guard(s)
	var r Result
	d, scored := e.judge(s, w)
	if scored {
		e.fill(&r, &d, w)
		r.Raw, r.Grades = slices.Clone(r.Raw), slices.Clone(r.Grades)
	}
	v := e.sureOf(s, w)
	if e.conclude(s, ev, w, &r, d.Statistic, &v); r.Anomaly != nil {
		if window, _ := s.window(ev.Time); window != "" {
			r.Anomaly.Suppressed = streams.SuppressedByWindow + window
		}
		return r, nil
	}
	if scored {
		r.AlertScore = e.alertScore(s, w, d.Statistic)
		r.Why, r.Detectors = e.explain(s, w, &r), e.votes(s, &r)
	}
	return r, nil
}

// due reports whether a fit belongs after the event just learned: at the end of the warm-up, then every refit events.
func (e *Engine) due(s *State) bool {
	n := s.seen - int64(e.def.WarmUp)
	return n >= 0 && n%int64(e.def.Refit) == 0
}

// prepare checks an event and computes its row into the scratch memory.
func (e *Engine) prepare(s *State, ev *streams.Event, w *work) (*plan, *streams.Reject) {
	p := s.plan
	if p == nil {
		p = e.planFor(ev.Names)
		s = &State{entity: s.entity}
		e.adopt(s, p)
	}
	if e.fixed == nil && !slices.Equal(p.names, ev.Names) {
		return nil, &streams.Reject{Code: streams.CodeShape, Reason: "has the features " + strings.Join(ev.Names, ", ") + "; the detector learned " + strings.Join(p.names, ", ")}
	}
	if len(ev.Values) != len(p.names) {
		return nil, &streams.Reject{Code: streams.CodeShape, Reason: fmt.Sprintf("has %d values for %d features", len(ev.Values), len(p.names))}
	}
	w.values = append(w.values[:0], ev.Values...)
	for j, v := range w.values {
		if !math.IsNaN(v) {
			w.values[j] = min(max(v, -streams.MaxMagnitude), streams.MaxMagnitude) // The decoder lets nothing else pass.
			continue
		}
		if math.IsNaN(s.held[j]) {
			return nil, &streams.Reject{Code: streams.CodeMissingField, Field: p.names[j], Reason: "has no value, and the key has none to hold"}
		}
		w.values[j] = s.held[j]
	}
	w.row = sized(w.row, p.width)
	p.pipeline.Apply(s.transforms, w.values, ev.Time, w.row[:p.columns()], &w.transform)
	if p.alert != nil {
		p.alert.Apply(s.speeds, w.values, ev.Time, p.alertRow(w.row), &w.transform)
	}
	for j, at := range p.raw {
		w.row[at] = w.values[j]
	}
	return p, nil
}

// judge scores the row at hand. It reports false while nothing can be scored.
func (e *Engine) judge(s *State, w *work) (decision.Decision, bool) {
	if s.generation == 0 || s.plan == nil {
		return decision.Decision{}, false
	}
	if s.models == nil {
		s.models = e.train(s, w, nil) // After a restart: the same rows and seeds give the same models.
	}
	if s.calibrator.Voters() == 0 {
		return decision.Decision{}, false
	}
	c := s.plan.columns()
	row := w.row[:c]
	if s.guarded.selected {
		row = s.neutral(w, row)
	}
	w.scaled, w.raw = sized(w.scaled, c), sized(w.raw, len(e.specs))
	if !s.models.score(row, w.scaled, w.raw) {
		return decision.Decision{}, false
	}
	return s.calibrator.Judge(w.raw, e.rateOf(s)), true
}

// neutral returns the row as the detectors shall see it: a feature whose deviation does not matter stands at the training
// medians, so it cannot make an anomaly, and the calibrated rate holds for the deviations that do matter.
func (s *State) neutral(w *work, row []float64) []float64 {
	if len(s.models.columnMid) == 0 {
		s.models.middle(s, w)
	}
	w.share = append(w.share[:0], row...)
	for i, j := range s.plan.source {
		if !s.guarded.matters[j].matter(w.values[j], s.models.expected[j]) {
			w.share[i] = s.models.columnMid[i]
		}
	}
	return w.share
}

// fill copies the decision into the result. The scale of the score is fixed: 0.6 is where the vote turns, at the requested
// rate. A stream's threshold is a cut on that scale: above 0.6 it flags the stronger part of what the vote finds, fewer than
// requested; below, also what no majority supports, more than requested. Calibration goes by the vote at any threshold.
func (e *Engine) fill(r *Result, d *decision.Decision, w *work) {
	r.Scored, r.Score, r.Flag, r.Severity = true, d.Score, d.Score >= e.def.Threshold, d.Severity
	r.Statistic, r.Threshold = d.Statistic, d.Threshold
	r.Votes, r.Voters, r.Needed = d.Votes, d.Voters, d.Needed
	r.Raw, r.Grades = w.raw, d.Grades
}

// count updates the counters by a scored event. The realised rate is of those events alone that the calibration learns.
func (s *State) count(r *Result, learn bool) {
	s.scored++
	if r.Flag {
		s.flagged++
	}
	if learn {
		s.recent.add(r.Flag)
	}
	s.scoreSum += r.Score
	s.scoreMax = max(s.scoreMax, r.Score)
}

// learn takes the event into the state.
func (e *Engine) learn(s *State, ev *streams.Event, w *work) {
	s.store(w.row, ev.Time)
	if s.seen == 0 {
		s.firstEvent = ev.Time
	}
	s.plan.pipeline.Learn(s.transforms, w.values, ev.Time)
	if s.plan.alert != nil {
		s.plan.alert.Learn(s.speeds, w.values, ev.Time)
	}
	copy(s.held, w.values)
	if s.models != nil && !s.trouble(ev.Time) {
		s.models.learn(w.row[:s.plan.columns()], w)
	}
	s.seen++
	if ev.Time.After(s.lastEvent) {
		s.lastEvent = ev.Time
	}
}
