//go:build e2e

// Package e2e runs the built binary, one process per role, against a real Apache Kafka and a real Postgres, feeds it
// simulated traffic, a replayed data set and rubbish, kills one of its processes, and checks that every record is scored or
// dead-lettered and that topic, table, REST and WebSocket agree on the anomalies.
//
// KAFKA_BROKERS and PG_DSN name running servers; without them the test starts its own from packages.
package e2e

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	_ "github.com/jackc/pgx/v5/stdlib"

	"anomalystream/streams"
)

const (
	perStream = 15000 // Simulated events of each built-in stream.
	rubbish   = 400   // Records nobody can decode.
	rows      = 4032  // Rows of the replayed data set.
)

// TestSystem is the whole life of an installation in a few minutes.
func TestSystem(t *testing.T) {
	s := newInstallation(t)
	s.mustRun("topics", "create", "--config", s.config)
	s.mustRun("topics", "check", "--config", s.config)

	first := s.start("detect-1", "run", "--config", s.config, "--roles", "detect")
	s.start("detect-2", "run", "--config", s.config, "--roles", "detect")
	s.start("incidents", "run", "--config", s.config, "--roles", "incidents")
	s.start("sink", "run", "--config", s.config, "--roles", "sink")
	s.start("api", "run", "--config", s.config, "--roles", "api")
	s.awaitReady()
	socket, incidents := s.listen(), s.listenIncidents()

	started := time.Now()
	emit := s.start("emit", "emit", "--config", s.config, "--stream", "server_metrics", "--stream", "transactions",
		"--stream", "iot_sensors", "--count", fmt.Sprint(3*perStream), "--rate", "2500/s", "--seed", "7")
	s.writeRubbish("server_metrics", rubbish)
	time.Sleep(3 * time.Second)
	first.kill()
	s.start("detect-1 again", "run", "--config", s.config, "--roles", "detect")
	s.mustRun("replay", "--config", s.config, "--stream", "ec2_cpu", "--rate", "max", "testdata/ec2_cpu.csv.gz")
	emit.wait()

	want := map[string]int64{"server_metrics": perStream, "transactions": perStream, "iot_sensors": perStream, "ec2_cpu": rows}
	s.awaitSeen(want)
	elapsed := time.Since(started)

	letters := s.deadLetters()
	if got := len(letters); got != rubbish {
		t.Errorf("%d records were dead-lettered, want %d", got, rubbish)
	}
	topic := s.topicAnomalies()
	for stream := range want {
		if !slices.ContainsFunc(topic, func(a streams.Anomaly) bool { return a.Stream == stream }) {
			t.Errorf("stream %s: no anomaly in the topic", stream)
		}
	}
	s.agree("Postgres", topic, s.tableAnomalies(len(topic)))
	s.agree("REST", topic, s.restAnomalies())
	s.agree("WebSocket", topic, socket.await(len(topic)))
	s.incidents(incidents)
	s.summary(topic, want, elapsed)
}

// agree checks that another reader saw the same anomalies, with the same scores, as the topic.
func (s *installation) agree(who string, topic []streams.Anomaly, seen map[string]float64) {
	s.t.Helper()
	missing, differing := 0, 0
	for _, a := range topic {
		score, ok := seen[a.ID]
		switch {
		case !ok:
			missing++
		case math.Float64bits(score) != math.Float64bits(a.Score):
			differing++
		}
	}
	if missing+differing > 0 || len(seen) != len(topic) {
		s.t.Errorf("%s: %d anomalies, the topic has %d; %d missing, %d with another score", who, len(seen), len(topic), missing, differing)
	}
}

// topicAnomalies reads the anomalies topic to its end. Redeliveries must be identical to the byte.
func (s *installation) topicAnomalies() []streams.Anomaly {
	s.t.Helper()
	first := map[string]string{}
	var out []streams.Anomaly
	repeated := 0
	for _, m := range s.read(s.topics.Anomalies()) {
		var a streams.Anomaly
		if err := json.Unmarshal(m.Value, &a); err != nil {
			s.t.Fatalf("anomaly at %d/%d: %v", m.Partition, m.Offset, err)
		}
		if before, ok := first[a.ID]; ok {
			repeated++
			if before != string(m.Value) {
				s.t.Errorf("anomaly %s was emitted twice and differs:\n%s\n%s", a.ID, before, m.Value)
			}
			continue
		}
		first[a.ID] = string(m.Value)
		if a.Score < 0.6 || a.Score > 1 {
			s.t.Errorf("anomaly %s has score %v", a.ID, a.Score)
		}
		out = append(out, a)
	}
	s.t.Logf("anomalies topic: %d anomalies, %d identical repetitions", len(out), repeated)
	return out
}

