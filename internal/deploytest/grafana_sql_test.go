//go:build postgres

package deploytest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"anomalystream/internal/pgtest"
	"anomalystream/sink"
	"anomalystream/streams"
)

// TestPanels runs every query of every panel, variable and annotation on a real Postgres that holds an afternoon of data, as the
// role that Grafana uses. Each must return rows; a time series must begin with its time.
func TestPanels(t *testing.T) {
	db := filled(t)
	ran := 0
	for name, d := range dashboards(t) {
		for _, v := range d.Templating.List {
			if v.Type == "query" {
				check(t, db, name+" variable "+v.Name, v.Query, "table")
				ran++
			}
		}
		for _, a := range d.Annotations.List {
			check(t, db, name+" annotation "+a.Name, a.Target.RawSQL, "annotation")
			ran++
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				check(t, db, name+" panel "+p.Title+" "+q.RefID, q.RawSQL, q.Format)
				ran++
			}
		}
	}
	if ran < 40 {
		t.Errorf("only %d queries were run", ran)
	}
	t.Logf("%d queries returned rows", ran)
}

// TestAlertQueries runs the SQL of the alert rules: each finds the trouble that the data hold.
func TestAlertQueries(t *testing.T) {
	db := filled(t)
	for _, r := range alertRules(t) {
		for _, q := range r.Data {
			if q.DatasourceUID == sourceUID {
				check(t, db, "alert "+r.UID, q.Model.RawSQL, q.Model.Format)
			}
		}
	}
}

// TestReaderReadsOnly checks that the role of Grafana can change nothing.
func TestReaderReadsOnly(t *testing.T) {
	db := filled(t)
	for _, statement := range []string{"DELETE FROM anomalies", "UPDATE detectors SET seen = 0", "DROP TABLE rollups", "INSERT INTO audit (who, action, object, detail) VALUES ('', '', '', '')", "CREATE TABLE x (n int)"} {
		if _, err := db.Exec(statement); err == nil || !strings.Contains(err.Error(), "ermission denied") && !strings.Contains(err.Error(), "must be owner") {
			t.Errorf("%s: got %v, want it refused", statement, err)
		}
	}
}

