package sink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

// incident makes incident number i of a few streams, entities, kinds and states. It begins i minutes after epoch.
func incident(i int) streams.Incident {
	a := sample(i)
	out := streams.Incident{
		ID: a.ID, Revision: 1, Change: streams.ChangeOpened, Stream: a.Stream, Entity: a.Entity, Kind: []string{streams.KindModel, streams.KindRule, streams.KindSilent}[i/3%3],
		Status: []string{streams.StatusOpen, streams.StatusAcknowledged, streams.StatusResolved, streams.StatusRecovered}[i%4],
		Start:  a.Timestamp, Latest: a.Timestamp.Add(4 * time.Minute), Anomalies: int64(i), PeakScore: a.Score, PeakSeverity: float64(i%31) * 0.9,
		Features: []streams.IncidentFeature{}, Members: []streams.IncidentMember{}, Acts: []streams.IncidentAct{}, Sentence: "cpu_percent is high",
	}
	if !out.Open() {
		end := out.Start.Add(10 * time.Minute)
		out.End = &end
	}
	return out
}

// incidentRecords makes n incidents, each written a second after it began.
func incidentRecords(n int) []IncidentRecord {
	out := make([]IncidentRecord, n)
	for i := range out {
		x := incident(i)
		out[i] = NewIncidentRecord(&x, x.Start.Add(time.Second))
	}
	return out
}

