package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
)

const builtinStreams = "  server_metrics: {}\n  transactions: {}\n  iot_sensors: {}\n"

// TestTopicsEmitAndReadBack creates topics, fills them, and lets backtest and suggest read them.
func TestTopicsEmitAndReadBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, builtinStreams)
	if got := command(t, "topics", "check", "--config", w.config, "--output", "json"); got.code != exitFailed || !strings.Contains(got.stdout, `"ok":false`) || !strings.Contains(got.stdout, `"setting":"exists"`) {
		t.Errorf("before creation: exit code %d\n%s", got.code, got.stdout)
	}
	w.must("topics", "create")
	w.must("topics", "create") // Again, with nothing to do.
	if got := w.must("topics", "check", "--output", "json"); !strings.Contains(got, `"ok":true`) {
		t.Errorf("after creation: %s", got)
	}
	var sent struct {
		Sent     int64
		ByStream map[string]int64 `json:"by_stream"`
	}
	if err := json.Unmarshal([]byte(w.must("emit", "--count", "3000", "--rate", "max", "--output", "json")), &sent); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"server_metrics", "transactions", "iot_sensors"} {
		if got := w.kafka.Total(w.topics.Prefix + name); sent.Sent != 3000 || got != 1000 || sent.ByStream[name] != 1000 {
			t.Errorf("topic of %s has %d records, emit says %+v", name, got, sent)
		}
	}
	if got := w.must("backtest", "--stream", "server_metrics", "--topic", "--output", "json"); !strings.Contains(got, `1000`) {
		t.Errorf("backtest of the topic: %s", got)
	}
	w.suggestionIsValid(w.must("suggest", "--topic", "iot_sensors"))
}

// suggestionIsValid pastes a proposal into a configuration.
func (w *world) suggestionIsValid(proposal string) {
	w.t.Helper()
	if got := command(w.t, "validate", "--config", writeFile(w.t, proposal)); got.code != exitOK {
		w.t.Errorf("the proposal is no configuration: %s\n%s", got.stderr, proposal)
	}
}

// TestReplay sends files of both formats, one of them compressed and with lines that cannot be read.
func TestReplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  cpu: {key: stream, time: timestamp, features: [value], warmup: 50}\n")
	dir := t.TempDir()
	var csv, lines strings.Builder
	csv.WriteString("timestamp,value\n")
	for i := range 300 {
		at := time.Date(2026, 1, 1, 0, i, 0, 0, time.UTC).Format(time.RFC3339)
		fmt.Fprintf(&csv, "%s,%d\n", at, i%17)
		fmt.Fprintf(&lines, `{"timestamp":%q,"value":%d}`+"\n", at, i%13)
	}
	lines.WriteString("this is no JSON\n")
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(lines.String()))
	_ = z.Close()
	file, packed := filepath.Join(dir, "a.csv"), filepath.Join(dir, "b.jsonl.gz")
	for path, content := range map[string][]byte{file: []byte(csv.String()), packed: zipped.Bytes()} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.must("replay", "--stream", "cpu", file); !strings.Contains(got, "300 events sent to stream cpu, 0 lines left out") {
		t.Errorf("got %s", got)
	}
	got := command(t, "replay", "--config", w.config, "--stream", "cpu", "--output", "json", packed)
	if got.code != exitFailed || !strings.Contains(got.stdout, `"rejected":1`) || !strings.Contains(got.stdout, `"sent":300`) || !strings.Contains(got.stderr, "b.jsonl.gz:301") {
		t.Errorf("exit code %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	if got := w.kafka.Total(w.topics.Prefix + "cpu"); got != 600 {
		t.Errorf("the topic has %d records, want 600", got)
	}
	scores := filepath.Join(dir, "scores")
	w.must("backtest", "--stream", "cpu", "--scores", scores, "--report", filepath.Join(dir, "report.html"), file)
	text, err := os.ReadFile(filepath.Join(scores, "a.csv"))
	if err != nil || !strings.HasPrefix(string(text), "row,score,flag,severity,contrib_value") || strings.Count(string(text), "\n") != 301 {
		t.Errorf("score file: %v\n%.300s", err, text)
	}
	if report, err := os.ReadFile(filepath.Join(dir, "report.html")); err != nil || !strings.Contains(string(report), "</html>") {
		t.Errorf("report: %v", err)
	}
	suggestion := command(t, "suggest", "--name", "cpu", file)
	w.suggestionIsValid(suggestion.stdout)
}

// TestStartOfAStream starts streams at the beginning, a day back and at the end of topics that hold old records.
func TestStartOfAStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `  all: {features: [a], warmup: 20, window: 50}
  day: {features: [a], warmup: 20, window: 50, from: -24h}
  end: {features: [a], warmup: 20, window: 50, from: latest}
`)
	w.must("topics", "create")
	names := []string{"all", "day", "end"}
	write := func(n int, age time.Duration) {
		for _, name := range names {
			for i := range n {
				r := keyed(fmt.Sprint("k", i%4), fmt.Sprintf(`{"a":%d}`, i))
				r.Timestamp = time.Now().Add(-age)
				w.produce(name, r)
			}
		}
	}
	write(30, 48*time.Hour)
	write(20, time.Hour)
	run := w.start("run", "--roles", "detect,api")
	await := run.url()
	kafkatest.Eventually(t, kafkatest.Deadline, func() error { return (&demo{at: await}).get("/readyz", new(string)) })
	write(10, 0)
	w.awaitSeen(map[string]int64{"all": 60, "day": 30, "end": 10})
}

// TestProcessesShareAStream lets a second process join and the first leave under load: every event is seen once.
func TestProcessesShareAStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "  shared: {features: [a], warmup: 20, window: 50}\n  routed: {key: user, features: [a], warmup: 20, window: 50}\n")
	w.must("topics", "create")
	first := w.start("run", "--roles", "detect")
	total := int64(0)
	write := func(n int) {
		var shared, routed []*kgo.Record
		for i := range n {
			shared = append(shared, keyed(fmt.Sprint("k", i%8), fmt.Sprintf(`{"a":%d}`, i%11)))
			routed = append(routed, keyed("", fmt.Sprintf(`{"user":"u%d","a":%d}`, i%8, i%11)))
		}
		w.produce("shared", shared...)
		w.produce("routed", routed...)
		total += int64(n)
	}
	write(400)
	w.awaitSeen(map[string]int64{"shared": total, "routed": total})
	w.start("run", "--roles", "detect")
	write(400)
	first.end()
	write(400)
	w.awaitSeen(map[string]int64{"shared": total, "routed": total})
}
