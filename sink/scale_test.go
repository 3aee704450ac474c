//go:build postgres

package sink

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"anomalystream/internal/pgtest"
	"anomalystream/streams"
)

// fill makes n anomalies of a year, of six streams and up to a million entities, and a hundredth as many rollups, by SQL.
const (
	fillAnomalies = `INSERT INTO anomalies (id, "timestamp", stream, entity, kind, score, severity, alert_score, votes, voters, needed, detectors, features,
  contributions, sentence, explanation, generation, source_topic, source_partition, source_offset, replay, suppressed_by, emitted_at, created_at)
SELECT s || '-0-' || i, at, s, 'entity-' || i * 7919 % 1000000, CASE WHEN i % 10000 = 0 THEN 'rule' ELSE 'model' END, 0.6 + 0.4 * power(r, 3), 30 * r * r, 4 * r,
  2 + i % 2, 3, 2, '[{"name": "iforest", "raw": 0.7, "score": 0.8, "vote": true}, {"name": "lof", "raw": 3, "score": 0.9, "vote": true}]', '{"cpu_percent": 90.5, "latency_ms": 12.25}',
  '[{"feature": "cpu_percent", "share": 1, "value": 90.5, "expected": 30, "deviation": 6}]', 'cpu_percent is 90.5, far above the usual 30.',
  '{"generation": 3}', 3, s, 0, i, false, '', at, at + interval '1 second'
FROM (SELECT i, (ARRAY['server_metrics','transactions','iot_sensors','a','b','rare'])[CASE WHEN i % 5000 = 0 THEN 6 ELSE 1 + i % 5 END] AS s,
        '2025-01-01Z'::timestamptz + i * interval '365 days' / $3 AS at, abs(hashint8(i)) / 2147483648.0 AS r FROM generate_series($1::bigint, $2::bigint) AS i) AS x`
	fillRollups = `INSERT INTO rollups SELECT 'server_metrics', 'entity-' || i % 10, '2025-12-01Z'::timestamptz + i / 10 * interval '1 minute', 60, 60, 1, 0, 0.2, 0.5, 0.6, 0.7, 0.01, 0.01,
  '[{"name": "cpu_percent", "min": 1, "mean": 2, "max": 3}]', true FROM generate_series(0, $1::bigint) AS i`
)

