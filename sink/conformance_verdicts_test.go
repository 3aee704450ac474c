package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"anomalystream/streams"
)

// verdict makes a verdict given at a time, about an anomaly of its own.
func verdict(id, verdict string, at time.Time) streams.Feedback {
	return streams.Feedback{
		ID: id, Action: streams.ActionVerdict, Verdict: verdict, Stream: "server_metrics", Entity: "a", Anomaly: "anomaly-of-" + id,
		From: epoch, To: epoch.Add(time.Minute), Features: map[string]float64{"cpu_percent": 1.0 / 3}, Guilty: []string{"cpu_percent"},
		Until: epoch.Add(time.Hour), Who: "alice", Comment: "as every Monday", At: at,
	}
}

func withdrawal(of string, at time.Time) streams.Feedback {
	return streams.Feedback{ID: "no-" + of, Action: streams.ActionWithdraw, Stream: "server_metrics", Entity: "a", Withdraw: of, Who: "bob", At: at}
}

func testVerdicts(t *testing.T, s *Store) {
	ctx := context.Background()
	whole := verdict("whole", streams.VerdictExpected, epoch.Add(3*time.Second))
	whole.Incident, whole.PartOf = "incident-1", "group-verdict"
	over := verdict("over", streams.VerdictNoise, epoch.Add(2*time.Second))
	over.Until = epoch.Add(-time.Minute)
	other := verdict("other", streams.VerdictReal, epoch) // Its stream has no rollups: no clock.
	other.Stream, other.Until = "transactions", epoch.Add(-time.Hour)
	// The withdrawal comes first, from another sink; another one comes twice.
	write(t, s, Batch{Feedback: []streams.Feedback{withdrawal("gone", epoch.Add(time.Minute))}, Rollups: []streams.Rollup{rollup("a", 1, 5), rollup("b", 0, 5)}})
	again := withdrawal("gone", epoch.Add(time.Hour))
	again.ID, again.Who = "no-gone-2", "carol"
	member := incident(0)
	member.ID, member.Group = "incident-1", "group-1"
	write(t, s, Batch{Incidents: []IncidentRecord{NewIncidentRecord(&member, epoch)}})
	batch := Batch{Feedback: []streams.Feedback{whole, over, other, again, verdict("gone", streams.VerdictReal, epoch.Add(time.Second)), {ID: "ack", Action: streams.ActionAcknowledge, Stream: "server_metrics", Incident: "incident-1", At: epoch}}}
	if w := write(t, s, batch); w.Feedback != 6 {
		t.Errorf("written: %+v", w)
	}
	if w := write(t, s, batch); w.Feedback != 0 {
		t.Errorf("written again: %+v", w)
	}
	at := epoch.Add(time.Minute)
	want := []streams.StoredVerdict{
		{Feedback: whole, State: streams.VerdictInForce},
		{Feedback: over, State: streams.VerdictExpired},
		{Feedback: verdict("gone", streams.VerdictReal, epoch.Add(time.Second)), State: streams.VerdictWithdrawn, WithdrawnBy: "bob", WithdrawnAt: &at},
		{Feedback: other, State: streams.VerdictInForce},
	}
	for name, c := range map[string]struct {
		q    streams.VerdictQuery
		want []streams.StoredVerdict
	}{
		"all":       {streams.VerdictQuery{}, want},
		"stream":    {streams.VerdictQuery{Stream: "transactions"}, want[3:]},
		"in force":  {streams.VerdictQuery{State: streams.VerdictInForce}, []streams.StoredVerdict{want[0], want[3]}},
		"expired":   {streams.VerdictQuery{State: streams.VerdictExpired}, want[1:2]},
		"withdrawn": {streams.VerdictQuery{State: streams.VerdictWithdrawn, Stream: "server_metrics"}, want[2:3]},
		"verdict":   {streams.VerdictQuery{Verdict: streams.VerdictNoise}, want[1:2]},
		"incident":  {streams.VerdictQuery{Incident: "incident-1"}, want[:1]},
		"anomaly":   {streams.VerdictQuery{Anomaly: "anomaly-of-over"}, want[1:2]},
		"peak":      {streams.VerdictQuery{Anomaly: "anomaly-of-whole"}, nil},
		"members":   {streams.VerdictQuery{Group: "group-1"}, want[:1]},
		"parts":     {streams.VerdictQuery{PartOf: "group-verdict"}, want[:1]},
		"top level": {streams.VerdictQuery{TopLevel: true}, want[1:]},
	} {
		c.q.Limit = 10
		p, err := s.Verdicts(ctx, c.q)
		if diff := gocmp.Diff(c.want, p.Items, cmpopts.EquateEmpty()); err != nil || diff != "" || p.Next != "" {
			t.Errorf("%s: %v, next %q (-want +got):\n%s", name, err, p.Next, diff)
		}
	}
	if got, err := s.Verdict(ctx, "gone"); err != nil || got.WithdrawnBy != "bob" {
		t.Errorf("one: %+v, %v", got, err)
	}
	for _, id := range []string{"nobody", "ack", "no-gone"} {
		if _, err := s.Verdict(ctx, id); !errors.Is(err, streams.ErrNotFound) {
			t.Errorf("%s: got %v", id, err)
		}
	}
}