func check(t *testing.T, db *sql.DB, what, query, format string) {
	t.Helper()
	expanded := expand(query)
	if i := strings.IndexByte(expanded, '$'); i >= 0 {
		t.Errorf("%s: a macro or variable is left at %q", what, expanded[i:min(len(expanded), i+30)])
		return
	}
	rows, err := db.Query(expanded)
	if err != nil {
		t.Errorf("%s: %v\n%s", what, err, expanded)
		return
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	n, values := 0, false
	for rows.Next() {
		cells, into := make([]any, len(names)), make([]any, len(names))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		n++
		values = values || cells[len(cells)-1] != nil
	}
	if err := rows.Err(); err != nil {
		t.Errorf("%s: %v\n%s", what, err, expanded)
		return
	}
	if n == 0 || !values {
		t.Errorf("%s: no rows, or nothing in them\n%s", what, expanded)
	}
	if format == "time_series" && names[0] != "time" {
		t.Errorf("%s: the first column is %q, want time", what, names[0])
	}
}

var macro = regexp.MustCompile(`\$__(\w+)\(([^)]*)\)`)

// expand replaces Grafana's macros and the dashboards' variables as Grafana does, for the last six hours.
func expand(query string) string {
	from, to := time.Now().Add(-6*time.Hour).UTC().Format(time.RFC3339), time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	query = strings.ReplaceAll(query, "$__interval", "1m")
	query = macro.ReplaceAllStringFunc(query, func(m string) string {
		parts := macro.FindStringSubmatch(m)
		args := strings.Split(parts[2], ",")
		for i := range args {
			args[i] = strings.Trim(strings.TrimSpace(args[i]), "'")
		}
		switch parts[1] {
		case "timeFilter":
			return fmt.Sprintf("%s BETWEEN '%s' AND '%s'", args[0], from, to)
		case "timeFrom":
			return "'" + from + "'"
		case "timeTo":
			return "'" + to + "'"
		case "timeGroup", "timeGroupAlias":
			seconds, err := time.ParseDuration(args[1])
			if err != nil {
				return m
			}
			group := fmt.Sprintf("floor(extract(epoch from %s)/%[2]g)*%[2]g", args[0], seconds.Seconds())
			if parts[1] == "timeGroupAlias" {
				group += ` AS "time"`
			}
			return group
		}
		return m
	})
	for name, value := range map[string]string{"stream": "'server_metrics'", "entity": "'web-1'", "feature": "'latency_ms'"} {
		query = strings.ReplaceAll(query, "${"+name+":sqlstring}", value)
	}
	return query
}

// filled returns a connection, as grafana_reader, to a store with six hours of data: traffic, anomalies, dead letters, a burst,
// a silent stream, a detector that does not get ready, incidents, and what people said about them.
func filled(t *testing.T) *sql.DB {
	t.Helper()
	dsn := pgtest.Start(t).Database(t)
	ctx := context.Background()
	store, err := sink.Open(ctx, sink.Config{URL: dsn, GrafanaPassword: "reader's password"})
	if err != nil {
		t.Fatal(err)
	}
	var b sink.Batch
	now := time.Now().UTC().Truncate(time.Minute)
	for minute := range 360 {
		at := now.Add(time.Duration(minute-359) * time.Minute)
		b.Rollups = append(b.Rollups, rollup(at, minute))
		if minute%9 == 0 || minute > 354 {
			for k := range 1 + 12*(minute/355) {
				b.Anomalies = append(b.Anomalies, anomaly(at.Add(time.Duration(k)*time.Second), minute*100+k))
			}
		}
	}
	for i, s := range []streams.DetectorStatus{
		{Stream: "server_metrics", Entity: "web-1", Phase: streams.PhaseReady, CheckpointAt: now},
		{Stream: "server_metrics", Entity: "web-2", Phase: streams.PhaseDegraded, CheckpointAt: now},
		{Stream: "iot_sensors", Entity: "pump-1", Phase: streams.PhaseReady, CheckpointAt: now.Add(-20 * time.Minute)},
	} {
		rate := 0.011
		s.Seen, s.WarmUpHave, s.WarmUpNeed, s.Generation, s.RequestedRate, s.RealisedRate = 5000, 200, 200, 9, 0.01, &rate
		s.LastEvent, s.StateBytes, s.Features = s.CheckpointAt.Add(-time.Second), 1000*(i+1), []streams.FeatureRange{{Name: "latency_ms", Min: 1, Median: 2, Max: 3}}
		b.Detectors = append(b.Detectors, s)
	}
	for i := range 5 {
		b.Letters = append(b.Letters, streams.DeadLetter{Stream: "server_metrics", Source: streams.Position{Topic: "server_metrics", Offset: int64(i)}, Stage: "decode", Code: streams.CodeNotJSON, Reason: "no JSON"})
	}
	b.Incidents, b.Feedback = incidents(now)
	b.Progress = []sink.Progress{{Topic: "anomalies", Partition: 0, Next: 500, HighWater: 20_500}, {Topic: "rollups", Partition: 1, Next: 7, HighWater: 7}}
	if _, err := store.Write(ctx, &b); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("grafana_reader", "reader's password")
	db, err := sql.Open("pgx", u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func rollup(at time.Time, minute int) streams.Rollup {
	low, high := 0.2, 0.7
	return streams.Rollup{
		Stream: "server_metrics", Entity: "web-1", Minute: at, Events: 60, Scored: 60, Anomalies: int64(12 * (minute / 355)), Late: 1, ScoreP50: &low, ScoreP95: &low,
		ScoreP99: &high, ScoreMax: &high, Requested: 0.01, Realised: 0.01, Features: []streams.FeatureRollup{{Name: "latency_ms", Min: 10, Mean: 40, Max: 300}}, Closed: true,
	}
}

func anomaly(at time.Time, n int) sink.Emitted {
	a := streams.Anomaly{
		Stream: "server_metrics", Entity: "web-1", Timestamp: at, Kind: streams.KindModel, Score: 0.8, Severity: 5, Votes: 2, Voters: 3, Needed: 2,
		Features: map[string]float64{"latency_ms": 300}, Detectors: []streams.DetectorVote{{Name: "iforest", Vote: true}, {Name: "lof", Vote: true}, {Name: "hbos"}},
		Why: streams.Explanation{Sentence: "latency_ms is 300.", Contributions: []streams.Contribution{{Feature: "latency_ms", Share: 1}}, Generation: 3}, Source: streams.Position{Topic: "server_metrics", Offset: int64(n)},
	}
	a.ID = a.Source.AnomalyID(a.Stream)
	return sink.Emitted{Anomaly: a, At: at.Add(5 * time.Millisecond)}
}
