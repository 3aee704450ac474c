package incidents

import (
	"fmt"
	"testing"
	"time"

	"anomalystream/streams"
)

// TestSilence learns what is expected of a key, tells when it stops and when it returns.
func TestSilence(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for range 20 {
		w.minute("a", "b")
	}
	w.want()
	for range 2 {
		w.minute("b")
	}
	w.want()
	w.minute("b")
	w.want("silent opened a")
	i := w.state.Keys[0].Silent.Incident
	if i.Interval != 1 || !i.Start.Equal(start.Add(20*time.Minute)) || i.Sentence != "web/a has sent nothing since 10:20 UTC; an event is expected every 1 s." {
		t.Errorf("got %+v", i)
	}
	for range 4 {
		w.minute("b")
	}
	w.want()
	w.minute("a", "b")
	last := w.told[0]
	w.want("silent recovered a")
	if last.ID != i.ID || !last.End.Equal(start.Add(27*time.Minute+TickEvery)) || last.Sentence != "web/a was silent for 7 min." {
		t.Errorf("got %+v", last)
	}
	if len(w.state.Closed) != 1 {
		t.Errorf("%d closed", len(w.state.Closed))
	}
}

// TestSilenceEnds within the minute in which the source came back, after as long as nothing was heard of it.
func TestSilenceEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		minute, end time.Duration // After the start.
	}{
		"in its minute":       {23 * time.Minute, 23*time.Minute + 40*time.Second},
		"with later events":   {25 * time.Minute, 25 * time.Minute},
		"with earlier events": {22 * time.Minute, 22*time.Minute + 59*time.Second},
	} {
		w := newWorld(t, nil)
		for range 20 {
			w.minute("a", "b")
		}
		for range 3 {
			w.minute("b")
		}
		w.want("silent opened a")
		w.pass(40 * time.Second)
		w.step(Signal{Rollup: &streams.Rollup{Stream: "web", Entity: "a", Minute: start.Add(c.minute), Events: 5}})
		if len(w.told) != 1 || w.told[0].Change != streams.ChangeRecovered || !w.told[0].End.Equal(start.Add(c.end)) {
			t.Errorf("%s: told %+v, want an end at %s", name, w.told, start.Add(c.end))
		}
	}
}

// TestSilenceOfTheStream is one incident, not one of each key.
func TestSilenceOfTheStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for range 20 {
		w.minute("a", "b", "c", "d")
	}
	w.pass(20 * time.Second)
	w.step(Signal{Rollup: &streams.Rollup{Stream: "web", Entity: "d", Minute: w.now, Events: 3}}) // The last word.
	w.pass(10 * time.Minute)
	w.want("silent opened")
	w.step(Signal{Rollup: &streams.Rollup{Stream: "web", Entity: "d", Minute: w.now, Events: 3}})
	w.want("silent recovered")
}

// TestSilenceOfMany is a group.
func TestSilenceOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for range 20 {
		w.minute("a", "b", "c", "d")
	}
	for range 4 {
		w.minute("d")
	}
	w.want("silent opened a", "silent opened b", "silent opened c", "group opened", "silent joined a", "silent joined b")
	if got := w.state.Groups[0].Incident.Interval; got != 1 {
		t.Errorf("the group expects an event every %g s, which says that there are silences in it, want 1", got)
	}
	if got, want := w.state.Groups[0].Incident.Sentence, "3 of 4 entities of web are in trouble at the same time: they have fallen silent."; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	w.minute("a", "b", "c", "d")
	w.want("silent recovered a", "silent recovered b", "silent recovered c", "group recovered")
}