func incidentPage(t testing.TB, s *Store, q streams.IncidentQuery) streams.IncidentPage {
	t.Helper()
	p, err := s.Incidents(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func readIncident(t *testing.T, s *Store, id string) streams.StoredIncident {
	t.Helper()
	got, err := s.Incident(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func testIncidentRoundTrip(t *testing.T, s *Store) {
	end, peak := epoch.Add(time.Hour), sample(7).Anomaly
	want := streams.Incident{
		ID: "s-0-1", Revision: 9, Change: streams.ChangeJudged, Stream: "s", Entity: "e", Kind: streams.KindModel, Status: streams.StatusResolved, Group: "group-1",
		Start: epoch, Latest: epoch.Add(time.Minute), End: &end, Anomalies: 12, PeakScore: 0.9, PeakSeverity: 1.0 / 3, PeakAlert: 7.5,
		Features: []streams.IncidentFeature{{Feature: "cpu_percent", Share: 0.1}}, Peak: &peak,
		Members:     []streams.IncidentMember{{Entity: "e", Incident: "s-0-1", Anomalies: 3, PeakAlert: 2.5, Open: true}},
		MemberCount: 34, EntityCount: 40, Flapping: true, Interval: 12.5, Sentence: "34 of 40 hosts, latency_ms first",
		Acts:    []streams.IncidentAct{{At: epoch.Add(time.Second), Who: "alice", Action: streams.ActionVerdict, Verdict: streams.VerdictReal, Comment: "it's real"}},
		Verdict: streams.VerdictReal, Replay: true, Suppressed: "window:backup",
	}
	// A member that is added to the vocabulary must be added to the table too.
	for v, i := reflect.ValueOf(want), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not part of the test", v.Type().Field(i).Name)
		}
	}
	if w := write(t, s, Batch{Incidents: []IncidentRecord{NewIncidentRecord(&want, epoch.Add(2*time.Hour))}}); w.Incidents != 1 {
		t.Errorf("written: %+v", w)
	}
	got := readIncident(t, s, want.ID)
	if diff := gocmp.Diff(want, got.Incident); diff != "" {
		t.Errorf("incident (-written +read):\n%s", diff)
	}
	if age := time.Since(got.UpdatedAt); age < -time.Minute || age > time.Minute || got.CreatedAt.After(got.UpdatedAt) {
		t.Errorf("created at %s, updated at %s", got.CreatedAt, got.UpdatedAt)
	}
	bare := incident(0)
	write(t, s, Batch{Incidents: []IncidentRecord{NewIncidentRecord(&bare, epoch)}})
	if diff := gocmp.Diff(bare, readIncident(t, s, bare.ID).Incident); diff != "" {
		t.Errorf("an open one without anything (-written +read):\n%s", diff)
	}
	if _, err := s.Incident(context.Background(), "nobody"); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("unknown id: got %v", err)
	}
}

// testIncidentRevisions writes an incident's life in every order: the newest revision wins, the first times stay.
func testIncidentRevisions(t *testing.T, s *Store) {
	at := func(minute int) time.Time { return epoch.Add(time.Duration(minute) * time.Minute) }
	end := at(9)
	revision := func(n int64, status string) IncidentRecord {
		i := incident(0)
		i.Revision, i.Status = n, status
		if n >= 3 {
			i.Acts = []streams.IncidentAct{{At: at(3), Who: "alice", Action: streams.ActionAcknowledge}}
		}
		if i.End = nil; !i.Open() {
			i.End = &end
		}
		return NewIncidentRecord(&i, at(int(n)))
	}
	life := []IncidentRecord{
		revision(1, streams.StatusOpen), revision(2, streams.StatusOpen), revision(3, streams.StatusAcknowledged),
		revision(4, streams.StatusRecovered), revision(5, streams.StatusRecovered),
	}
	check := func(name string) {
		t.Helper()
		got := readIncident(t, s, life[0].ID)
		if got.Revision != 5 || got.Status != streams.StatusRecovered || !got.OpenedAt.Equal(at(1)) || got.AcknowledgedAt == nil || !got.AcknowledgedAt.Equal(at(3)) || got.EndedAt == nil || !got.EndedAt.Equal(at(4)) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	write(t, s, Batch{Incidents: []IncidentRecord{life[1], life[0], life[2]}})
	first := readIncident(t, s, life[0].ID)
	if first.Revision != 3 || first.EndedAt != nil {
		t.Errorf("one batch: %+v", first)
	}
	write(t, s, Batch{Incidents: []IncidentRecord{life[3]}})
	write(t, s, Batch{Incidents: []IncidentRecord{life[4]}})
	check("one after the other")
	if w := write(t, s, Batch{Incidents: life}); w.Incidents != 0 {
		t.Errorf("written again: %+v", w)
	}
	if w := write(t, s, Batch{Incidents: life[:2]}); w.Incidents != 0 {
		t.Errorf("older ones: %+v", w)
	}
	check("after repetitions")
	if got := readIncident(t, s, life[0].ID); !got.CreatedAt.Equal(first.CreatedAt) || got.UpdatedAt.Before(first.UpdatedAt) {
		t.Errorf("created at %s, then %s; updated at %s, then %s", first.CreatedAt, got.CreatedAt, first.UpdatedAt, got.UpdatedAt)
	}
}

func testIncidentPages(t *testing.T, s *Store) {
	all := incidentRecords(100)
	for i := 40; i < 60; i++ {
		all[i].Start, all[i].PeakSeverity = all[40].Start, 7 // Ties in every order.
	}
	write(t, s, Batch{Incidents: all})
	for sort, order := range map[string]func(a, b streams.StoredIncident) int{
		"":                   func(a, b streams.StoredIncident) int { return b.Start.Compare(a.Start) },
		streams.SortNewest:   func(a, b streams.StoredIncident) int { return b.Start.Compare(a.Start) },
		streams.SortOldest:   func(a, b streams.StoredIncident) int { return a.Start.Compare(b.Start) },
		streams.SortSeverity: func(a, b streams.StoredIncident) int { return cmp.Compare(b.PeakSeverity, a.PeakSeverity) },
	} {
		var got []streams.StoredIncident
		for cursor := ""; ; {
			p := incidentPage(t, s, streams.IncidentQuery{Sort: sort, Limit: 7, Cursor: cursor})
			got = append(got, p.Items...)
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		seen := map[string]bool{}
		for i, x := range got {
			if seen[x.ID] {
				t.Errorf("sort %q: %s comes twice", sort, x.ID)
			}
			if seen[x.ID] = true; i > 0 && order(got[i-1], x) > 0 {
				t.Errorf("sort %q: row %d is out of order", sort, i)
			}
		}
		if len(got) != 100 {
			t.Errorf("sort %q: %d rows", sort, len(got))
		}
	}
	for _, bad := range []string{"x", "newest,", "newest,abc,id", "severity,1,id", "oldest,1,id"} {
		if _, err := s.Incidents(context.Background(), streams.IncidentQuery{Limit: 5, Cursor: bad}); !errors.Is(err, streams.ErrBadCursor) {
			t.Errorf("cursor %q: got %v", bad, err)
		}
	}
}

func testIncidentFilters(t *testing.T, s *Store) {
	all := incidentRecords(300)
	for i := range all {
		if i%10 == 0 {
			all[i].Group = "group-1"
		}
		if i%7 == 0 {
			all[i].Verdict = streams.VerdictNoise
		}
	}
	write(t, s, Batch{Incidents: all})
	from, to := epoch.Add(time.Hour), epoch.Add(2*time.Hour)
	for name, f := range map[string]struct {
		q    streams.IncidentQuery
		want func(*IncidentRecord) bool
	}{
		"stream":    {streams.IncidentQuery{Stream: "transactions"}, func(i *IncidentRecord) bool { return i.Stream == "transactions" }},
		"entity":    {streams.IncidentQuery{Stream: "transactions", Entity: "entity-3"}, func(i *IncidentRecord) bool { return i.Stream == "transactions" && i.Entity == "entity-3" }},
		"kind":      {streams.IncidentQuery{Kind: streams.KindSilent}, func(i *IncidentRecord) bool { return i.Kind == streams.KindSilent }},
		"lasting":   {streams.IncidentQuery{Status: []string{streams.StatusOpen, streams.StatusAcknowledged}}, func(i *IncidentRecord) bool { return i.Open() }},
		"open":      {streams.IncidentQuery{Status: []string{streams.StatusOpen}}, func(i *IncidentRecord) bool { return i.Status == streams.StatusOpen }},
		"ended":     {streams.IncidentQuery{Status: []string{streams.StatusResolved, streams.StatusRecovered}}, func(i *IncidentRecord) bool { return !i.Open() }},
		"verdict":   {streams.IncidentQuery{Verdict: streams.VerdictNoise}, func(i *IncidentRecord) bool { return i.Verdict == streams.VerdictNoise }},
		"group":     {streams.IncidentQuery{Group: "group-1"}, func(i *IncidentRecord) bool { return i.Group == "group-1" }},
		"top level": {streams.IncidentQuery{TopLevel: true}, func(i *IncidentRecord) bool { return i.Group == "" }},
		"severity":  {streams.IncidentQuery{MinSeverity: 9}, func(i *IncidentRecord) bool { return i.PeakSeverity >= 9 }},
		"from":      {streams.IncidentQuery{From: from}, func(i *IncidentRecord) bool { return i.End == nil || !i.End.Before(from) }},
		"to":        {streams.IncidentQuery{To: to}, func(i *IncidentRecord) bool { return i.Start.Before(to) }},
		"span": {streams.IncidentQuery{From: from, To: to}, func(i *IncidentRecord) bool {
			return i.Start.Before(to) && (i.End == nil || !i.End.Before(from))
		}},
		"injection": {streams.IncidentQuery{Stream: "' OR 1=1 --", Status: []string{"x') OR (1=1"}}, func(*IncidentRecord) bool { return false }},
	} {
		f.q.Limit = 1000
		var want, got []string
		for i := range all {
			if f.want(&all[i]) {
				want = append(want, all[i].ID)
			}
		}
		for _, i := range incidentPage(t, s, f.q).Items {
			got = append(got, i.ID)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || len(want) == len(all) {
			t.Errorf("filter %s: %d rows, want %d", name, len(got), len(want))
		}
	}
}

func testIncidentsSince(t *testing.T, s *Store) {
	ctx := context.Background()
	before := time.Now().Add(-time.Second)
	all := incidentRecords(50)
	write(t, s, Batch{Incidents: all})
	all[3].Revision++
	write(t, s, Batch{Incidents: []IncidentRecord{all[3]}})
	var got []string
	for at, id := before, ""; ; {
		rows, err := s.IncidentsSince(ctx, at, id, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range rows {
			got = append(got, fmt.Sprintf("%s@%d", i.ID, i.Revision))
			at, id = i.UpdatedAt, i.ID
		}
		if len(rows) < 7 {
			break
		}
	}
	if len(got) != 50 || got[49] != all[3].ID+"@2" {
		t.Errorf("%d rows: %v, want the one that changed last", len(got), got)
	}
}

// testIncidentAnomalies selects the anomalies of an incident, and of the members of a group, each in its own span.
func testIncidentAnomalies(t *testing.T, s *Store) {
	var anomalies []Emitted
	for i := range 60 { // Three entities of one stream, in turns, a minute apart.
		a := sample(3 * i)
		a.Entity, a.Timestamp = fmt.Sprintf("host-%d", i%3), epoch.Add(time.Duration(i)*time.Minute)
		anomalies = append(anomalies, a)
	}
	span := func(id, entity, group string, from, to int) IncidentRecord {
		i := incident(0)
		i.ID, i.Entity, i.Group = id, entity, group
		i.Start, i.Latest = epoch.Add(time.Duration(from)*time.Minute), epoch.Add(time.Duration(to)*time.Minute)
		return NewIncidentRecord(&i, epoch)
	}
	write(t, s, Batch{Anomalies: anomalies, Incidents: []IncidentRecord{span("one", "host-1", "", 10, 22), span("a", "host-0", "all", 30, 39), span("b", "host-2", "all", 32, 35), span("all", "", "", 30, 39)}})
	for id, want := range map[string]int{"one": 5, "all": 4 + 2, "b": 2, "nobody": 0} {
		if p := page(t, s, streams.AnomalyQuery{Stream: "server_metrics", Incident: id, Limit: 100, Count: true}); len(p.Items) != want || p.Total != int64(want) {
			t.Errorf("incident %s: %d anomalies, total %d, want %d", id, len(p.Items), p.Total, want)
		}
	}
}

func testIncidentRetention(t *testing.T, s *Store) {
	s.cfg.Retention = 30 * 24 * time.Hour
	now := epoch.Add(200 * 24 * time.Hour)
	old, fresh := incident(2), incident(3)
	fresh.End = &now
	long := verdict("long", streams.VerdictReal, epoch.Add(time.Hour))
	long.Until = now
	write(t, s, Batch{
		Incidents: []IncidentRecord{NewIncidentRecord(&old, epoch), NewIncidentRecord(&fresh, epoch)},
		Feedback:  []streams.Feedback{verdict("short", streams.VerdictReal, epoch), long},
	})
	if n, err := s.Retain(context.Background(), now); err != nil || n != 2 {
		t.Errorf("dropped %d, %v, want 2", n, err)
	}
	readIncident(t, s, fresh.ID)
	if p, err := s.Verdicts(context.Background(), streams.VerdictQuery{Limit: 5}); err != nil || len(p.Items) != 1 || p.Items[0].ID != "long" {
		t.Errorf("left: %+v, %v", p.Items, err)
	}
}
