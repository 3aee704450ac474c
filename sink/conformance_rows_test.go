package sink

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"anomalystream/streams"
)

func testDelete(t *testing.T, s *Store) {
	ctx := context.Background()
	write(t, s, Batch{Anomalies: samples(3)})
	id := sample(1).ID
	if err := s.Delete(ctx, id, "alice"); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, id, "bob"); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("deleting twice: got %v", err)
	}
	if err := s.Record(ctx, streams.Audit{Who: "carol", Action: "stream.rate", Object: "transactions", Detail: "0.01 to 0.02"}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Audits(ctx, 10)
	if err != nil {
		t.Fatal(err)
	}
	want := []streams.Audit{
		{Who: "carol", Action: "stream.rate", Object: "transactions", Detail: "0.01 to 0.02"},
		{Who: "alice", Action: "anomaly.delete", Object: id, Detail: "transactions/entity-1"},
	}
	if diff := gocmp.Diff(want, got, cmpopts.IgnoreFields(streams.Audit{}, "At")); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	// The record comes again, from a redelivery or a replay of the topic: what a person deleted stays deleted.
	if w := write(t, s, Batch{Anomalies: samples(4)}); w.Anomalies != 1 {
		t.Errorf("%d new rows, want 1", w.Anomalies)
	}
	if p := page(t, s, streams.AnomalyQuery{Limit: 10, Count: true}); len(p.Items) != 3 || p.Total != 3 {
		t.Errorf("%d rows are left, total %d, want 3", len(p.Items), p.Total)
	}
	if _, err := s.Anomaly(ctx, id); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("the deleted anomaly: got %v", err)
	}
}

func testStats(t *testing.T, s *Store) {
	all := samples(90)
	write(t, s, Batch{Anomalies: all})
	got, err := s.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 {
		t.Fatalf("%d streams, want 3", len(got))
	}
	for _, st := range got {
		var n int64
		var sum, top float64
		var last streams.Anomaly
		for i := range all {
			if a := all[i].Anomaly; a.Stream == st.Stream {
				n++
				sum, top, last = sum+a.Score, max(top, a.Score), a
			}
		}
		if st.Anomalies != n || math.Abs(st.MeanScore-sum/float64(n)) > 1e-12 || st.MaxScore != top || st.LastAnomaly == nil || st.LastAnomaly.ID != last.ID {
			t.Errorf("stats: %+v", st)
		}
	}
}

func rollup(entity string, minute int, events int64) streams.Rollup {
	p := 0.42
	return streams.Rollup{
		Stream: "server_metrics", Entity: entity, Minute: epoch.Add(time.Duration(minute) * time.Minute), Events: events, Scored: events,
		ScoreP50: &p, ScoreP95: &p, ScoreP99: &p, ScoreMax: &p, Requested: 0.01, Realised: 0.02, Features: []streams.FeatureRollup{{Name: "cpu_percent", Min: 1, Mean: 2, Max: 3}},
	}
}

