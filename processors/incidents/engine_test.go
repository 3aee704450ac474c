package incidents

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

// TestBurst opens at the third anomaly, counts more of the same at its own pace and recovers without another anomaly.
func TestBurst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.minute("a", "b")
	w.see("a")
	w.minute("a", "b")
	w.see("a")
	w.want()
	third := w.see("a")
	if len(third) != 1 || third[0].ID != "web-0-1" || third[0].Anomalies != 3 || third[0].Revision != 1 || third[0].Status != streams.StatusOpen || !third[0].Start.Equal(start.Add(time.Minute)) {
		t.Fatalf("got %+v", third)
	}
	if diff := cmp.Diff([]streams.IncidentFeature{{Feature: "latency_ms", Share: 0.75}, {Feature: "cpu", Share: 0.25}}, third[0].Features); diff != "" {
		t.Error(diff)
	}
	for range 12 { // Told at 6 and at 12.
		w.see("a")
	}
	w.want("model opened a", "model extended a", "model extended a")
	for range 4 {
		w.minute("a", "b")
	}
	w.want()
	w.minute("a", "b")
	last := w.told[len(w.told)-1]
	w.want("model recovered a")
	if last.Anomalies != 15 || last.End == nil || !last.End.Equal(start.Add(7*time.Minute)) {
		t.Errorf("got %+v", last)
	}
	if want := "web/a behaves unusually: 15 anomalies in 60 s, mostly latency_ms (75 %). At the peak, latency_ms is 310, above the usual 48. Recovered after 6 min."; last.Sentence != want {
		t.Errorf("got  %s\nwant %s", last.Sentence, want)
	}
}

// TestRecoversWhenNothingComes closes by ticks what no event closes.
func TestRecoversWhenNothingComes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *streams.IncidentPolicy) { p.Silence = streams.SilenceOff })
	w.see("a", severe)
	w.want("model opened a")
	w.pass(4*time.Minute + 50*time.Second)
	w.want()
	w.pass(20 * time.Second)
	w.want("model recovered a")
	w.step(Signal{Tick: w.now.Add(48 * time.Hour)})
	w.see("a", severe)
	w.want("model opened a")
	w.step(Signal{Tick: w.now.Add(96 * time.Hour)}) // Nobody was there: that says nothing of the source.
	w.want()
}

// TestRollupsAhead keeps an incident open while anomalies that its rollups count are still to come, and for a minute at most.
func TestRollupsAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.see("a", severe)
	w.want("model opened a")
	w.counts["a"] += 2 // Two that come late.
	late := []*streams.Anomaly{w.anomaly("a"), w.anomaly("a")}
	w.now = w.now.Add(30 * time.Second)
	late[1].Timestamp = w.now
	for m := range 20 {
		r := &streams.Rollup{Stream: "web", Entity: "a", Minute: start.Add(time.Duration(m) * time.Minute), Events: 60, Closed: true}
		if m == 0 {
			r.Anomalies = 3
		}
		w.step(Signal{Rollup: r})
	}
	w.want()
	w.step(Signal{Anomaly: late[0]})
	w.want("model extended a")
	w.step(Signal{Anomaly: late[1]})
	w.want("model recovered a")
	w.step(Signal{Anomaly: late[1]})
	w.now = w.now.Add(time.Minute)
	w.see("a", severe) // It belongs to a time that has ended.
	w.want()

	w = newWorld(t, nil)
	w.see("a", severe)
	w.step(Signal{Tick: w.now})
	w.step(Signal{Rollup: &streams.Rollup{Stream: "web", Entity: "a", Minute: start, Events: 60, Anomalies: 2, Closed: true}})
	w.step(Signal{Rollup: &streams.Rollup{Stream: "web", Entity: "a", Minute: start.Add(20 * time.Minute), Events: 60}})
	w.want("model opened a")
	for m := range 7 {
		w.step(Signal{Tick: w.now.Add(time.Duration(m) * 10 * time.Second)})
	}
	w.want("model recovered a")
}

// TestRepetitions changes nothing by what was seen before, and goes on where a source has been made anew.
func TestRepetitions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var all []Signal
	for range 4 {
		w.now = w.now.Add(time.Second)
		all = append(all, Signal{Anomaly: w.anomaly("a")})
	}
	for range 3 {
		for _, s := range all {
			w.step(s)
		}
	}
	w.want("model opened a")
	if got := w.state.Keys[0].Burst.Incident.Anomalies; got != 4 {
		t.Errorf("%d anomalies, want 4", got)
	}
	w.offset, w.now = 0, w.now.Add(time.Second)
	w.see("a")
	if got := w.state.Keys[0].Burst.Incident.Anomalies; got != 5 {
		t.Errorf("%d anomalies, want 5", got)
	}
}

