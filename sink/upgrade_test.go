package sink

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

// TestUpgradeSQLite brings a store of every earlier schema up to date.
func TestUpgradeSQLite(t *testing.T) {
	t.Parallel()
	upgrade(t, func(t *testing.T) Config { return Config{URL: "sqlite:" + t.TempDir() + "/store.db"} })
}

// upgrade fills a store that has the first schema and opens it with today's: everything is still there, and new tables work.
func upgrade(t *testing.T, fresh func(*testing.T) Config) {
	config := fresh(t)
	old := &Store{cfg: config.WithDefaults()}
	open := old.openSQLite
	if config.isPostgres() {
		open = old.openPostgres
	}
	if err := open(t.Context()); err != nil {
		t.Fatal(err)
	}
	provider, err := old.provider()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	want := samples(50)
	write(t, old, Batch{Anomalies: want, Rollups: []streams.Rollup{rollup("a", 0, 5)}, Progress: []Progress{{"anomalies", 1, 10, 100}}})
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}

	s, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p := page(t, s, streams.AnomalyQuery{Limit: 100, Sort: streams.SortOldest, Count: true})
	if len(p.Items) != 50 || p.Total != 50 {
		t.Fatalf("%d anomalies, total %d, want 50", len(p.Items), p.Total)
	}
	for i := range want {
		if diff := gocmp.Diff(want[i].Anomaly, p.Items[i].Anomaly); diff != "" {
			t.Fatalf("anomaly %d (-before +after):\n%s", i, diff)
		}
	}
	if r, err := s.Rollups(t.Context(), streams.RollupQuery{Stream: "server_metrics", Entity: "a", Limit: 5}); err != nil || len(r) != 1 {
		t.Errorf("rollups: %v, %v", r, err)
	}
	if w := write(t, s, Batch{Incidents: incidentRecords(3), Feedback: []streams.Feedback{verdict("v", streams.VerdictReal, epoch)}}); w.Incidents != 3 || w.Feedback != 1 {
		t.Errorf("written after the upgrade: %+v", w)
	}
}