func (s *installation) deadLetters() []streams.DeadLetter {
	s.t.Helper()
	seen := map[string]bool{}
	var out []streams.DeadLetter
	for _, m := range s.read(s.topics.DeadLetters()) {
		var l streams.DeadLetter
		if err := json.Unmarshal(m.Value, &l); err != nil {
			s.t.Fatalf("dead letter at %d/%d: %v", m.Partition, m.Offset, err)
		}
		if id := l.Source.String(); !seen[id] {
			seen[id] = true
			out = append(out, l)
		}
		if l.Code == "" || l.Reason == "" {
			s.t.Errorf("dead letter of %s has no reason", l.Source)
		}
	}
	return out
}

// awaitSeen waits until the detectors have applied as many events as were written.
func (s *installation) awaitSeen(want map[string]int64) {
	s.t.Helper()
	deadline := time.Now().Add(2 * patience)
	for {
		seen := map[string]map[string]int64{}
		for _, m := range s.read(s.topics.Detectors()) {
			var d streams.DetectorStatus
			if err := json.Unmarshal(m.Value, &d); err != nil {
				s.t.Fatalf("status at %d/%d: %v", m.Partition, m.Offset, err)
			}
			if seen[d.Stream] == nil {
				seen[d.Stream] = map[string]int64{}
			}
			seen[d.Stream][d.Entity] = d.Seen
		}
		got, done := map[string]int64{}, true
		for stream, n := range want {
			for _, v := range seen[stream] {
				got[stream] += v
			}
			done = done && got[stream] == n
			if got[stream] > n {
				s.t.Fatalf("stream %s: %d events were applied, only %d were written", stream, got[stream], n)
			}
		}
		if done {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("events applied: %v, want %v", got, want)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// tableAnomalies waits for the sink and returns the scores in Postgres by id.
func (s *installation) tableAnomalies(n int) map[string]float64 {
	s.t.Helper()
	db, err := sql.Open("pgx", s.dsn)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		out := map[string]float64{}
		rows, err := db.QueryContext(ctx, `SELECT id, score FROM anomalies`)
		if err != nil {
			s.t.Fatal(err)
		}
		for rows.Next() {
			var id string
			var score float64
			if err := rows.Scan(&id, &score); err != nil {
				s.t.Fatal(err)
			}
			if _, ok := out[id]; ok {
				s.t.Errorf("anomaly %s is stored twice", id)
			}
			out[id] = score
		}
		if err := rows.Err(); err != nil {
			s.t.Fatal(err)
		}
		if len(out) >= n || ctx.Err() != nil {
			return out
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// summary prints the figures of the run and keeps them as an artefact.
func (s *installation) summary(topic []streams.Anomaly, want map[string]int64, elapsed time.Duration) {
	s.t.Helper()
	truth := s.truth()
	var total int64
	var out strings.Builder
	fmt.Fprintf(&out, "| stream | events | anomalies | precision | events of faults found | false-alarm rate |\n|---|---|---|---|---|---|\n")
	for _, stream := range []string{"server_metrics", "transactions", "iot_sensors", "ec2_cpu"} {
		total += want[stream]
		var flagged, right, faulty int64
		for _, a := range topic {
			if a.Stream == stream {
				flagged++
				if truth[a.Source] != "" {
					right++
				}
			}
		}
		for p, fault := range truth {
			if p.Topic == s.topics.Prefix+stream && fault != "" {
				faulty++
			}
		}
		precision, recall := "-", "-"
		if faulty > 0 {
			precision, recall = fmt.Sprintf("%.2f", float64(right)/float64(max(flagged, 1))), fmt.Sprintf("%.2f", float64(right)/float64(faulty))
		}
		fmt.Fprintf(&out, "| %s | %d | %d | %s | %s | %.4f |\n", stream, want[stream], flagged, precision, recall, float64(flagged-right)/float64(want[stream]-faulty))
	}
	fmt.Fprintf(&out, "\n%d events in %.1f s: %.0f events/s, start of the servers' processes and one kill -9 included\n", total, elapsed.Seconds(), float64(total)/elapsed.Seconds())
	s.t.Log("\n" + out.String())
	if dir := os.Getenv("ARTIFACTS"); dir != "" {
		if err := os.WriteFile(dir+"/e2e.md", []byte(out.String()), 0o644); err != nil {
			s.t.Error(err)
		}
	}
}

// truth returns the injected fault of every simulated record, by position.
func (s *installation) truth() map[streams.Position]string {
	s.t.Helper()
	out := map[streams.Position]string{}
	for _, stream := range []string{"server_metrics", "transactions", "iot_sensors"} {
		topic := s.topics.Prefix + stream
		for _, m := range s.read(topic) {
			i := slices.IndexFunc(m.Headers, func(h *sarama.RecordHeader) bool { return string(h.Key) == streams.HeaderTruth })
			if i >= 0 {
				out[streams.Position{Topic: topic, Partition: m.Partition, Offset: m.Offset}] = string(m.Headers[i].Value)
			}
		}
	}
	return out
}
