//go:build load && unix

package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"anomalystream/internal/pgtest"
	"anomalystream/sink"
	"anomalystream/streams"
)

const listRows = `INSERT INTO anomalies (id, "timestamp", stream, entity, kind, score, severity, alert_score, votes, voters, needed, detectors, features,
  contributions, sentence, explanation, generation, source_topic, source_partition, source_offset, replay, suppressed_by, emitted_at, created_at)
SELECT s || '-0-' || i, at, s, 'entity-' || i * 7919 % 100000, 'model', 0.6 + 0.4 * power(r, 3), 30 * r * r, 4 * r, 2 + i % 2, 3, 2,
  '[{"name": "iforest", "raw": 0.7, "score": 0.8, "vote": true}, {"name": "lof", "raw": 3, "score": 0.9, "vote": true}]', '{"cpu_percent": 90.5, "latency_ms": 12.25}',
  '[{"feature": "cpu_percent", "share": 1, "value": 90.5, "expected": 30, "deviation": 6}]', 'cpu_percent is 90.5, far above the usual 30.',
  '{"generation": 3}', 3, s, 0, i, false, '', at, at + interval '1 second'
FROM (SELECT i, (ARRAY['server_metrics','transactions','iot_sensors'])[1 + i % 3] AS s,
        '2025-01-01Z'::timestamptz + i * interval '365 days' / $3 AS at, abs(hashint8(i)) / 2147483648.0 AS r FROM generate_series($1::bigint, $2::bigint) AS i) AS x`

// TestListLoad fills Postgres with STORE_ROWS anomalies of a year (5,000,000 by default), runs the role api on it, and asks for
// lists with filters as fast as eight clients can, for ten seconds each kind.
func TestListLoad(t *testing.T) {
	rows := int64(5_000_000)
	if v := os.Getenv("STORE_ROWS"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		rows = n
	}
	dsn := pgtest.Start(t).Database(t)
	fillList(t, dsn, rows)
	w := newWorld(t, "  server_metrics: {}\n  transactions: {}\n  iot_sensors: {}\n")
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	from := strings.Index(string(text), `"sqlite:`)
	to := from + strings.IndexByte(string(text[from+1:]), '"') + 2
	w.config = filepath.Join(t.TempDir(), "load.yaml")
	if err := os.WriteFile(w.config, []byte(string(text[:from])+strconv.Quote(dsn)+string(text[to:])), 0o600); err != nil {
		t.Fatal(err)
	}
	url := w.start("run", "--roles", "api").url()
	random := rand.New(rand.NewPCG(1, 1))
	streamNames := []string{"server_metrics", "transactions", "iot_sensors"}
	day := func() string {
		return time.Date(2025, 1, 1+random.IntN(360), random.IntN(24), 0, 0, 0, time.UTC).Format(time.RFC3339)
	}
	for _, kind := range []struct {
		name string
		path func() string
	}{
		{"newest", func() string { return "/api/anomalies?limit=50" }},
		{"stream", func() string { return "/api/anomalies?limit=50&stream=" + streamNames[random.IntN(3)] }},
		{"stream, score, time", func() string {
			return "/api/anomalies?limit=50&min_score=0.7&stream=" + streamNames[random.IntN(3)] + "&to=" + day()
		}},
		{"entity", func() string {
			return fmt.Sprintf("/api/anomalies?limit=50&stream=%s&entity=entity-%d", streamNames[random.IntN(3)], random.IntN(100000))
		}},
	} {
		paths := make([]string, 2000)
		for i := range paths {
			paths[i] = kind.path()
		}
		n, took, latencies := hammer(t, url, paths, 8, 10*time.Second)
		at := func(q float64) time.Duration {
			return latencies[int(q*float64(len(latencies)-1))].Round(10 * time.Microsecond)
		}
		t.Logf("%s: %d requests, %.0f a second, p50 %s, p99 %s, most %s", kind.name, n, float64(n)/took.Seconds(), at(0.5), at(0.99), at(1))
	}
}

// hammer asks for the paths in turn with so many clients and returns the latencies in order.
func hammer(t *testing.T, url string, paths []string, clients int, d time.Duration) (int, time.Duration, []time.Duration) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	started := time.Now()
	for c := range clients {
		wg.Go(func() {
			var own []time.Duration
			for i := c; ctx.Err() == nil; i += clients {
				begin := time.Now()
				res, err := client.Get(url + paths[i%len(paths)])
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Errorf("%s: %s", paths[i%len(paths)], res.Status)
					return
				}
				own = append(own, time.Since(begin))
			}
			mu.Lock()
			all = append(all, own...)
			mu.Unlock()
		})
	}
	wg.Wait()
	took := time.Since(started)
	slices.Sort(all)
	return len(all), took, all
}

// fillList migrates the database, makes a year of partitions, and fills them by SQL.
func fillList(t *testing.T, dsn string, rows int64) {
	t.Helper()
	ctx := t.Context()
	store, err := sink.Open(ctx, sink.Config{URL: dsn})
	if err != nil {
		t.Fatal(err)
	}
	var b sink.Batch
	for week := range 54 {
		a := streams.Anomaly{ID: fmt.Sprintf("partition-0-%d", week), Stream: "partition", Timestamp: time.Date(2025, 1, 1+7*week, 0, 0, 0, 0, time.UTC)}
		b.Anomalies = append(b.Anomalies, sink.Emitted{Anomaly: a, At: a.Timestamp})
	}
	if _, err := store.Write(ctx, &b); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const step = 250_000
	for i := int64(0); i < rows; i += step {
		if _, err := db.ExecContext(ctx, listRows, i, min(i+step, rows)-1, rows); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.ExecContext(ctx, "ANALYZE anomalies"); err != nil {
		t.Fatal(err)
	}
}