// TestWorse tells when the peak doubles, and of rules at once.
func TestWorse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.see("a", func(a *streams.Anomaly) { a.Kind = streams.KindRule })
	w.want("rule opened a")
	w.see("a", func(a *streams.Anomaly) { a.Severity = 3.9 })
	w.want("rule extended a")
	w.see("a", severe)
	w.want("rule worsened a")
}

// TestLength ends what lasts too long and goes on with a new incident.
func TestLength(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *streams.IncidentPolicy) { p.MaxLength = 10 * time.Minute })
	for range 25 {
		w.see("a", severe)
		w.minute("a")
	}
	opened, ended := 0, 0
	for _, i := range w.told {
		if i.Change == streams.ChangeOpened {
			opened++
		}
		if i.End != nil {
			ended++
			if i.End.Sub(i.Start) > 10*time.Minute {
				t.Errorf("an incident of %s", i.End.Sub(i.Start))
			}
		}
	}
	if opened != 3 || ended != 2 {
		t.Errorf("%d opened and %d ended, want 3 and 2", opened, ended)
	}

	at := slices.IndexFunc(w.told, func(i streams.Incident) bool { return i.End != nil })
	const ending = " It has lasted for 9 min, as long as an incident may; more of it is a new one."
	outlasted := w.told[at]
	if outlasted.Change != streams.ChangeOutlasted || outlasted.Status != streams.StatusRecovered || !strings.HasSuffix(outlasted.Sentence, ending) {
		t.Errorf("it ended as %s, %s: %s", outlasted.Change, outlasted.Status, outlasted.Sentence)
	}
	for _, i := range w.step(Signal{Feedback: &streams.Feedback{ID: "f", Stream: "web", Incident: outlasted.ID, Action: streams.ActionComment, Comment: "so it is"}}) {
		if i.Change != streams.ChangeCommented || i.Sentence != outlasted.Sentence {
			t.Errorf("%s, a comment on it made %s", i.Change, i.Sentence)
		}
	}
}

// TestGroupAfterFalseAlarm groups by when incidents opened: a false alarm shortly before a common fault, which becomes the first anomaly
// of its host's incident, keeps nobody out.
func TestGroupAfterFalseAlarm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *streams.IncidentPolicy) { p.GroupSpan = 20 * time.Second })
	w.minute("a", "b", "c")
	w.see("a")
	w.pass(30 * time.Second)
	for _, host := range []string{"a", "b", "c"} {
		w.see(host, severe)
	}
	if a := w.told[0]; a.Anomalies != 2 || w.now.Sub(a.Start) != 30*time.Second {
		t.Fatalf("the incident of a has %d anomalies since %s, want the one before too", a.Anomalies, a.Start)
	}
	if group := w.state.Groups[0]; len(group.Members) != 3 || group.Incident.Start != w.told[0].Start {
		t.Errorf("the group has the members %+v since %s", group.Members, group.Incident.Start)
	}
	w.want("model opened a", "model opened b", "model opened c", "group opened", "model joined a", "model joined b")
}

// TestPeak takes for the peak what breaks a rule, then what is most severe: not the rarest, which may be the return to normal.
func TestPeak(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *streams.IncidentPolicy) { p.GroupMin = 2 })
	is := func(kind string, severity, alert float64) func(*streams.Anomaly) {
		return func(a *streams.Anomaly) { a.Kind, a.Severity, a.AlertScore = kind, severity, alert }
	}
	peak := func(b *burst, severity, alert float64) {
		t.Helper()
		if i := b.Incident; i.Peak.Severity != severity || i.PeakAlert != alert {
			t.Errorf("the peak of %s has the severity %g, its highest alert score is %g, want %g and %g", i.ID, i.Peak.Severity, i.PeakAlert, severity, alert)
		}
	}
	w.see("a", is(streams.KindModel, 11, 5))
	w.see("a", is(streams.KindModel, 3, 12))
	peak(w.state.byEntity["a"].Burst, 11, 12)
	w.see("b", is(streams.KindRule, 9, 4))
	w.see("b", is(streams.KindModel, 12, 13))
	peak(w.state.byEntity["b"].Burst, 9, 13)
	peak(w.state.Groups[0], 9, 13)
}