func testRollups(t *testing.T, s *Store) {
	ctx := context.Background()
	write(t, s, Batch{Rollups: []streams.Rollup{rollup("a", 0, 5), rollup("a", 1, 3), rollup("b", 0, 9), rollup("a", 0, 7)}})
	write(t, s, Batch{Rollups: []streams.Rollup{rollup("a", 1, 8), rollup("a", 0, 2)}}) // The second is an older record, read again.
	got, err := s.Rollups(ctx, streams.RollupQuery{Stream: "server_metrics", Entities: true, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff([]streams.Rollup{rollup("a", 0, 7), rollup("b", 0, 9), rollup("a", 1, 8)}, got); diff != "" {
		t.Errorf("rollups (-want +got):\n%s", diff)
	}
	closed, open := rollup("a", 1, 8), rollup("a", 1, 8)
	closed.Closed = true
	write(t, s, Batch{Rollups: []streams.Rollup{closed}})
	write(t, s, Batch{Rollups: []streams.Rollup{open}}) // As many events, from before it was closed.
	got, err = s.Rollups(ctx, streams.RollupQuery{Stream: "server_metrics", Entity: "a", From: epoch.Add(time.Minute), Limit: 1})
	if err != nil || len(got) != 1 || got[0].Events != 8 || !got[0].Closed {
		t.Errorf("newest of a: %+v, %v", got, err)
	}
}

func testDetectors(t *testing.T, s *Store) {
	at := epoch
	status := func(seen int64, when time.Time) streams.DetectorStatus {
		return streams.DetectorStatus{Stream: "s", Entity: "e", Phase: streams.PhaseReady, Seen: seen, LastEvent: at, CheckpointAt: when}
	}
	write(t, s, Batch{Detectors: []streams.DetectorStatus{status(1, at), status(2, at.Add(time.Second))}})
	write(t, s, Batch{Detectors: []streams.DetectorStatus{status(1, at)}})
	var seen int64
	if err := s.db.QueryRow("SELECT seen FROM detectors WHERE stream = 's'").Scan(&seen); err != nil || seen != 2 {
		t.Errorf("seen is %d, want 2 (%v)", seen, err)
	}
	write(t, s, Batch{Letters: []streams.DeadLetter{{Stream: "s", Source: streams.Position{Topic: "s", Offset: 3}, Code: streams.CodeNotJSON, Reason: "no JSON"}, {Stream: "s", Source: streams.Position{Topic: "s", Offset: 3}, Code: streams.CodeNotJSON}}})
	if err := s.db.QueryRow("SELECT count(*) FROM dead_letters").Scan(&seen); err != nil || seen != 1 {
		t.Errorf("%d dead letters, want 1 (%v)", seen, err)
	}
}

func testHostile(t *testing.T, s *Store) {
	names := []string{`'; DROP TABLE anomalies; --`, `"quoted"`, `a\b`, "emoji \U0001f600", "\u202eright to left", strings.Repeat("x", 255), "tab\tnewline\n", "%_*?"}
	for i, name := range names {
		a := sample(i)
		a.Stream, a.Entity, a.ID = name, name, a.Source.AnomalyID(name)
		a.Why.Sentence = name
		write(t, s, Batch{Anomalies: []Emitted{a}})
		p := page(t, s, streams.AnomalyQuery{Stream: name, Entity: name, Limit: 5})
		if len(p.Items) != 1 || p.Items[0].Entity != name || p.Items[0].Why.Sentence != name {
			t.Errorf("name %q: %+v", name, p.Items)
		}
	}
}

func testTimes(t *testing.T, s *Store) {
	for i, at := range []time.Time{time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC), time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)} {
		a := sample(i)
		a.Timestamp = at
		write(t, s, Batch{Anomalies: []Emitted{a}})
		got, err := s.Anomaly(context.Background(), a.ID)
		if err != nil || !got.Timestamp.Equal(at) {
			t.Errorf("time %s: got %s, %v", at, got.Timestamp, err)
		}
	}
	if p := page(t, s, streams.AnomalyQuery{Sort: streams.SortOldest, Limit: 2}); len(p.Items) != 2 || p.Items[0].Timestamp.Year() != 1 {
		t.Errorf("oldest first: %+v", p.Items)
	}
}

func testLarge(t *testing.T, s *Store) {
	a := sample(1)
	a.Features = map[string]float64{}
	for i := range 30000 {
		a.Features[fmt.Sprintf("feature with a long name, number %d", i)] = float64(i) / 7
	}
	write(t, s, Batch{Anomalies: []Emitted{a}})
	got, err := s.Anomaly(context.Background(), a.ID)
	if err != nil || len(got.Features) != 30000 {
		t.Errorf("%d features, %v", len(got.Features), err)
	}
}

func testRetention(t *testing.T, s *Store) {
	s.cfg.Retention = 30 * 24 * time.Hour
	now := epoch.Add(200 * 24 * time.Hour)
	old, fresh := sample(1), sample(2)
	fresh.Timestamp, fresh.Stream = now, old.Stream
	ancient := sample(4)
	ancient.Timestamp, ancient.Stream = time.Date(1850, 1, 1, 0, 0, 0, 0, time.UTC), old.Stream
	write(t, s, Batch{Anomalies: []Emitted{old, fresh, ancient}, Rollups: []streams.Rollup{rollup("a", 0, 1)}})
	n, err := s.Retain(context.Background(), now)
	if err != nil || n < 3 {
		t.Fatalf("dropped %d, %v", n, err)
	}
	if st, err := s.Stats(context.Background()); err != nil || len(st) != 1 || st[0].Anomalies != 1 || math.Abs(st[0].MeanScore-fresh.Score) > 1e-9 {
		t.Errorf("stats: %+v, %v", st, err)
	}
	if p := page(t, s, streams.AnomalyQuery{Limit: 5}); len(p.Items) != 1 || p.Items[0].ID != fresh.ID {
		t.Errorf("left: %+v", p.Items)
	}
	write(t, s, Batch{Anomalies: []Emitted{old}}) // The place of what was dropped can be filled again.
}