func testVerdictPages(t *testing.T, s *Store) {
	var b Batch
	for i := range 50 { // Ten at the same time.
		b.Feedback = append(b.Feedback, verdict(fmt.Sprintf("v-%02d", i), streams.VerdictReal, epoch.Add(time.Duration(i/10)*time.Second)))
	}
	write(t, s, b)
	var got []string
	for cursor := ""; ; {
		p, err := s.Verdicts(context.Background(), streams.VerdictQuery{Limit: 7, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range p.Items {
			got = append(got, v.ID)
		}
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	if !slices.IsSortedFunc(got, func(a, b string) int { return cmp.Compare(b, a) }) || len(slices.Compact(got)) != 50 {
		t.Errorf("%d: %v", len(got), got)
	}
	if _, err := s.Verdicts(context.Background(), streams.VerdictQuery{Limit: 7, Cursor: "oldest,1,x"}); !errors.Is(err, streams.ErrBadCursor) {
		t.Errorf("bad cursor: got %v", err)
	}
}

// testPrecision counts what people judged: withdrawn verdicts not at all, a group once.
func testPrecision(t *testing.T, s *Store) {
	part := verdict("part", streams.VerdictReal, epoch)
	part.PartOf = "real-1"
	silent := verdict("silent", streams.VerdictNoise, epoch)
	silent.Stream = "silent"
	write(t, s, Batch{Anomalies: samples(3), Feedback: []streams.Feedback{
		verdict("real-1", streams.VerdictReal, epoch), verdict("real-2", streams.VerdictReal, epoch), verdict("real-3", streams.VerdictReal, epoch), part, silent,
		verdict("noise", streams.VerdictNoise, epoch), verdict("expected", streams.VerdictExpected, epoch), withdrawal("real-3", epoch), withdrawal("nobody", epoch),
	}})
	stats, err := s.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]streams.VerdictCounts{}
	for _, st := range stats {
		got[st.Stream] = st.Verdicts
	}
	want := map[string]streams.VerdictCounts{"server_metrics": {Real: 2, Expected: 1, Noise: 1}, "silent": {Noise: 1}, "transactions": {}, "iot_sensors": {}}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	if p, ok := got["server_metrics"].Precision(); !ok || p != 0.5 {
		t.Errorf("precision %v, %v", p, ok)
	}
	if _, ok := got["transactions"].Precision(); ok {
		t.Error("a precision without verdicts")
	}
}

// testIncidentVerdicts says things about an incident whose record never learns of it.
func testIncidentVerdicts(t *testing.T, s *Store) {
	said := func(id, verdictOf string, second int) streams.Feedback {
		f := verdict(id, verdictOf, epoch.Add(time.Duration(second)*time.Second))
		f.Incident = incident(0).ID
		return f
	}
	record := func(revision int64, verdictOf string) Batch {
		i := incident(0)
		i.Revision, i.Verdict = revision, verdictOf
		i.Acts = []streams.IncidentAct{{At: epoch.Add(time.Second), Who: "alice", Action: streams.ActionVerdict, Verdict: streams.VerdictReal, Comment: "as every Monday"}}
		return Batch{Incidents: []IncidentRecord{NewIncidentRecord(&i, epoch)}}
	}
	gone := withdrawal("v-2", epoch.Add(4*time.Second))
	gone.Incident = incident(0).ID
	comment := streams.Feedback{ID: "c", Action: streams.ActionComment, Stream: "server_metrics", Incident: incident(0).ID, Who: "bob", Comment: "it was the disk", At: epoch.Add(3 * time.Second)}
	for k, step := range []struct {
		batch Batch
		want  string
		acts  int
	}{
		{record(1, streams.VerdictNoise), streams.VerdictNoise, 1},                                                 // Nothing was stored of what was said.
		{Batch{Feedback: []streams.Feedback{said("v-1", streams.VerdictReal, 1)}}, streams.VerdictReal, 1},         // The record has this act.
		{record(2, ""), streams.VerdictReal, 1},                                                                    // The record knows nothing.
		{Batch{Feedback: []streams.Feedback{said("v-2", streams.VerdictExpected, 2)}}, streams.VerdictExpected, 2}, // The newest counts.
		{Batch{Feedback: []streams.Feedback{said("v-0", streams.VerdictNoise, 0)}}, streams.VerdictExpected, 3},
		{Batch{Feedback: []streams.Feedback{gone, comment}}, streams.VerdictReal, 5},
	} {
		write(t, s, step.batch)
		got := readIncident(t, s, incident(0).ID)
		if got.Verdict != step.want || len(got.Acts) != step.acts || !slices.IsSortedFunc(got.Acts, func(a, b streams.IncidentAct) int { return a.At.Compare(b.At) }) {
			t.Errorf("step %d: verdict %q, want %q; %d acts, want %d: %+v", k, got.Verdict, step.want, len(got.Acts), step.acts, got.Acts)
		}
		if p := incidentPage(t, s, streams.IncidentQuery{Verdict: step.want, Limit: 5}); len(p.Items) != 1 {
			t.Errorf("step %d: %d incidents were judged %q", k, len(p.Items), step.want)
		}
	}
	// What was said is stored before the incident.
	f := said("v-9", streams.VerdictReal, 9)
	other := incident(3)
	f.Incident = other.ID
	write(t, s, Batch{Feedback: []streams.Feedback{f}})
	write(t, s, Batch{Incidents: []IncidentRecord{NewIncidentRecord(&other, epoch)}})
	if got := readIncident(t, s, other.ID); got.Verdict != streams.VerdictReal {
		t.Errorf("judged before it was stored: %q", got.Verdict)
	}
}
