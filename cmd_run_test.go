package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

// badStreams are one stream of each kind of key and features.
const badStreams = `  plain: {time: ts, features: [a, b], warmup: 20, window: 50}
  wild: {key: stream, features: "*", warmup: 20, window: 50}
  field: {key: user.id, features: [a], warmup: 20, window: 50}
`

// badRecord is a record that must be dead-lettered, with the code.
type badRecord struct {
	stream, code string
	record       *kgo.Record
}

func value(s string) *kgo.Record { return &kgo.Record{Key: []byte("k"), Value: []byte(s)} }

func keyed(key, s string) *kgo.Record {
	r := value(s)
	if r.Key = []byte(key); key == "" {
		r.Key = nil
	}
	return r
}

// badRecords is every kind of bad input there is a name for.
func badRecords() []badRecord {
	const good = `{"ts":"2026-01-02T15:04:05Z","a":1,"b":2}`
	return []badRecord{
		{"plain", streams.CodeTombstone, &kgo.Record{Key: []byte("k")}},
		{"plain", streams.CodeNotJSON, value("")},
		{"plain", streams.CodeNotJSON, value("\x00\x01\xff")},
		{"plain", streams.CodeNotJSON, value(good[:20])},
		{"plain", streams.CodeNotFinite, value(`{"ts":"2026-01-02T15:04:05Z","a":NaN,"b":2}`)},
		{"plain", streams.CodeNotFinite, value(`{"ts":"2026-01-02T15:04:05Z","a":-Infinity,"b":2}`)},
		{"plain", streams.CodeNotJSON, value(strings.Repeat("x", 890_000))},
		{"plain", streams.CodeOversize, value(`{"a":1,"b":2,"c":"` + strings.Repeat("x", 950_000) + `"}`)},
		{"plain", streams.CodeNotObject, value("[1,2]")},
		{"plain", streams.CodeNotObject, value("null")},
		{"plain", streams.CodeTooDeep, value(`{"a":1,"b":2,"c":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}")},
		{"plain", streams.CodeDuplicate, value(`{"ts":"2026-01-02T15:04:05Z","a":1,"a":1,"b":2}`)},
		{"plain", streams.CodeMissingField, value(`{"ts":"2026-01-02T15:04:05Z","a":1}`)},
		{"plain", streams.CodeWrongType, value(`{"ts":"2026-01-02T15:04:05Z","a":"1","b":2}`)},
		{"plain", streams.CodeWrongType, value(`{"ts":"2026-01-02T15:04:05Z","a":{"x":1},"b":2}`)},
		{"plain", streams.CodeNotFinite, value(`{"ts":"2026-01-02T15:04:05Z","a":1e999,"b":2}`)},
		{"plain", streams.CodeOutOfRange, value(`{"ts":"2026-01-02T15:04:05Z","a":1e300,"b":2}`)},
		{"plain", streams.CodeBadTime, value(`{"ts":"soon","a":1,"b":2}`)},
		{"plain", streams.CodeBadTime, value(`{"a":1,"b":2}`)},
		{"plain", streams.CodeAbsurdTime, value(`{"ts":"0001-01-01T00:00:00Z","a":1,"b":2}`)},
		{"plain", streams.CodeMissingKey, keyed("", good)},
		{"plain", streams.CodeBadKey, &kgo.Record{Key: []byte{}, Value: []byte(good)}},
		{"plain", streams.CodeBadKey, keyed("\xff\xfe", good)},
		{"plain", streams.CodeBadKey, keyed(strings.Repeat("k", 300), good)},
		{"wild", streams.CodeTombstone, &kgo.Record{}},
		{"wild", streams.CodeNoFeatures, value(`{"name":"x"}`)},
		{"wild", streams.CodeShape, value(`{"x":1,"y":2,"z":3}`)},
		{"wild", streams.CodeNotJSON, value("{")},
		{"field", streams.CodeTombstone, &kgo.Record{Key: []byte("k")}},
		{"field", streams.CodeMissingKey, value(`{"a":1}`)},
		{"field", streams.CodeBadKey, value(`{"user":{"id":""},"a":1}`)},
		{"field", streams.CodeMissingField, value(`{"user":{"id":"u1"}}`)},
		{"field", streams.CodeNotJSON, value("}")},
	}
}

// oddHeaders are headers that producers of others may write. The last three are names of ours, which mean nothing in a source
// topic: neither are they believed, nor do they reach a dead letter, where they would be.
var oddHeaders = []kgo.RecordHeader{
	{Key: "", Value: nil}, {Key: "\xff\x00", Value: []byte("\xff")}, {Key: strings.Repeat("h", 2000), Value: make([]byte, 2000)},
	{Key: streams.HeaderTruth, Value: []byte("\xff")}, {Key: streams.HeaderSourceTopic, Value: []byte("elsewhere")},
	{Key: streams.HeaderSourcePartition, Value: []byte("77")}, {Key: streams.HeaderSourceOffset, Value: []byte("-1")},
}

// TestBadInput sends every kind of bad record among good ones through the whole system: each is dead-lettered once, with
// code and position, and the good ones are all seen. Then it lists the dead letters and replays some.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, badStreams)
	w.must("topics", "create")
	run := w.start("run")
	url := run.url()

	const good = 40
	want := map[string][]string{} // Codes by stream.
	bad := badRecords()
	for i := range max(good, len(bad)) {
		if i < good {
			at := time.Date(2026, 1, 2, 15, 0, i, 0, time.UTC).Format(time.RFC3339)
			plain := keyed(fmt.Sprint("k", i%3), fmt.Sprintf(`{"ts":%q,"a":%d,"b":2.5,"other":{"deep":[1,null]}}`, at, i%7))
			plain.Headers = oddHeaders
			w.produce("plain", plain)
			w.produce("wild", keyed("", fmt.Sprintf(`{"x":%d,"y":1e3,"name":"n"}`, i%5)))
			w.produce("field", keyed("", fmt.Sprintf(`{"user":{"id":"u%d"},"a":%d}`, i%4, i%5)))
		}
		if i < len(bad) {
			b := bad[i]
			b.record.Headers = oddHeaders
			w.produce(b.stream, b.record)
			want[b.stream] = append(want[b.stream], b.code)
		}
	}
	w.awaitSeen(map[string]int64{"plain": good, "wild": good, "field": good})
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		if n := len(w.deadLetters()); n < len(bad) {
			return fmt.Errorf("%d dead letters, want %d", n, len(bad))
		}
		return nil
	})
	got := map[string][]string{}
	seen := map[streams.Position]bool{}
	for _, l := range w.deadLetters() {
		got[l.Stream] = append(got[l.Stream], l.Code)
		if seen[l.Source] {
			t.Errorf("%s was dead-lettered twice", l.Source)
		}
		seen[l.Source] = true
		if l.Reason == "" || l.Source.Topic != w.topics.Prefix+l.Stream {
			t.Errorf("dead letter of %s: reason %q", l.Source, l.Reason)
		}
		if got, want := len(l.Headers), len(oddHeaders)-3; got != want {
			t.Errorf("dead letter of %s has %d headers, want %d", l.Source, got, want)
		}
	}
	for stream, codes := range want {
		slices.Sort(codes)
		slices.Sort(got[stream])
		if !slices.Equal(codes, got[stream]) {
			t.Errorf("stream %s: dead letters\n got %v\nwant %v", stream, got[stream], codes)
		}
	}
	w.listAndReplay(len(bad))

	res, err := http.Get(url + "/api/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK || !strings.Contains(string(body), `"stream":"wild"`) {
		t.Errorf("GET /api/stats: %s: %s", res.Status, body)
	}
}

// listAndReplay lists all dead letters, replays those of one code, and expects them dead-lettered again.
func (w *world) listAndReplay(all int) {
	w.t.Helper()
	lines := strings.Split(strings.TrimSpace(w.must("dead-letters", "list", "--output", "json")), "\n")
	if len(lines) != all {
		w.t.Errorf("%d dead letters listed, want %d", len(lines), all)
	}
	for _, line := range lines {
		var l streams.DeadLetter
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			w.t.Errorf("line %q: %v", line, err)
		}
	}
	table := w.must("dead-letters", "list", "--stream", "plain", "--code", streams.CodeMissingField, "--code", streams.CodeTombstone)
	if !strings.Contains(table, "2 dead letters\n") || !strings.Contains(table, "(none)") {
		w.t.Errorf("got:\n%s", table)
	}
	if got := w.must("dead-letters", "replay", "--dry-run"); !strings.Contains(got, fmt.Sprintf("%d records would be written again", all)) {
		w.t.Errorf("got:\n%s", got)
	}
	if got := w.must("dead-letters", "replay", "--code", streams.CodeTombstone); !strings.Contains(got, "3 records written again") {
		w.t.Errorf("got:\n%s", got)
	}
	kafkatest.Eventually(w.t, kafkatest.Deadline, func() error {
		if n := len(w.deadLetters()); n != all+3 {
			return fmt.Errorf("%d dead letters after the replay, want %d", n, all+3)
		}
		return nil
	})
}