func testExact(t *testing.T, s *Store) {
	want := sample(1)
	numbers := []float64{0, 5e-324, 2.2250738585072014e-308, math.MaxFloat64, -math.MaxFloat64, 0.1, 1.0 / 3, math.Nextafter(0.6, 1), math.Pi * 1e-9, 1 << 53, 123456789.123456789, 1e21}
	want.Features = map[string]float64{}
	for i, v := range numbers {
		want.Features[fmt.Sprint(i)] = v
		want.Detectors = append(want.Detectors, streams.DetectorVote{Name: fmt.Sprint(i), Raw: v, Score: math.Nextafter(0.6, 1)})
		want.Why.Contributions = append(want.Why.Contributions, streams.Contribution{Feature: fmt.Sprint(i), Value: v, Deviation: -v})
	}
	want.Why.Contributions[1].Deviation = 0 // A minus before zero is the one thing lost.
	want.Score, want.Severity, want.AlertScore, want.Why.Statistic = math.Nextafter(1, 0), 1.0/3, 0.1+0.2, math.SmallestNonzeroFloat64
	write(t, s, Batch{Anomalies: []Emitted{want}})
	got, err := s.Anomaly(context.Background(), want.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want.Anomaly, got.Anomaly); diff != "" {
		t.Errorf("numbers are not the same, to the last bit (-written +read):\n%s", diff)
	}
	for _, bound := range []float64{want.Score, math.Nextafter(want.Score, 2)} { // A filter at the very value finds it.
		if p := page(t, s, streams.AnomalyQuery{MinScore: bound, Limit: 1}); (len(p.Items) == 1) != (bound == want.Score) {
			t.Errorf("at least %v: %d rows", bound, len(p.Items))
		}
	}
}

// testTotals holds what is counted as rows come and go to what is there.
func testTotals(t *testing.T, s *Store) {
	all := samples(300)
	for i := range all {
		all[i].Timestamp = all[i].Timestamp.Add(time.Duration(i) * 12 * time.Hour) // Some twenty weeks.
	}
	for i := 0; i < 300; i += 50 {
		write(t, s, Batch{Anomalies: all[max(0, i-20) : i+50]}) // Overlapping: some rows are there already.
	}
	for i := 0; i < 300; i += 11 {
		if err := s.Delete(context.Background(), all[i].ID, "alice"); err != nil {
			t.Fatal(err)
		}
	}
	stats, err := s.Stats(context.Background())
	if err != nil || len(stats) != 3 {
		t.Fatalf("%+v, %v", stats, err)
	}
	for _, st := range stats {
		var n int64
		var mean float64
		if err := s.db.QueryRow(s.bind(`SELECT count(*), avg(score) FROM anomalies WHERE stream = $1`), st.Stream).Scan(&n, &mean); err != nil {
			t.Fatal(err)
		}
		if st.Anomalies != n || math.Abs(st.MeanScore-mean) > 1e-9 {
			t.Errorf("%+v, want %d anomalies with mean %v", st, n, mean)
		}
		if p := page(t, s, streams.AnomalyQuery{Stream: st.Stream, Limit: 1, Count: true}); p.Total != n {
			t.Errorf("%s: total %d, want %d", st.Stream, p.Total, n)
		}
	}
	if p := page(t, s, streams.AnomalyQuery{Limit: 1, Count: true}); p.Total != 300-28 {
		t.Errorf("total %d, want %d", p.Total, 300-28)
	}
}

func testProgress(t *testing.T, s *Store) {
	for _, next := range []int64{10, 25, 3} { // The topic was made again before the last.
		write(t, s, Batch{Progress: []Progress{{"anomalies", 1, 1, 100}, {"anomalies", 1, next, 100}}})
		var got int64
		if err := s.db.QueryRow(`SELECT next_offset FROM sink_progress WHERE topic = 'anomalies' AND partition = 1`).Scan(&got); err != nil || got != next {
			t.Errorf("got %d, want %d (%v)", got, next, err)
		}
	}
}