// scaleRows is how many anomalies the scale tests fill in: STORE_ROWS, or half a million.
func scaleRows(t testing.TB) int64 {
	t.Helper()
	v := os.Getenv("STORE_ROWS")
	if v == "" {
		return 500_000
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 100_000 {
		t.Fatalf("STORE_ROWS: expected 100000 or more, found %q", v)
	}
	return n
}

// filledStore returns a store of a year of anomalies.
func filledStore(t testing.TB) (*Store, int64) {
	t.Helper()
	s := open(t, Config{URL: pgtest.Start(t).Database(t), MaxConnections: 4})
	n := scaleRows(t)
	ctx := context.Background()
	for at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2026; at = at.Add(week) {
		if err := s.ensurePartitions(ctx, &Batch{Anomalies: []Emitted{{Anomaly: streams.Anomaly{Timestamp: at}}}, Rollups: []streams.Rollup{{Minute: at}}}); err != nil {
			t.Fatal(err)
		}
	}
	started := time.Now()
	for i := int64(0); i < n; i += 100_000 {
		if _, err := s.pool.Exec(ctx, fillAnomalies, i, min(i+100_000, n)-1, n); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.pool.Exec(ctx, fillRollups, n/100); err != nil {
		t.Fatal(err)
	}
	if _, err := s.pool.Exec(ctx, fillIncidents, n/25); err != nil {
		t.Fatal(err)
	}
	for _, fill := range []string{fillVerdicts, fillWithdrawals} {
		if _, err := s.pool.Exec(ctx, fill); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.pool.Exec(ctx, `VACUUM ANALYZE`); err != nil {
		t.Fatal(err)
	}
	t.Logf("filled in %d anomalies in %s", n, time.Since(started).Round(time.Second))
	return s, n
}

// question is a query of the API, as its statement.
type question struct {
	name      string
	statement string
	args      []any
	rows      int // It may touch this many rows, in tables and indexes.
}

// questions are those of the API, in the shapes that a person asks them.
func questions(t testing.TB, s *Store, n int64) []question {
	t.Helper()
	year := func(day int) time.Time { return time.Date(2025, 1, 1+day, 0, 0, 0, 0, time.UTC) }
	var out []question
	add := func(name string, q streams.AnomalyQuery, rows int) {
		q.Limit = 50
		for i, w := range s.windows(t.Context(), &q) {
			statement, args, err := s.pageStatement(&q, w)
			if err != nil {
				t.Fatal(err)
			}
			if w != (window{}) {
				out = append(out, question{name + ", edge", statement, args, rows})
			} else if out = append(out, question{name, statement, args, rows}); i > 1 {
				t.Fatalf("%s is asked %d times", name, i+1)
			}
		}
	}
	entity := page(t, s, streams.AnomalyQuery{Stream: "server_metrics", Limit: 1}).Items[0].Entity
	for _, sort := range []string{streams.SortNewest, streams.SortOldest, streams.SortScore, streams.SortSeverity} {
		add("all by "+sort, streams.AnomalyQuery{Sort: sort}, 500)
		add("stream by "+sort, streams.AnomalyQuery{Stream: "transactions", Sort: sort}, 500)
		add("rare stream by "+sort, streams.AnomalyQuery{Stream: "rare", Sort: sort}, 5000)
		add("entity by "+sort, streams.AnomalyQuery{Stream: "server_metrics", Entity: entity, Sort: sort}, 2000)
		first := page(t, s, streams.AnomalyQuery{Stream: "transactions", Sort: sort, Limit: 200})
		add("next page by "+sort, streams.AnomalyQuery{Stream: "transactions", Sort: sort, Cursor: first.Next}, 1000)
	}
	add("a day", streams.AnomalyQuery{From: year(100), To: year(101)}, 500)
	add("a stream's day", streams.AnomalyQuery{Stream: "transactions", From: year(100), To: year(101)}, 500)
	// One in 1,200 is that high: the newest are walked until there are fifty, which touches rows by the share, not by the number.
	add("high scores", streams.AnomalyQuery{MinScore: 0.999}, 200_000)
	add("severe", streams.AnomalyQuery{Stream: "transactions", MinSeverity: 29}, 50_000)
	add("votes", streams.AnomalyQuery{MinVotes: 3}, 500)
	add("detector", streams.AnomalyQuery{Detector: "lof"}, 500)
	add("rules", streams.AnomalyQuery{Kind: streams.KindRule}, 500)
	add("stuck", streams.AnomalyQuery{Kind: streams.KindStuck}, 500)
	add("suppressed", streams.AnomalyQuery{Suppressed: streams.SuppressedOnly}, 500)
	add("suppressed of a stream", streams.AnomalyQuery{Suppressed: streams.SuppressedOnly, Stream: "transactions"}, 500)
	add("not suppressed", streams.AnomalyQuery{Suppressed: streams.SuppressedNone}, 500)
	out = append(out, question{"one", s.anomalyStatement(), []any{"transactions-0-" + fmt.Sprint(n/2/5*5+1)}, 5})
	statement, args := s.sinceStatement(year(200), "", 1000)
	out = append(out, question{"since", statement, args, 4000})
	statement, args = s.sinceStatement(year(200), "a-0-5", 1000)
	out = append(out, question{"since, after an id", statement, args, 4000})
	statement, args = s.rollupStatement(&streams.RollupQuery{Stream: "server_metrics", Entity: "entity-3", Limit: 500})
	out = append(out, question{"rollups of an entity", statement, args, 3000})
	statement, args = s.rollupStatement(&streams.RollupQuery{Stream: "server_metrics", Entities: true, From: year(334), To: year(335), Limit: 500})
	out = append(out, question{"rollups of a stream", statement, args, 3000})
	statement, args, _ = s.countStatement(&streams.AnomalyQuery{})
	out = append(out, question{"total", statement, args, 1000})
	statement, args, _ = s.countStatement(&streams.AnomalyQuery{Stream: "transactions"})
	out = append(out, question{"total of a stream", statement, args, 1000})
	statement, args, _ = s.countStatement(&streams.AnomalyQuery{Stream: "server_metrics", Entity: entity})
	out = append(out, question{"total of an entity", statement, args, 2000})
	return out
}

// node is what EXPLAIN tells of one step of a plan.
type node struct {
	Type    string  `json:"Node Type"`
	Table   string  `json:"Relation Name"`
	Rows    float64 `json:"Actual Rows"` // Per loop.
	Loops   float64 `json:"Actual Loops"`
	Removed float64 `json:"Rows Removed by Filter"`
	Plans   []node
}

// touched is how many rows the scans of a plan read.
func (n *node) touched() (rows float64) {
	if strings.Contains(n.Type, "Scan") {
		rows = (n.Rows + n.Removed) * n.Loops
	}
	for i := range n.Plans {
		rows += n.Plans[i].touched()
	}
	return rows
}

// sequential names the large tables that a plan reads from one end to the other.
func (n *node) sequential() (tables []string) {
	if n.Type == "Seq Scan" && (n.Rows+n.Removed)*n.Loops > 10_000 {
		tables = append(tables, n.Table)
	}
	for i := range n.Plans {
		tables = append(tables, n.Plans[i].sequential()...)
	}
	return tables
}

// TestScale asks everything the API asks of a store of a year, and holds each plan to its index. It prints the times of pages.
func TestScale(t *testing.T) {
	s, n := filledStore(t)
	ctx := t.Context()
	for _, q := range append(questions(t, s, n), incidentQuestions(t, s, n/25)...) {
		var text []byte
		if err := s.pool.QueryRow(ctx, `EXPLAIN (ANALYZE, FORMAT JSON) `+q.statement, q.args...).Scan(&text); err != nil {
			t.Errorf("%s: %v", q.name, err)
			continue
		}
		var plans []struct {
			Plan      node
			Planning  float64 `json:"Planning Time"`
			Execution float64 `json:"Execution Time"`
		}
		if err := json.Unmarshal(text, &plans); err != nil || len(plans) != 1 {
			t.Fatalf("%s: %v in %s", q.name, err, text)
		}
		p := plans[0]
		t.Logf("%-28s %7.0f rows touched, planned in %5.1f ms, done in %7.1f ms", q.name, p.Plan.touched(), p.Planning, p.Execution)
		if tables := p.Plan.sequential(); len(tables) > 0 {
			t.Errorf("%s reads all of %v", q.name, tables)
		}
		if got := p.Plan.touched(); got > float64(q.rows) {
			t.Errorf("%s touches %.0f rows, at most %d are expected\n%.2000s", q.name, got, q.rows, text)
		}
	}
	if p := page(t, s, streams.AnomalyQuery{Limit: 1, Count: true}); p.Total != n {
		t.Errorf("total %d, want %d", p.Total, n)
	}
	started := time.Now()
	stats, err := s.Stats(ctx)
	if err != nil || len(stats) != 6 {
		t.Errorf("stats: %+v, %v", stats, err)
	}
	t.Logf("stats in %s", time.Since(started).Round(time.Microsecond))
	pageTimes(t, s)
}

// pageTimes prints how long pages take: random streams, entities, orders, filters and depths.
func pageTimes(t *testing.T, s *Store) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	type asked struct {
		took  time.Duration
		query streams.AnomalyQuery
	}
	var pages []asked
	for range 1000 {
		q := streams.AnomalyQuery{Limit: 50, Stream: pick("", "server_metrics", "transactions", "rare"), Sort: pick(streams.SortNewest, streams.SortNewest, streams.SortOldest, streams.SortScore, streams.SortSeverity)}
		if q.Stream != "" && random.IntN(3) == 0 {
			q.Entity = fmt.Sprintf("entity-%d", random.IntN(1_000_000))
		}
		if random.IntN(3) == 0 {
			q.From = time.Date(2025, 1, 1+random.IntN(360), 0, 0, 0, 0, time.UTC)
			q.To = q.From.Add(time.Duration(1+random.IntN(96)) * time.Hour)
		}
		for range 2 {
			started := time.Now()
			p := page(t, s, q)
			pages = append(pages, asked{time.Since(started), q})
			if q.Cursor = p.Next; q.Cursor == "" {
				break
			}
		}
	}
	slices.SortFunc(pages, func(a, b asked) int { return cmp.Compare(a.took, b.took) })
	share := func(percent int) time.Duration { return pages[(len(pages)-1)*percent/100].took }
	t.Logf("%d pages of 50: median %s, p95 %s, p99 %s, most %s", len(pages), share(50), share(95), share(99), share(100))
	for _, p := range pages[len(pages)-10:] {
		t.Logf("among the slowest: %s for %+v", p.took, p.query)
	}
}
