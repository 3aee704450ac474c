package sink

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

// TestSQLite runs the conformance suite over SQLite, in memory and in a file.
func TestSQLite(t *testing.T) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		conformance(t, func(t *testing.T) *Store { return open(t, Config{URL: "sqlite::memory:"}) })
	})
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		conformance(t, func(t *testing.T) *Store { return open(t, Config{URL: "sqlite:" + t.TempDir() + "/a b%?.db"}) })
	})
}

func open(t testing.TB, c Config) *Store {
	t.Helper()
	s, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// conformance is what both databases must do alike. fresh returns an empty store.
func conformance(t *testing.T, fresh func(*testing.T) *Store) {
	for name, test := range map[string]func(*testing.T, *Store){
		"round trip": testRoundTrip, "idempotent": testIdempotent, "counts": testCounts, "pages": testPages, "filters": testFilters, "since": testSince,
		"delete": testDelete, "stats": testStats, "rollups": testRollups, "hostile": testHostile, "times": testTimes, "large": testLarge,
		"retention": testRetention, "detectors": testDetectors, "exact": testExact, "totals": testTotals, "progress": testProgress, "encoding": testEncoding,
		"incident round trip": testIncidentRoundTrip, "incident revisions": testIncidentRevisions, "incident pages": testIncidentPages,
		"incident filters": testIncidentFilters, "incidents since": testIncidentsSince, "incident anomalies": testIncidentAnomalies,
		"incident retention": testIncidentRetention, "incident verdicts": testIncidentVerdicts, "verdicts": testVerdicts, "verdict pages": testVerdictPages, "precision": testPrecision,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sample makes anomaly number i of a few streams and entities.
func sample(i int) Emitted {
	stream := []string{"server_metrics", "transactions", "iot_sensors"}[i%3]
	a := streams.Anomaly{
		Stream: stream, Entity: fmt.Sprintf("entity-%d", i%7), Timestamp: epoch.Add(time.Duration(i) * time.Minute), Kind: streams.KindModel,
		Score: 0.6 + 0.4*float64(i%97)/97, Severity: float64(i%31) * 0.9, AlertScore: float64(i%13) / 3, Features: map[string]float64{"cpu_percent": 90.5, "latency_ms": float64(i)},
		Votes: 2 + i%2, Voters: 3, Needed: 2,
		Detectors: []streams.DetectorVote{{Name: "iforest", Raw: 0.7, Score: 0.8, Vote: true}, {Name: "lof", Raw: 3, Score: 0.9, Vote: true}, {Name: "hbos", Raw: 9, Score: 0.61, Vote: i%2 == 1}},
		Why: streams.Explanation{
			Sentence: "cpu_percent is 90.5, far above the usual 30.", Contributions: []streams.Contribution{{Feature: "cpu_percent", Share: 1, Value: 90.5, Expected: 30, Deviation: 6}},
			RequestedRate: 0.01, Threshold: 1.5, Statistic: 2.5, Generation: 3, TrainedRows: 1200, TrainedFrom: epoch.Add(-time.Hour), TrainedTo: epoch,
		},
		Source: streams.Position{Topic: stream, Partition: int32(i % 4), Offset: int64(i)},
	}
	a.ID = a.Source.AnomalyID(stream)
	return Emitted{Anomaly: a, At: a.Timestamp.Add(3 * time.Millisecond)}
}

func samples(n int) []Emitted {
	out := make([]Emitted, n)
	for i := range out {
		out[i] = sample(i)
	}
	return out
}

func write(t testing.TB, s *Store, b Batch) Written {
	t.Helper()
	w, err := s.Write(context.Background(), &b)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// decodedPage is a page whose anomalies are decoded.
type decodedPage struct {
	streams.AnomalyPage
	Items []streams.StoredAnomaly
}

func page(t testing.TB, s *Store, q streams.AnomalyQuery) decodedPage {
	t.Helper()
	p, err := s.Anomalies(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	out := decodedPage{AnomalyPage: p, Items: make([]streams.StoredAnomaly, len(p.Items))}
	for i, item := range p.Items {
		if err := json.Unmarshal(item, &out.Items[i]); err != nil {
			t.Fatalf("%v in %s", err, item)
		}
	}
	return out
}

func testRoundTrip(t *testing.T, s *Store) {
	want := sample(5)
	want.Replay, want.Suppressed, want.Kind = true, "window backup", streams.KindRule
	write(t, s, Batch{Anomalies: []Emitted{want}})
	got, err := s.Anomaly(context.Background(), want.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want.Anomaly, got.Anomaly); diff != "" {
		t.Errorf("anomaly (-written +read):\n%s", diff)
	}
	if age := time.Since(got.CreatedAt); age < -time.Minute || age > time.Minute {
		t.Errorf("created_at is %s", got.CreatedAt)
	}
	if _, err := s.Anomaly(context.Background(), "nobody-0-1"); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("unknown id: got %v", err)
	}
}

func testIdempotent(t *testing.T, s *Store) {
	b := Batch{Anomalies: samples(50)}
	if w := write(t, s, b); w.Anomalies != 50 {
		t.Errorf("first write: %+v", w)
	}
	b.Anomalies = append(samples(60), samples(10)...)
	if w := write(t, s, b); w.Anomalies != 10 {
		t.Errorf("second write: %+v, want 10 new rows", w)
	}
	if p := page(t, s, streams.AnomalyQuery{Limit: 1, Count: true}); p.Total != 60 {
		t.Errorf("%d rows, want 60", p.Total)
	}
}

func testPages(t *testing.T, s *Store) {
	all := samples(100)
	for i := 40; i < 60; i++ {
		all[i].Timestamp, all[i].Score, all[i].Severity = all[40].Timestamp, 0.9, 7 // Ties in every order.
	}
	write(t, s, Batch{Anomalies: all})
	less := map[string]func(a, b streams.StoredAnomaly) int{
		streams.SortNewest:   func(a, b streams.StoredAnomaly) int { return b.Timestamp.Compare(a.Timestamp) },
		streams.SortOldest:   func(a, b streams.StoredAnomaly) int { return a.Timestamp.Compare(b.Timestamp) },
		streams.SortScore:    func(a, b streams.StoredAnomaly) int { return cmp.Compare(b.Score, a.Score) },
		streams.SortSeverity: func(a, b streams.StoredAnomaly) int { return cmp.Compare(b.Severity, a.Severity) },
	}
	for sort, order := range less {
		var byCursor, byOffset []streams.StoredAnomaly
		for cursor, offset := "", 0; ; offset += 7 {
			p := page(t, s, streams.AnomalyQuery{Sort: sort, Limit: 7, Cursor: cursor})
			byCursor = append(byCursor, p.Items...)
			byOffset = append(byOffset, page(t, s, streams.AnomalyQuery{Sort: sort, Limit: 7, Offset: offset}).Items...)
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		if diff := gocmp.Diff(byCursor, byOffset); diff != "" || len(byCursor) != 100 {
			t.Fatalf("sort %s: %d rows; by cursor and by offset differ:\n%s", sort, len(byCursor), diff)
		}
		seen := map[string]bool{}
		for i, a := range byCursor {
			if seen[a.ID] {
				t.Errorf("sort %s: %s comes twice", sort, a.ID)
			}
			seen[a.ID] = true
			if i > 0 && order(byCursor[i-1], a) > 0 {
				t.Errorf("sort %s: row %d is out of order", sort, i)
			}
		}
	}
	for _, bad := range []string{"x", "newest,", "newest,abc,id", "score,1,id", "oldest,1,id", "newest,1"} {
		if _, err := s.Anomalies(context.Background(), streams.AnomalyQuery{Limit: 5, Cursor: bad}); !errors.Is(err, streams.ErrBadCursor) {
			t.Errorf("cursor %q: got %v", bad, err)
		}
	}
}

func testFilters(t *testing.T, s *Store) {
	all := samples(300)
	for i := range all {
		if i%11 == 4 {
			all[i].Kind, all[i].Suppressed = streams.KindStuck, "window:patch"
		}
	}
	write(t, s, Batch{Anomalies: all})
	for name, f := range map[string]struct {
		q    streams.AnomalyQuery
		want func(*streams.Anomaly) bool
	}{
		"stream":                  {streams.AnomalyQuery{Stream: "transactions"}, func(a *streams.Anomaly) bool { return a.Stream == "transactions" }},
		"entity":                  {streams.AnomalyQuery{Stream: "transactions", Entity: "entity-3"}, func(a *streams.Anomaly) bool { return a.Stream == "transactions" && a.Entity == "entity-3" }},
		"score":                   {streams.AnomalyQuery{MinScore: 0.7, MaxScore: 0.8}, func(a *streams.Anomaly) bool { return a.Score >= 0.7 && a.Score <= 0.8 }},
		"severity":                {streams.AnomalyQuery{MinSeverity: 9}, func(a *streams.Anomaly) bool { return a.Severity >= 9 }},
		"votes":                   {streams.AnomalyQuery{MinVotes: 3}, func(a *streams.Anomaly) bool { return a.Votes >= 3 }},
		"kind":                    {streams.AnomalyQuery{Kind: streams.KindRule}, func(*streams.Anomaly) bool { return false }},
		"stuck":                   {streams.AnomalyQuery{Kind: streams.KindStuck}, func(a *streams.Anomaly) bool { return a.Kind == streams.KindStuck }},
		"suppressed":              {streams.AnomalyQuery{Suppressed: streams.SuppressedOnly}, func(a *streams.Anomaly) bool { return a.Suppressed != "" }},
		"suppressed, of a stream": {streams.AnomalyQuery{Suppressed: streams.SuppressedOnly, Stream: "transactions"}, func(a *streams.Anomaly) bool { return a.Suppressed != "" && a.Stream == "transactions" }},
		"not suppressed":          {streams.AnomalyQuery{Suppressed: streams.SuppressedNone}, func(a *streams.Anomaly) bool { return a.Suppressed == "" }},
		"detector":                {streams.AnomalyQuery{Detector: "hbos"}, func(a *streams.Anomaly) bool { return a.Detectors[2].Vote }},
		"time": {streams.AnomalyQuery{From: epoch.Add(time.Hour), To: epoch.Add(2 * time.Hour)}, func(a *streams.Anomaly) bool {
			return !a.Timestamp.Before(epoch.Add(time.Hour)) && a.Timestamp.Before(epoch.Add(2*time.Hour))
		}},
		"injection": {streams.AnomalyQuery{Stream: "' OR 1=1 --", Entity: `"; DROP TABLE anomalies; --`, Detector: `x"}]'`}, func(*streams.Anomaly) bool { return false }},
	} {
		f.q.Limit, f.q.Count = 1000, true
		got := page(t, s, f.q)
		var want []string
		for i := range all {
			if f.want(&all[i].Anomaly) {
				want = append(want, all[i].ID)
			}
		}
		var ids []string
		for _, a := range got.Items {
			ids = append(ids, a.ID)
		}
		slices.Sort(ids)
		slices.Sort(want)
		if !slices.Equal(ids, want) || got.Total != int64(len(want)) {
			t.Errorf("filter %s: %d rows, total %d, want %d", name, len(ids), got.Total, len(want))
		}
	}
}

func testSince(t *testing.T, s *Store) {
	ctx := context.Background()
	before := time.Now().Add(-time.Second)
	for i := range 5 {
		write(t, s, Batch{Anomalies: samples(50)[i*10 : i*10+10]})
	}
	var got []string
	stored := map[string]time.Time{}
	for at, id := before, ""; ; {
		rows, err := s.Since(ctx, at, id, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range rows {
			got = append(got, a.ID)
			at, id = a.CreatedAt, a.ID
			stored[a.ID] = at
		}
		if len(rows) < 7 {
			break
		}
	}
	seen := map[string]bool{}
	for _, id := range got {
		seen[id] = true
	}
	if len(got) != 50 || len(seen) != 50 {
		t.Errorf("%d rows, %d different, want 50", len(got), len(seen))
	}
	for i := 1; i < 50; i++ { // In the order in which they were written, inside a batch too.
		if a, b := sample(i-1).ID, sample(i).ID; stored[b].Before(stored[a]) {
			t.Errorf("%s was stored at %s, before %s at %s", b, stored[b], a, stored[a])
		}
	}
}

// testCounts checks that a whole stream is exact at any size and other filters are exact up to the limit.
func testCounts(t *testing.T, s *Store) {
	const n = 3*streams.CountLimit + 300
	for rows := samples(n); len(rows) > 0; rows = rows[min(2000, len(rows)):] {
		write(t, s, Batch{Anomalies: rows[:min(2000, len(rows))]})
	}
	for name, c := range map[string]struct {
		q    streams.AnomalyQuery
		want int64
		more bool
	}{
		"all":        {streams.AnomalyQuery{}, n, false},
		"one stream": {streams.AnomalyQuery{Stream: "transactions"}, n / 3, false},
		"many":       {streams.AnomalyQuery{MinVotes: 2}, streams.CountLimit, true},
		"some":       {streams.AnomalyQuery{Stream: "transactions", To: sample(1000).Timestamp}, 333, false},
		"none":       {streams.AnomalyQuery{Kind: streams.KindRule}, 0, false},
	} {
		c.q.Limit, c.q.Count = 1, true
		if p := page(t, s, c.q); p.Total != c.want || p.More != c.more {
			t.Errorf("%s: total %d, more %v, want %d, %v", name, p.Total, p.More, c.want, c.more)
		}
	}
}
