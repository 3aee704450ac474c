package incidents

import (
	"fmt"
	"testing"
	"time"

	"anomalystream/streams"
)

// expire passes days, with ticks as far apart as one tick can tell, and returns what has expired.
func (w *world) expire(days float64) (out Expired) {
	w.t.Helper()
	for end := w.state.Passed + time.Duration(days*24*float64(time.Hour)); w.state.Passed < end; {
		w.now = w.now.Add(longestTick)
		w.step(Signal{Tick: w.now.Add(3 * time.Hour)})
		more := w.engine.Expire(w.state)
		out.Incidents, out.Feedback = append(out.Incidents, more.Incidents...), append(out.Feedback, more.Feedback...)
	}
	return out
}

// single is a policy under which one anomaly is one incident, and nobody falls silent.
func single(p *streams.IncidentPolicy) {
	p.OpenAfter, p.FlapAfter, p.GroupMin, p.Silence, p.Retention = 1, 100, 100, streams.SilenceOff, 48*time.Hour
}

// ended lets n incidents open and end and returns their last revisions.
func (w *world) ended(n int) (out []streams.Incident) {
	w.t.Helper()
	for range n {
		w.see("a")
		w.told = nil
		w.pass(20 * time.Minute)
		if len(w.told) != 1 || w.told[0].Open() {
			w.t.Fatalf("told %+v", w.told)
		}
		out = append(out, w.told[0])
		w.engine.Expire(w.state)
	}
	return out
}

func (w *world) say(f streams.Feedback) []streams.Incident {
	w.t.Helper()
	f.Stream, f.Who, f.At = "web", "ann", w.now
	return w.step(Signal{Feedback: &f})
}

// TestExpire keeps an incident for the retention after its end, what people said as long, and verdicts until they end too.
func TestExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, single)
	first := w.ended(1)[0]
	long := w.now.Add(5 * 24 * time.Hour)
	w.say(streams.Feedback{ID: "comment", Action: streams.ActionComment, Incident: first.ID, Entity: "a"})
	w.say(streams.Feedback{ID: "short", Action: streams.ActionVerdict, Verdict: streams.VerdictReal, Entity: "a", Until: w.now.Add(time.Hour)})
	w.say(streams.Feedback{ID: "long", Action: streams.ActionVerdict, Verdict: streams.VerdictReal, Entity: "a", Until: long})
	w.say(streams.Feedback{ID: "long", Action: streams.ActionVerdict, Verdict: streams.VerdictReal, Entity: "a", Until: long}) // Again.
	w.see("b")
	w.minute("a") // The clock of the stream is beyond the short one by now, or soon.
	w.now = w.now.Add(2 * time.Hour)
	w.minute("a")
	if got := w.expire(1.9); len(got.Incidents)+len(got.Feedback) > 0 {
		t.Fatalf("too early: %+v", got)
	}
	got := w.expire(0.5)
	if len(got.Incidents) != 2 || got.Incidents[0] != first.ID { // And that of b.
		t.Errorf("got %q", got.Incidents)
	}
	if want := "[\"web/a\\x00comment\" \"web/a\\x00short\"]"; fmt.Sprintf("%q", got.Feedback) != want {
		t.Errorf("got %q, want %s", got.Feedback, want)
	}
	if got := w.say(streams.Feedback{ID: "late", Action: streams.ActionComment, Incident: first.ID, About: &first}); len(got) > 0 {
		t.Errorf("one that has expired tells %+v", got)
	}
	w.now = long.Add(time.Minute)
	w.minute("a")
	if got := w.engine.Expire(w.state); fmt.Sprintf("%q", got.Feedback) != `["web/a\x00long"]` {
		t.Errorf("got %q", got.Feedback)
	}
}

// TestOldIncidentsTakeFeedback tells of an incident as long as the topic has it: the latest from memory, older ones from what the
// feedback carries.
func TestOldIncidentsTakeFeedback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *streams.IncidentPolicy) { single(p); p.Retention = 30 * 24 * time.Hour })
	all := w.ended(maxClosed + 2)
	old, newer := all[0], all[2]
	if got := w.say(streams.Feedback{ID: "1", Action: streams.ActionComment, Incident: newer.ID}); len(got) != 1 || got[0].Revision != newer.Revision+1 {
		t.Errorf("one that is remembered tells %+v", got)
	}
	comment := streams.Feedback{ID: "2", Action: streams.ActionComment, Comment: "so", Incident: old.ID}
	for _, about := range []*streams.Incident{nil, &newer, {ID: old.ID, Stream: "other", End: old.End}, {ID: old.ID, Stream: "web"}} {
		if comment.About = about; len(w.say(comment)) > 0 {
			t.Errorf("%+v is not that incident", about)
		}
	}
	comment.About = &old
	got := w.say(comment)
	if len(got) != 1 || got[0].Revision != old.Revision+1 || got[0].Change != streams.ChangeCommented || len(got[0].Acts) != 1 || got[0].Sentence != old.Sentence || len(got[0].Features) == 0 {
		t.Fatalf("got %+v", got)
	}
	stale := old // Whoever speaks next may not have seen that.
	got = w.say(streams.Feedback{ID: "3", Action: streams.ActionVerdict, Verdict: streams.VerdictNoise, Incident: old.ID, About: &stale})
	if len(got) != 1 || got[0].Revision != old.Revision+2 || len(got[0].Acts) != 2 || got[0].Verdict != streams.VerdictNoise {
		t.Fatalf("got %+v", got)
	}
	judged := got[0]
	w.ended(maxClosed)
	if got = w.say(streams.Feedback{ID: "4", Action: streams.ActionWithdraw, Withdraw: "3", Incident: old.ID, About: &judged}); len(got) != 1 || got[0].Revision != judged.Revision+1 || got[0].Verdict != "" {
		t.Errorf("got %+v", got)
	}
	if len(w.state.Closed) != maxClosed || len(w.state.Kept) != 2*maxClosed+2 {
		t.Errorf("%d remembered, %d kept", len(w.state.Closed), len(w.state.Kept))
	}
}

// TestBoundsOfTheTopics gives up the oldest where there are too many.
func TestBoundsOfTheTopics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, single)
	for n := range maxKept + 2 {
		w.state.Kept = append(w.state.Kept, kept{ID: fmt.Sprint(n), Revision: 1})
		w.state.Said = append(w.state.Said, said{Key: fmt.Sprint(n), Until: w.now.Add(time.Hour)})
	}
	if got := w.engine.Expire(w.state); fmt.Sprint(got) != "{[0 1] [0 1]}" {
		t.Errorf("got %v", got)
	}
}
