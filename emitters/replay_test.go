package emitters

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

const sensorsCSV = "when,temperature,vibration,pressure,humidity,machine\n"

func text(e sarama.Encoder) string {
	if e == nil {
		return "-"
	}
	b, _ := e.Encode()
	return string(b)
}

func TestReplay(t *testing.T) {
	t.Parallel()
	lines := sensorsCSV + "2026-01-02T15:00:00Z,1,2,3,4,m1\n2026-01-02T15:00:01Z,hot,2,3,4,m1\nyesterday,1,2,3,4,m1\n2026-01-02T15:00:02Z,1,2\n2026-01-02T15:00:03Z,5,6,7,8,m2\n"
	csv := write(t, "pump-9.csv.gz", lines)
	jsonl := write(t, "more.jsonl", `{"timestamp":1767366245,"temperature":1,"vibration":2,"pressure":3,"humidity":4,"machine":17}`+"\n{broken\n")
	for _, tt := range []struct {
		field string
		keys  []string
	}{{"", []string{"pump-9", "pump-9", "more"}}, {"machine", []string{"m1", "m2", "17"}}} {
		p := &memory{}
		var problems []string
		var progress []float64
		out, err := Replay(t.Context(), publisher(p), ReplayOptions{
			Stream: definition("iot_sensors"), Files: []string{csv, jsonl}, KeyField: tt.field, Log: quiet(),
			Rejected: func(err error) {
				e := err.(*LineError)
				problems = append(problems, fmt.Sprintf("%s:%d %.16s", filepath.Base(e.File), e.Line, e.Reason))
			},
			Progress: func(p Progress) { progress = append(progress, p.Done) },
		})
		if err != nil || out.Sent != 3 || out.Rejected != 4 {
			t.Errorf("got %+v, %v", out, err)
		}
		var keys []string
		for _, m := range p.taken {
			keys = append(keys, text(m.Key))
			if len(m.Headers) != 1 || string(m.Headers[0].Key) != streams.HeaderReplay {
				t.Errorf("headers %v", m.Headers)
			}
		}
		if diff := cmp.Diff(tt.keys, keys); diff != "" {
			t.Errorf("keys (-want +got):\n%s", diff)
		}
		if want := `{"timestamp":"2026-01-02T15:00:00Z","temperature":1,"vibration":2,"pressure":3,"humidity":4,"machine":"m1"}`; text(p.taken[0].Value) != want {
			t.Errorf("got  %s\nwant %s", text(p.taken[0].Value), want)
		}
		want := []string{"pump-9.csv.gz:3 wrong_type: fiel", "pump-9.csv.gz:4 bad_time: field ", "pump-9.csv.gz:5 the line has not", "more.jsonl:2 not_json: expect"}
		if diff := cmp.Diff(want, problems); diff != "" {
			t.Errorf("problems (-want +got):\n%s", diff)
		}
		if len(progress) == 0 || progress[len(progress)-1] != 1 {
			t.Errorf("progress %v", progress)
		}
	}
	if _, err := Replay(t.Context(), publisher(&memory{}), ReplayOptions{Stream: definition("iot_sensors"), Files: []string{"no.csv"}, Log: quiet()}); err == nil {
		t.Error("a file that is not there was replayed")
	}
}

// TestReplayKeepsOrder replays into streams whose producers need no keys: each detector's events get one key, so that they
// stay on one partition and in order.
func TestReplayKeepsOrder(t *testing.T) {
	t.Parallel()
	path := write(t, "pump.csv", sensorsCSV+"2026-01-02T15:00:00Z,1,2,3,4,m1\n2026-01-02T15:00:01Z,1,2,3,4,m2\n2026-01-02T15:00:02Z,1,2,3,4,m1\n")
	for key, want := range map[string][]string{
		streams.KeyStream: {"iot_sensors", "iot_sensors", "iot_sensors"},
		"machine":         {"iot_sensors/m1", "iot_sensors/m2", "iot_sensors/m1"},
	} {
		d := *definition("iot_sensors")
		d.Key = key
		c := config([]string{"nowhere:9092"}).WithDefaults()
		c.Streams = []*streams.Definition{&d}
		p := &memory{}
		if _, err := Replay(t.Context(), newPublisher(c, p), ReplayOptions{Stream: &d, Files: []string{path}, Log: quiet()}); err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, m := range p.taken {
			keys = append(keys, text(m.Key))
		}
		if diff := cmp.Diff(want, keys); diff != "" {
			t.Errorf("key %s: keys (-want +got):\n%s", key, diff)
		}
	}
}

// TestReplayKeepsThePace compares when events are sent with when they are due.
func TestReplayKeepsThePace(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(sensorsCSV)
	var dues []time.Duration // From the first event on.
	for i := range 600 {
		at := start.Add(time.Duration(i) * 7 * time.Millisecond)
		if i == 300 {
			at = start // A step back is sent at once.
		}
		if i > 300 {
			at = at.Add(time.Minute)
		}
		fmt.Fprintf(&b, "%s,1,2,3,4,m\n", at.Format(time.RFC3339Nano))
		dues = append(dues, at.Sub(start))
	}
	path := write(t, "m.csv", b.String())
	synctest.Test(t, func(t *testing.T) {
		p := &memory{}
		begin := time.Now()
		if _, err := Replay(t.Context(), publisher(p), ReplayOptions{Stream: definition("iot_sensors"), Files: []string{path}, Pace: Pace{Realtime: true}, Log: quiet()}); err != nil {
			t.Fatal(err)
		}
		for i, at := range p.times {
			due := dues[i]
			if !p.taken[i].Timestamp.IsZero() { // Left to the client, which takes the present.
				t.Fatalf("record %d has the time %v: Kafka may delete it before it is read", i, p.taken[i].Timestamp)
			}
			if early := due - at.Sub(begin); early > linger || i != 300 && early < -2*linger {
				t.Fatalf("event %d was sent %v early", i, early)
			}
		}
		p = &memory{}
		out, err := Replay(t.Context(), publisher(p), ReplayOptions{Stream: definition("iot_sensors"), Files: []string{path}, Pace: Pace{PerSecond: 100}, Log: quiet()})
		if err != nil || out.Sent != 600 || out.Elapsed < 5900*time.Millisecond || out.Elapsed > 6200*time.Millisecond {
			t.Errorf("600 events at 100/s: sent %d in %v, %v", out.Sent, out.Elapsed, err)
		}
	})
}
