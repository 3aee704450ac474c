package processors

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

// TestRealTroubleThatLasts: a verdict given while the incident lasts goes on with its anomalies until it was quiet, over a fit,
// and a restart changes nothing.
func TestRealTroubleThatLasts(t *testing.T) {
	t.Parallel()
	for name, change := range waysToLearn {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := testDefinition(change)
			for i := range d.Features {
				d.Features[i].Transforms = []string{"value"} // What comes after trouble is no anomaly.
			}
			e := newTestEngine(t, d)
			s, g := livedOn(t, e, 1190)
			var twin *State
			next := func(odd bool) {
				t.Helper()
				ev := g.next()
				ev.Values = []float64{10, 5, 1}
				if odd {
					ev.Values = []float64{40, 40, 1}
				}
				r := step(t, e, s, ev)
				if odd != (r.Anomaly != nil) {
					t.Fatalf("event %d: an anomaly is %v", ev.Source.Offset, !odd)
				}
				if twin == nil {
					return
				}
				if diff := cmp.Diff(r.Anomaly, step(t, e, twin, ev).Anomaly); diff != "" {
					t.Fatalf("event %d differs after a restart:\n%s", ev.Source.Offset, diff)
				}
				if twin = restored(t, e, twin); !bytes.Equal(e.AppendState(nil, s), e.AppendState(nil, twin)) {
					t.Fatalf("event %d: the states differ after restarts", ev.Source.Offset)
				}
			}
			end := func(want int64) {
				t.Helper()
				if got := s.verdict("v").to; !got.Equal(at(want)) {
					t.Fatalf("the trouble ends at %v, want %v", got, at(want))
				}
				for _, n := range s.training(nil) {
					if n >= 1190 && n <= want {
						t.Fatalf("row %d of the trouble is in the training", n)
					}
				}
			}
			for range 4 {
				next(true)
			}
			v := said("v", streams.VerdictReal, 1190, 1193)
			v.Lasting = true
			if !e.Instruct(s, v) {
				t.Fatal("the verdict was not taken")
			}
			twin = restored(t, e, s)
			for s.seen < 1215 { // There is a fit at 1200.
				next(false)
			}
			end(1193)
			before := s.generation
			next(true)
			end(1215)
			if s.generation != before+1 {
				t.Errorf("got generation %d after %d: the models rest on rows that are trouble now", s.generation, before)
			}
			next(true)
			if s.generation != before+1 {
				t.Errorf("got generation %d: nothing was learned of the row after", s.generation)
			}
			for s.seen < 1230 {
				next(false)
			}
			next(true)
			end(1230)
			for s.seen < 1340 { // Quiet are ten minutes, of 7 seconds an event.
				next(false)
			}
			next(true)
			end(1230)
			if s.verdict("v").lasting {
				t.Error("it goes on after a quiet time")
			}
		})
	}
}

// TestSlowTroubleLasts: where events are farther apart than what counts as quiet, five of them without an anomaly end it, and the
// longest that an incident may be ends it in any case.
func TestSlowTroubleLasts(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(func(d *streams.Definition) { d.Incidents.Quiet = time.Second }))
	for to, want := range map[int64]bool{295: true, 294: false} { // The next event has the number 300.
		s := lived(t, e, 300)
		v := said("v", streams.VerdictReal, 290, to)
		v.Lasting = true
		e.Instruct(s, v)
		s.prolong(at(300), &e.def.Incidents)
		if got := s.verdict("v"); got.lasting != want || got.to.Equal(at(300)) != want {
			t.Errorf("after %d quiet events it lasts: %v, and ends at %v", 299-to, got.lasting, got.to)
		}
	}
	s := lived(t, e, 300)
	v := said("v", streams.VerdictReal, 200, 299)
	v.Lasting = true
	e.Instruct(s, v)
	policy := e.def.Incidents
	policy.MaxLength = 600 * time.Second
	if s.prolong(at(300), &policy); s.verdict("v").lasting {
		t.Error("it lasts for longer than an incident may")
	}
	s = lived(t, e, 300)
	v = said("v", streams.VerdictReal, 100, 149)
	v.Lasting = true
	e.Instruct(s, v)
	policy.Quiet, policy.MaxLength = time.Hour, 24*time.Hour
	s.prolong(at(249), &policy)
	if got := s.verdict("v"); !got.lasting || !got.to.Equal(at(249)) {
		t.Errorf("half of the rows: it lasts: %v, and ends at %v", got.lasting, got.to)
	}
	s.prolong(at(250), &policy)
	if got := s.verdict("v"); got.lasting || !got.to.Equal(at(249)) {
		t.Errorf("more than half of the rows: it lasts: %v, and ends at %v", got.lasting, got.to)
	}
}
