package processors

import (
	"cmp"
	"math"
	"slices"
	"time"

	"anomalystream/streams"
)

// Bounds of what verdicts may do to a key. They are documented in docs/incidents.md.
const (
	maxVerdicts = 64    // Of a key, the newest: as many as a word has bits.
	mostLeftOut = 0.5   // Share of the training rows that verdicts may leave out.
	leastRate   = 0.125 // Of the stream's requested rate, however much of a key is called noise.
	realMargin  = 0.4   // How far below the alert score of real trouble the threshold stays, in the unit of alert scores.
)

// verdict is one that a key remembers: until it expires it has its effect, and afterwards it is recognised as expired.
type verdict struct {
	id        string
	kind      string    // One of the streams.Verdict constants; "" for a withdrawal whose verdict never came.
	taken     int64     // Events seen when it was applied.
	withdrawn int64     // Events seen when it was taken back, -1 while it is not.
	at        time.Time // Processing time, which orders them.
	from, to  time.Time // Event time of the rows it is about.
	until     time.Time // Event time at which it ends.
	sights    []sight   // Of its guilty features, largest share first; empty for unknown.
	lasting   bool      // It is about an incident that has not ended: its rows go on with the anomalies.
	alert     float64   // Alert score of the anomaly; 0 for unknown.
	silencers uint64    // Of a call of noise: the places of the verdicts expected that are like it, as bits. Follows from the others.
}

func compareVerdicts(a, b verdict) int {
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id, b.id))
}

// inForce reports whether it has an effect of this kind at an event time.
func (v *verdict) inForce(kind string, at time.Time) bool {
	return v.kind == kind && v.withdrawn < 0 && v.until.After(at)
}

// Instruct applies a verdict, or a withdrawal of one, to a key, and reports whether the state has changed. Feedback that was
// applied before, that has expired by the key's event time, or that is neither, changes nothing. It is deterministic, as
// Step is.
func (e *Engine) Instruct(s *State, f *streams.Feedback) bool {
	if s.plan == nil || !f.Until.After(s.lastEvent) {
		return false
	}
	switch f.Action {
	case streams.ActionVerdict:
		return e.take(s, f)
	case streams.ActionWithdraw:
		return e.withdraw(s, f)
	}
	return false
}

// take takes a verdict in.
func (e *Engine) take(s *State, f *streams.Feedback) bool {
	switch f.Verdict {
	case streams.VerdictReal, streams.VerdictExpected, streams.VerdictNoise:
	default:
		return false
	}
	if s.verdict(f.ID) != nil || f.Verdict == streams.VerdictNoise && !found(f.Kind) {
		return false
	}
	v := verdict{id: f.ID, kind: f.Verdict, taken: s.seen, withdrawn: -1, at: sensible(f.At), from: sensible(f.From), to: sensible(f.To), until: sensible(f.Until), lasting: f.Lasting && f.Verdict == streams.VerdictReal, alert: f.Alert}
	v.sights = s.plan.sights(f.Seen)
	if !e.remember(s, v) {
		return false
	}
	if v.kind == streams.VerdictNoise {
		return true
	}
	s.calibrator.Settle(func(age int64) bool {
		return age < int64(len(s.times)) && v.covers(s.timeOf(s.seen-1-age))
	}, v.kind == streams.VerdictExpected)
	if v.kind == streams.VerdictReal && s.concerns(&v, s.fitFrom) || v.kind == streams.VerdictExpected && s.concerns(&v, s.fitTo) {
		e.refit(s)
	}
	if kept := s.verdict(v.id); v.kind == streams.VerdictExpected && v.alert > 0 {
		kept.alert = max(v.alert, e.alertOf(s, &v))
	}
	return true
}

// found reports whether it is the models that found what is of this kind: only then does it say anything of their threshold.
func found(kind string) bool {
	switch kind {
	case streams.KindRule, streams.KindStuck, streams.KindSilent:
		return false
	}
	return true
}

// alertOf returns the highest alert score that the rows of a verdict have by the models and the past as they are now, 0 where none
// is kept. The one that its anomaly had came from other models and a shorter past: the same event again would seem stronger.
func (e *Engine) alertOf(s *State, v *verdict) (most float64) {
	e.guard(s)
	if e.def.Alert != streams.AlertDepth || s.guarded.selected {
		return 0 // What rules neutralise hangs on the values of the event, which are gone.
	}
	w := e.getWork()
	defer e.works.Put(w)
	w.row = sized(w.row, s.plan.columns())
	for i := s.fitFrom; i < s.seen; i++ {
		if !v.covers(s.timeOf(i)) {
			continue
		}
		s.rows.get(i, 0, w.row)
		if d, scored := e.judge(s, w); scored {
			most = max(most, s.calibrator.Depth(d.Statistic))
		}
	}
	return most
}

// sensible brings a time into the years that a saved state can hold.
func sensible(t time.Time) time.Time {
	first, last := time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
	switch {
	case t.Before(first):
		return first
	case t.After(last):
		return last
	}
	return t.UTC()
}

