package processors

import (
	"slices"
	"time"

	"anomalystream/streams"
	"anomalystream/streams/guards"
)

// watch is what a key remembers besides what its models need: how often something came, the limits of the hour at hand, and how
// long each feature has repeated its value.
type watch struct {
	late       int64 // Events that came late, whatever became of them.
	unlearned  int64 // Events scored without being learned.
	suppressed int64 // Anomalies that notify nobody.
	rules      int64 // Anomalies of kind rule.
	stuck      int64 // Anomalies of kind stuck.

	newest time.Time // Of the events in time; zero while the stream has no late events.
	behind int64     // Late events in a row.

	limits []limitCount // By name of the rule.
	runs   []run        // By feature; nil where no feature is watched.
}

// limitCount counts the anomalies of an hour for one limit.
type limitCount struct {
	rule  string
	hour  int64 // Hours since 1970.
	count int64
}

// guarded is what holds for a key: made of the engine's guards, and made again when those are exchanged.
type guarded struct {
	by       *guards.Guards
	key      *guards.Key // Nil where no rule or window is about the key.
	matters  []relevance
	selected bool // Some feature has a relevance that can fail.
}

// SetGuards exchanges rules and windows; the next event is judged by the new ones. Whoever restores a state judges by those
// that hold then: after a crash, events around the change may be judged by the other ones than before.
func (e *Engine) SetGuards(g *guards.Guards) { e.guards.Store(g) }

// guard brings what holds for the key up to date.
func (e *Engine) guard(s *State) {
	g := e.guards.Load()
	if s.guarded.by == g {
		return
	}
	s.guarded = guarded{by: g, key: g.For(s.entity, s.plan.names), matters: s.plan.matters, selected: s.plan.selected}
	if s.guarded.key == nil || s.guarded.key.Relevance == nil {
		return
	}
	s.guarded.matters, s.guarded.selected = slices.Clone(s.plan.matters), false
	for j, by := range s.guarded.key.Relevance {
		r := &s.guarded.matters[j]
		if by.Direction != "" {
			r.up, r.down = by.Direction != streams.DirectionDown, by.Direction != streams.DirectionUp
		}
		if by.Absolute != nil {
			r.absolute = *by.Absolute
		}
		if by.Relative != nil {
			r.relative = *by.Relative
		}
		s.guarded.selected = s.guarded.selected || !r.everything()
	}
}

// window returns the name of the maintenance window an event lies in, "" for none, and whether it is to be learned.
func (s *State) window(at time.Time) (name string, learn bool) {
	if s.guarded.key == nil {
		return "", true
	}
	return s.guarded.key.Window(at)
}

// breaches returns the hard ranges that the values at hand are outside of.
func (s *State) breaches(w *work) (out []guards.Range) {
	if s.guarded.key == nil {
		return nil
	}
	for _, r := range s.guarded.key.Ranges {
		if v := w.values[r.Feature]; v < r.Min || v > r.Max {
			out = append(out, r)
		}
	}
	return out
}

// settle says what silences an anomaly, if anything does, and counts it.
func (s *State) settle(a *streams.Anomaly, window string) {
	switch {
	case window != "":
		a.Suppressed = streams.SuppressedByWindow + window
	case a.Suppressed == "":
		if rule := s.overLimit(a.Timestamp); rule != "" {
			a.Suppressed = streams.SuppressedByLimit + rule
		}
	}
	if a.Suppressed != "" {
		s.watch.suppressed++
	}
	switch a.Kind {
	case streams.KindRule:
		s.watch.rules++
	case streams.KindStuck:
		s.watch.stuck++
	}
}

// overLimit counts an anomaly for every limit of the key, and returns the first that is used up for the hour of event time.
// Anomalies of an earlier hour count in the one at hand.
func (s *State) overLimit(at time.Time) (rule string) {
	if s.guarded.key == nil || len(s.guarded.key.Limits) == 0 {
		return ""
	}
	hour := at.Unix() / 3600
	var counts []limitCount
	for _, l := range s.guarded.key.Limits {
		c := limitCount{rule: l.Rule, hour: hour}
		for _, before := range s.watch.limits {
			if before.rule == l.Rule && before.hour >= hour {
				c = before
			}
		}
		if c.count++; c.count > l.Most && rule == "" {
			rule = l.Rule
		}
		counts = append(counts, c)
	}
	s.watch.limits = counts
	return rule
}

// behindLimit is how many events in a row may be late before the key's time starts anew with the next: one record whose clock
// is far ahead must not make everything after it late for good.
const behindLimit = 100

// arrive reports whether an event is late, and keeps the time of the newest.
func (s *State) arrive(late *streams.Late, at time.Time) bool {
	if late.After == 0 {
		return false
	}
	v := &s.watch
	if !v.newest.IsZero() && v.newest.Sub(at) > late.After && v.behind < behindLimit {
		v.behind++
		v.late++
		return true
	}
	if v.behind == behindLimit || at.After(v.newest) {
		v.newest = at
	}
	v.behind = 0
	return false
}

// pass is what learn does with an event that is not to be learned: the models, their window and the columns stay as they are.
func (e *Engine) pass(s *State, ev *streams.Event, w *work) {
	copy(s.held, w.values)
	s.watch.unlearned++
	if ev.Time.After(s.lastEvent) {
		s.lastEvent = ev.Time
	}
}