// TestFlapping keeps the fourth incident of two hours open for four times as long.
func TestFlapping(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for range 12 {
		w.see("a", severe)
		for range 8 {
			w.minute("a")
		}
	}
	opened := 0
	for _, i := range w.told {
		if i.Change == streams.ChangeOpened {
			opened++
			if i.Flapping != (opened == 4) {
				t.Errorf("incident %d: flapping %v", opened, i.Flapping)
			}
		}
	}
	if opened != 4 {
		t.Errorf("%d incidents, want 4", opened)
	}
	for range 25 {
		w.minute("a")
	}
	if i := w.told[len(w.told)-1]; i.Change != streams.ChangeRecovered || !strings.Contains(i.Sentence, "It comes and goes.") {
		t.Errorf("got %+v", i)
	}
}

// TestSlowSource lets a source of an event every ten minutes be quiet for as many events as others.
func TestSlowSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(p *streams.IncidentPolicy) { p.Silence = streams.SilenceOff })
	event := func(anomalous bool) {
		n := int64(0)
		if anomalous {
			n = 1
			w.step(Signal{Anomaly: w.anomaly("a")})
		}
		w.step(Signal{Rollup: &streams.Rollup{Stream: "web", Entity: "a", Minute: w.now, Events: 1, Anomalies: n, Closed: true}})
		w.pass(10 * time.Minute)
	}
	for range 4 {
		event(false)
	}
	for range 3 {
		event(true)
		event(false)
	}
	w.want("model opened a")
	for range 5 {
		event(false)
	}
	w.want("model recovered a")
}

// TestMarks says which incidents notify nobody.
func TestMarks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	replay := func(a *streams.Anomaly) { a.Replay = true; severe(a) }
	suppressed := func(a *streams.Anomaly) { a.Suppressed = "window night"; severe(a) }
	a, b := w.see("a", replay)[0], w.see("b", suppressed)[0]
	if !a.Replay || a.Suppressed != "" || b.Replay || b.Suppressed != "window night" {
		t.Errorf("got %+v and %+v", a, b)
	}
	w.see("a", replay)
	w.see("a")
	w.see("b")
	w.want("model opened a", "model opened b", "model extended a", "model worsened a", "model worsened b")
	for _, k := range w.state.Keys {
		if i := k.Burst.Incident; i.Replay || i.Suppressed != "" {
			t.Errorf("got %+v", i)
		}
	}
}

// TestGroup makes one incident of many, and ends it with the last.
func TestGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var hosts []string
	for n := range 40 {
		hosts = append(hosts, fmt.Sprintf("host-%02d", n))
	}
	w.minute(hosts...)
	w.want()
	for _, h := range hosts[:34] {
		w.see(h, severe)
	}
	var top []streams.Incident
	for _, i := range w.told {
		if i.Group == "" && i.Change != streams.ChangeJoined {
			top = append(top, i)
		}
	}
	var got []string
	for _, i := range top {
		got = append(got, fmt.Sprintf("%s %s %s %d", i.Kind, i.Change, i.Entity, i.MemberCount))
	}
	want := []string{"model opened host-00 0", "model opened host-01 0", "group opened  3", "group worsened  6", "group worsened  12", "group worsened  24"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	w.told = nil
	for m := range 8 { // Host 0 goes on for three minutes.
		if m < 3 {
			w.see(hosts[0])
		}
		w.minute(hosts...)
	}
	last := w.told[len(w.told)-1]
	ends := 0
	for _, i := range w.told {
		if i.End != nil {
			ends++
		}
	}
	if ends != 35 || last.Kind != streams.KindGroup || last.Change != streams.ChangeRecovered || !last.End.Equal(start.Add(8*time.Minute)) {
		t.Errorf("%d ended, the last is %+v", ends, last)
	}
	if want := "34 of 40 entities of web are in trouble at the same time: 37 anomalies in 2 min, mostly latency_ms (75 %). At the peak (host-00), latency_ms is 310, above the usual 48. Recovered after 7 min."; last.Sentence != want {
		t.Errorf("got  %s\nwant %s", last.Sentence, want)
	}
	if last.Anomalies != 37 || len(last.Members) != 34 || last.EntityCount != 40 || slices.ContainsFunc(last.Members, func(m streams.IncidentMember) bool { return m.Open || m.Anomalies == 0 }) {
		t.Errorf("got %+v", last)
	}
	if len(w.state.Groups) != 0 {
		t.Error("the group lasts")
	}
	// With the next tick the group told of all who had joined since it worsened, and before it ended who of it went on: all others
	// had ended at once.
	var open []int
	for _, i := range w.told {
		if i.Kind == streams.KindGroup && i.Change == streams.ChangeExtended {
			open = append(open, len(slices.DeleteFunc(slices.Clone(i.Members), func(m streams.IncidentMember) bool { return !m.Open })))
		}
	}
	if want := []int{34, 34, 34, 1}; !slices.Equal(open, want) {
		t.Errorf("members that went on, by revision: %v, want %v", open, want)
	}
}