// withdraw takes a verdict back. One that comes before its verdict is remembered for it.
func (e *Engine) withdraw(s *State, f *streams.Feedback) bool {
	v := s.verdict(f.Withdraw)
	if v == nil {
		return f.Withdraw != "" && e.remember(s, verdict{id: f.Withdraw, taken: s.seen, withdrawn: s.seen, at: sensible(f.At), until: sensible(f.Until)})
	}
	if v.withdrawn >= 0 {
		return false
	}
	v.withdrawn = s.seen
	if v.kind == streams.VerdictReal && s.concerns(v, s.fitFrom) {
		e.refit(s)
	}
	return true
}

// concerns reports whether a verdict is about any row from this one on.
func (s *State) concerns(v *verdict, from int64) bool {
	for i := from; i < s.seen; i++ {
		if v.covers(s.timeOf(i)) {
			return true
		}
	}
	return false
}

// inForce lists the verdicts in force.
func (s *State) inForce() []streams.VerdictForce {
	var out []streams.VerdictForce
	for i := range s.verdicts {
		if v := &s.verdicts[i]; v.inForce(v.kind, s.lastEvent) && v.kind != "" {
			out = append(out, streams.VerdictForce{ID: v.id, Verdict: v.kind, Until: v.until})
		}
	}
	return out
}

// refit fits the models of a key anew, where it has some.
func (e *Engine) refit(s *State) {
	if s.generation == 0 {
		return
	}
	w := e.getWork()
	defer e.works.Put(w)
	e.fit(s, w)
}

// verdict returns the one with this id, nil where there is none.
func (s *State) verdict(id string) *verdict {
	if i := slices.IndexFunc(s.verdicts, func(v verdict) bool { return v.id == id }); i >= 0 {
		return &s.verdicts[i]
	}
	return nil
}

// remember keeps a verdict in its order. Where there are too many the oldest is forgotten; it reports false where that is this
// one.
func (e *Engine) remember(s *State, v verdict) bool {
	at, _ := slices.BinarySearchFunc(s.verdicts, v, compareVerdicts)
	if len(s.verdicts) < maxVerdicts {
		s.verdicts = slices.Insert(s.verdicts, at, v)
		s.relate()
		return true
	}
	if at == 0 {
		return false
	}
	s.verdicts = slices.Delete(slices.Insert(s.verdicts, at, v), 0, 1)
	s.relate()
	e.refit(s) // The models may rest on the one forgotten.
	return true
}

// expire forgets the verdicts that have ended. It belongs before a fit and nowhere else: until the next one the models are to
// be fitted again as they were.
func (s *State) expire() {
	s.verdicts = slices.DeleteFunc(s.verdicts, func(v verdict) bool { return !v.until.After(s.lastEvent) })
	s.relate()
}

// covers reports whether a row of this event time, to the second, is one that the verdict is about.
func (v *verdict) covers(at time.Time) bool {
	second := at.Unix()
	return second >= v.from.Unix() && second <= v.to.Unix()
}

// trouble reports whether a row of this event time is part of real trouble, which no model may learn.
func (s *State) trouble(at time.Time) bool {
	for i := range s.verdicts {
		if v := &s.verdicts[i]; v.kind == streams.VerdictReal && v.withdrawn < 0 && v.covers(at) {
			return true
		}
	}
	return false
}

// training returns the numbers of the rows that the last fit learns, in order, in the memory of list: those of its window
// without real trouble. Verdicts that would leave out too many are passed over, the oldest first.
func (s *State) training(list []int64) []int64 {
	list = list[:0]
	for i := s.fitFrom; i < s.fitTo; i++ {
		list = append(list, i)
	}
	least := len(list) - int(mostLeftOut*float64(len(list)))
	for i := range slices.Backward(s.verdicts) {
		v := &s.verdicts[i]
		if v.kind != streams.VerdictReal || v.withdrawn >= 0 {
			continue
		}
		left := 0
		for _, n := range list {
			if !v.covers(s.timeOf(n)) {
				left++
			}
		}
		if left >= least && left < len(list) {
			list = slices.DeleteFunc(list, func(n int64) bool { return v.covers(s.timeOf(n)) })
		}
	}
	return list
}

// rateOf returns the false-alarm rate requested of a key: that of the stream, halved by each call of noise in force after the
// first, but never so low that what was called real would not have been found. That bound needs alert scores that are the
// depth, which says at which rates an event is found. Noise that a verdict expected silences anyhow asks for no other rate.
func (e *Engine) rateOf(s *State) float64 {
	rate, noise := e.Rate(), 0
	for i := range s.verdicts {
		if v := &s.verdicts[i]; v.inForce(streams.VerdictNoise, s.lastEvent) && !s.silenced(v) {
			noise++
		}
	}
	if noise < 2 {
		return rate
	}
	least := leastRate * rate
	for i := range s.verdicts {
		if v := &s.verdicts[i]; v.inForce(streams.VerdictReal, s.lastEvent) && v.alert > 0 && e.def.Alert == streams.AlertDepth {
			least = max(least, min(rate, math.Pow(10, realMargin-v.alert)))
		}
	}
	for range noise - 1 {
		rate = max(rate/2, least)
	}
	return rate
}
