package incidents

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

var start = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// world is a stream whose detectors and ticks are made by hand. Now and then the state is saved and restored, so that every test is
// one of the format too.
type world struct {
	t      *testing.T
	engine *Engine
	state  *State
	now    time.Time // The manual clock.
	offset int64
	steps  int
	told   []streams.Incident
	counts map[string]int64 // Anomalies of the minute, by entity.

	windows []streams.OpenWindow // That ticks tell of.
}

func newWorld(t *testing.T, change func(*streams.IncidentPolicy)) *world {
	t.Helper()
	d := streams.DefaultDefinition("web")
	d.Incidents.Quiet, d.Incidents.OpenAlert = 5*time.Minute, 4
	if change != nil {
		change(&d.Incidents)
	}
	engine, err := New(&d)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, engine: engine, state: NewState(), now: start, counts: map[string]int64{}}
}

func (w *world) step(s Signal) []streams.Incident {
	w.t.Helper()
	got := w.engine.Step(w.state, s)
	w.told = append(w.told, got...)
	if w.steps++; w.steps%23 != 0 {
		return got
	}
	saved := w.state.Append(nil)
	again, err := Restore(saved)
	if err != nil {
		w.t.Fatal(err)
	}
	if !bytes.Equal(saved, again.Append(nil)) {
		w.t.Fatal("a restored state is saved differently")
	}
	w.state = again
	return got
}

// anomaly is one of an entity at the clock's time.
func (w *world) anomaly(entity string, change ...func(*streams.Anomaly)) *streams.Anomaly {
	w.offset++
	a := &streams.Anomaly{
		Stream: "web", Entity: entity, Timestamp: w.now, Kind: streams.KindModel, Score: 0.7, Severity: 2, AlertScore: 2.5,
		Why: streams.Explanation{
			Sentence:      "latency_ms is 310, above the usual 48.",
			Contributions: []streams.Contribution{{Feature: "latency_ms", Share: 0.75}, {Feature: "cpu", Share: 0.25}},
		},
		Source: streams.Position{Topic: "web", Offset: w.offset},
	}
	a.ID = a.Source.AnomalyID("web")
	for _, c := range change {
		c(a)
	}
	return a
}

// see lets an entity have an anomaly now.
func (w *world) see(entity string, change ...func(*streams.Anomaly)) []streams.Incident {
	w.t.Helper()
	w.counts[entity]++
	return w.step(Signal{Anomaly: w.anomaly(entity, change...)})
}

// minute lets a minute pass in which entities send an event each second: their rollups come with every tick, and closed at the
// end.
func (w *world) minute(entities ...string) {
	w.t.Helper()
	minute := w.now.Truncate(time.Minute)
	for n := range 6 {
		w.pass(TickEvery)
		for _, e := range entities {
			w.step(Signal{Rollup: &streams.Rollup{Stream: "web", Entity: e, Minute: minute, Events: int64(10 * (n + 1)), Anomalies: w.counts[e], Closed: n == 5}})
		}
	}
	for _, e := range entities {
		delete(w.counts, e)
	}
}

// pass lets time pass, with ticks.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(TickEvery)
		w.step(Signal{Tick: w.now.Add(3 * time.Hour), Windows: w.windows}) // The clock of the machine is another than that of the events.
	}
}

// changes lists what was told as "kind change status entity".
func (w *world) changes() (out []string) {
	for _, i := range w.told {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", i.Kind, i.Change, i.Entity)))
	}
	w.told = nil
	return out
}

func (w *world) want(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.changes()); diff != "" {
		w.t.Fatalf("(-want +got)\n%s", diff)
	}
}

func severe(a *streams.Anomaly) { a.AlertScore, a.Severity = 9, 9 }