// TestSilenceInAWindow: whoever falls silent in a maintenance window is expected to, and nobody is told before the window has closed.
func TestSilenceInAWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for range 20 {
		w.minute("web-1", "web-2", "db-1")
	}
	w.windows = []streams.OpenWindow{{Name: "patch", Entity: "web-*"}}
	for range 4 {
		w.minute("db-1")
	}
	for _, i := range w.told {
		if i.Suppressed != "window:patch" {
			t.Errorf("%s is told", i.Sentence)
		}
	}
	w.want("silent opened web-1", "silent opened web-2")
	w.minute("web-1", "db-1") // Back in time.
	w.want("silent recovered web-1")
	w.windows = nil
	w.minute("web-1", "db-1")
	if last := w.told[0]; last.Suppressed != "" {
		t.Errorf("still suppressed by %q", last.Suppressed)
	}
	w.want("silent worsened web-2")

	// All of the stream: only where the windows are about everybody.
	for _, c := range []struct {
		windows []streams.OpenWindow
		want    string
	}{
		{[]streams.OpenWindow{{Name: "patch", Entity: "web-*"}}, ""},
		{[]streams.OpenWindow{{Name: "night"}}, "window:night"},
		{[]streams.OpenWindow{{Name: "patch", Entity: "web-*"}, {Name: "rest", Entity: "db-*"}}, "window:patch"},
	} {
		w := newWorld(t, nil)
		for range 20 {
			w.minute("web-1", "db-1")
		}
		w.windows = c.windows
		w.pass(5 * time.Minute)
		if i := w.told[0]; i.Suppressed != c.want {
			t.Errorf("%v: the silence of the stream is suppressed by %q, want %q", c.windows, i.Suppressed, c.want)
		}
		w.want("silent opened")
		w.windows = nil
		if w.pass(time.Minute); c.want == "" {
			w.want()
		} else {
			w.want("silent worsened")
		}
	}
}

// TestSilencePolicies: a given span needs no learning, off tells nothing, and what stays away is not expected for ever.
func TestSilencePolicies(t *testing.T) {
	t.Parallel()
	given := func(p *streams.IncidentPolicy) { p.Silence = "5m" }
	w := newWorld(t, given)
	w.minute("a", "b")
	for range 5 {
		w.minute("b")
	}
	w.want()
	w.minute("b")
	w.want("silent opened a")

	w = newWorld(t, func(p *streams.IncidentPolicy) { p.Silence = streams.SilenceOff })
	for range 20 {
		w.minute("a", "b")
	}
	w.pass(time.Hour)
	w.want()

	w = newWorld(t, func(p *streams.IncidentPolicy) { p.MaxLength = time.Hour })
	for range 20 {
		w.minute("a", "b")
	}
	for range 70 {
		w.minute("b")
	}
	if got, want := w.told[1].Sentence, "web/a has sent nothing since 10:20 UTC; an event is expected every 1 s. After 62 min it is no longer expected until it returns."; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	w.want("silent opened a", "silent outlasted a")
	for range 50 * 60 {
		w.engine.Step(w.state, Signal{Tick: w.now})
		w.engine.Step(w.state, Signal{Rollup: &streams.Rollup{Stream: "web", Entity: "b", Minute: w.now, Events: 1}})
		for range 6 {
			w.now = w.now.Add(10 * time.Second)
			w.engine.Step(w.state, Signal{Tick: w.now.Add(3 * time.Hour)})
		}
	}
	w.want()
	if len(w.state.Keys) != 1 {
		t.Errorf("%d keys are remembered", len(w.state.Keys))
	}
}

// TestCatchingUp reads a day at high speed after a pause of the whole installation: nobody was silent.
func TestCatchingUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for range 20 {
		w.minute("a", "b")
	}
	w.step(Signal{Tick: w.now.Add(30 * time.Hour)})
	for range 24 * 60 { // No tick comes between.
		for _, e := range []string{"a", "b"} {
			w.engine.Step(w.state, Signal{Rollup: &streams.Rollup{Stream: "web", Entity: e, Minute: w.now, Events: 60, Closed: true}})
		}
		w.now = w.now.Add(time.Minute)
	}
	w.step(Signal{Tick: w.now.Add(30*time.Hour + 10*time.Second)})
	w.want()
}

// TestManyKeys gives up the keys unheard for longest.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.see("first", severe)
	for n := range maxKeys + 10 {
		w.engine.Step(w.state, Signal{Rollup: &streams.Rollup{Stream: "web", Entity: fmt.Sprint(n), Minute: w.now, Events: 1}})
	}
	if n := len(w.state.Keys); n > maxKeys || n != len(w.state.byEntity) || w.state.Evicted != maxKeys/16 {
		t.Errorf("%d keys, %d indexed, %d given up", n, len(w.state.byEntity), w.state.Evicted)
	}
	if w.state.byEntity["first"] == nil || w.state.byEntity["0"] != nil {
		t.Error("the wrong keys were given up")
	}
}
