package suggest

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"anomalystream/emitters"
	"anomalystream/streams"
)

var start = time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)

// simulated returns events of a built-in stream.
func simulated(t *testing.T, stream string, n int) []emitters.Event {
	t.Helper()
	s, err := emitters.NewSimulator(emitters.SimulatorConfig{Stream: stream, Start: start, Interval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]emitters.Event, n)
	for i := range out {
		out[i] = s.Next()
	}
	return out
}

// TestSuggestsTheBuiltins finds out from events alone what the built-in streams are configured as.
func TestSuggestsTheBuiltins(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		stream, key string
		features    map[string][]string
	}{
		{"server_metrics", "host", map[string][]string{"cpu_percent": {"value", "ewma_residual"}, "memory_percent": {"value", "ewma_residual"}, "latency_ms": {"value", "ewma_residual"}, "error_rate": {"value", "ewma_residual"}}},
		{"transactions", "card", map[string][]string{"amount": {"value"}, "hour_of_day": {"value"}, "tx_frequency": {"value"}}},
		{"iot_sensors", "device", map[string][]string{"temperature": {"value", "ewma_residual"}, "vibration": {"value", "ewma_residual"}, "pressure": {"value", "ewma_residual"}, "humidity": {"value", "ewma_residual"}}},
	} {
		for _, withKey := range []bool{false, true} {
			s := NewSample()
			events := simulated(t, tt.stream, 4000)
			for _, e := range events {
				key := e.Key
				if !withKey {
					key = nil
				}
				s.Add(key, e.Value, e.Time)
			}
			got, err := s.Suggest(tt.stream)
			if err != nil {
				t.Fatal(err)
			}
			want := tt.key
			if withKey {
				want = streams.KeyRecord
			}
			if got.Definition.Key != want || got.Definition.Time != "timestamp" {
				t.Errorf("%s: got key %q and time %q, want %q", tt.stream, got.Definition.Key, got.Definition.Time, want)
			}
			features := map[string][]string{}
			for _, f := range got.Definition.Features {
				features[f.Name] = f.Transforms
			}
			voters := 4 // A few metrics each.
			if tt.stream == "transactions" {
				voters = 3
			}
			if d := got.Definition; d.Vote != streams.VoteMajority || len(d.Detectors) != voters {
				t.Errorf("%s: %d voters, vote: %s, want %d and a majority", tt.stream, len(d.Detectors), d.Vote, voters)
			}
			if diff := cmp.Diff(tt.features, features); diff != "" {
				t.Errorf("%s: features (-want +got):\n%s\n%s", tt.stream, diff, got.YAML())
			}
			accepts(t, &got.Definition, events)
			parses(t, got)
		}
	}
}

// accepts holds a suggestion to the events it was made from: the decoder takes all of them.
func accepts(t *testing.T, d *streams.Definition, events []emitters.Event) {
	t.Helper()
	dec := streams.NewDecoder(d, 0)
	for _, e := range events {
		if _, reject := dec.Decode(streams.Record{Key: e.Key, Value: e.Value, Timestamp: e.Time}); reject != nil {
			t.Errorf("%s: %s: %v", d.Name, e.Value, reject)
			return
		}
	}
}

// parses reads the YAML back.
func parses(t *testing.T, s *Suggestion) {
	t.Helper()
	type feature struct {
		Transforms []string
		Path       string
		Missing    string
	}
	var file struct {
		Streams map[string]struct {
			Topic, Key, Time, Profile, Vote string
			Alert                           string  `yaml:"alert_score"`
			Rate                            float64 `yaml:"expected_anomaly_rate"`
			Detectors                       []string
			Features                        map[string]feature
		}
	}
	text := s.YAML()
	if err := yaml.UnmarshalWithOptions([]byte(text), &file, yaml.Strict()); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	d := s.Definition
	got, ok := file.Streams[d.Name]
	if !ok || got.Key != d.Key || got.Time != d.Time || got.Topic != d.Topic || got.Rate != d.Rate || len(got.Detectors) != len(d.Detectors) {
		t.Errorf("read back %+v from\n%s", got, text)
	}
	plain := streams.DefaultDefinition(d.Name)
	either := func(read, instead string) string {
		if read == "" {
			return instead
		}
		return read
	}
	if either(got.Vote, plain.Vote) != d.Vote || either(got.Alert, plain.Alert) != d.Alert {
		t.Errorf("read back vote %q and alert score %q, want %q and %q", got.Vote, got.Alert, d.Vote, d.Alert)
	}
	for _, f := range d.Features {
		g, ok := got.Features[f.Name]
		if !ok || !cmp.Equal(g.Transforms, f.Transforms) || g.Path != "" && g.Path != f.Path || f.Missing == streams.MissingHold != (g.Missing == streams.MissingHold) {
			t.Errorf("feature %q: read back %+v from\n%s", f.Name, g, text)
		}
	}
	if len(got.Features) != len(d.Features) {
		t.Errorf("%d features, want %d:\n%s", len(got.Features), len(d.Features), text)
	}
}

// TestSuggestSeesThrough builds a stream with every kind of field that is no feature.
func TestSuggestSeesThrough(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	var events []emitters.Event
	counter, level := 1000.0, 0.0
	for i := range 2000 {
		counter += math.Floor(10 * rng.Float64())
		level = 0.9*level + rng.NormFloat64()
		pressure := fmt.Sprintf("%.4f", 5+rng.NormFloat64())
		if i%10 == 0 {
			pressure = "null"
		}
		value := fmt.Sprintf(`{"meta":{"ts":%d.5,"yes":"on","#1":%.3f},"room":"r%d","request_id":%d,"level":%.4f,"level_f":%.4f,"total":%.0f,"fixed":7,"pressure":%s,"state":"ok","ok":true,"tags":[1],"mixed":%s,"rare":%s}`,
			start.Unix()+int64(i), rng.Float64(), i%3, 100000+i, level, 32+1.8*level, counter, pressure,
			[]string{"1", `"x"`}[i%2], []string{"null", "null", "null", "1"}[i%4])
		events = append(events, emitters.Event{Value: []byte(value), Time: start})
	}
	s := NewSample()
	s.Add(nil, []byte(`[1]`), start)
	s.Add(nil, []byte(`{"a":1`), start)
	for _, e := range events {
		s.Add(nil, e.Value, e.Time)
	}
	got, err := s.Suggest("no")
	if err != nil {
		t.Fatal(err)
	}
	if got.Definition.Time != "meta.ts" || got.Definition.Key != "room" {
		t.Errorf("got time %q and key %q", got.Definition.Time, got.Definition.Key)
	}
	features := map[string]string{}
	for _, f := range got.Definition.Features {
		features[f.Name] = strings.Join(f.Transforms, " ") + " " + f.Missing
	}
	want := map[string]string{"level": "value ewma_residual reject", "total": "diff reject", "pressure": "value ewma_residual hold", "meta.#1": "value ewma_residual reject"}
	if diff := cmp.Diff(want, features); diff != "" {
		t.Errorf("features (-want +got):\n%s", diff)
	}
	for _, name := range []string{"meta.yes", "request_id", "level_f", "fixed", "state", "ok", "tags", "mixed", "rare"} {
		if !strings.Contains(strings.Join(got.LeftOut, "\n"), name+": ") {
			t.Errorf("%s was not left out: %q", name, got.LeftOut)
		}
	}
	if !strings.Contains(strings.Join(got.Summary, "\n"), "2 more could not be read") {
		t.Errorf("summary %q", got.Summary)
	}
	parses(t, got)
	accepts(t, &got.Definition, events)
}

// TestSuggestForgivesStrays: a value in a hundred that is no number is said, and leaves the field a feature; without any
// feature the error says why each field is none.
func TestSuggestForgivesStrays(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	sample := func(every int) *Sample {
		s := NewSample()
		for i := range 1000 {
			value := fmt.Sprintf("%.3f", rng.NormFloat64())
			if i%every == 0 {
				value = `"inf"`
			}
			s.Add(nil, fmt.Appendf(nil, `{"ts":%d,"load":%s}`, start.Unix()+int64(i), value), start)
		}
		return s
	}
	got, err := sample(100).Suggest("s")
	if err != nil {
		t.Fatal(err)
	}
	if reason := got.Features["load"]; !strings.Contains(reason, "no number in 10 of 1000 events") || got.Definition.Features[0].Missing != streams.MissingReject {
		t.Errorf("got %+v for the reason %q", got.Definition.Features, reason)
	}
	want := "none of the 2 fields is a number that varies: load: it is a number in 980 of 1000 events only"
	if _, err := sample(50).Suggest("s"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// TestSuggestTransformsByField: beside fields that are noise, one that follows itself is still given its recent average.
func TestSuggestTransformsByField(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	s := NewSample()
	for i := range 1000 {
		s.Add(nil, fmt.Appendf(nil, `{"ts":%d,"drift":%.3f,"a":%.3f,"b":%.3f}`, start.Unix()+int64(i),
			10*math.Sin(float64(i)/200)+rng.NormFloat64()/4, rng.NormFloat64(), rng.NormFloat64()), start)
	}
	got, err := s.Suggest("s")
	if err != nil {
		t.Fatal(err)
	}
	transforms := map[string]string{}
	for _, f := range got.Definition.Features {
		transforms[f.Name] = strings.Join(f.Transforms, " ")
	}
	if diff := cmp.Diff(map[string]string{"drift": "value ewma_residual", "a": "value", "b": "value"}, transforms); diff != "" {
		t.Errorf("transforms (-want +got):\n%s", diff)
	}
}

func TestFromFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var csv strings.Builder
	csv.WriteString("when,value\n")
	level := 0.0
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		level = 0.95*level + rng.NormFloat64()
		fmt.Fprintf(&csv, "%s,%.3f\n", start.Add(time.Duration(i)*5*time.Minute).Format(time.RFC3339), level)
	}
	var paths []string
	for _, name := range []string{"a.csv.gz", "b.csv.gz"} {
		paths = append(paths, filepath.Join(dir, name))
		f, err := os.Create(paths[len(paths)-1])
		if err != nil {
			t.Fatal(err)
		}
		z := gzip.NewWriter(f)
		z.Write([]byte(csv.String()))
		z.Close()
		f.Close()
	}
	one, err := FromFiles(t.Context(), "load", paths[:1])
	if err != nil {
		t.Fatal(err)
	}
	d := one.Definition
	if d.Key != streams.KeyStream || d.Time != "when" || len(d.Features) != 1 || !cmp.Equal(d.Features[0].Transforms, []string{"value", "diff", "median_residual"}) ||
		len(d.Detectors) != 4 || d.Alert != streams.AlertForest || d.Vote != streams.VoteMajority {
		t.Errorf("one file: got %+v", d)
	}
	two, err := FromFiles(t.Context(), "load", paths)
	if err != nil {
		t.Fatal(err)
	}
	if two.Definition.Key != streams.KeyRecord || !strings.Contains(two.Reasons["key"], "2 values (a, b), 1000 events") || !strings.Contains(two.Summary[0], "each 5m0s per entity") {
		t.Errorf("two files: got %+v", two)
	}
	parses(t, two)
	if _, err := FromFiles(t.Context(), "load", []string{filepath.Join(dir, "no.csv")}); err == nil {
		t.Error("a file that is not there")
	}
}

func TestFromRecords(t *testing.T) {
	t.Parallel()
	events := simulated(t, "iot_sensors", 2000)
	i := 0
	got, err := FromRecords(t.Context(), "iot", func() (streams.Record, error) {
		if i == len(events) {
			return streams.Record{}, io.EOF
		}
		i++
		return streams.Record{Key: events[i-1].Key, Value: events[i-1].Value, Timestamp: events[i-1].Time}, nil
	})
	if err != nil || got.Definition.Key != streams.KeyRecord || len(got.Definition.Features) != 4 || got.Definition.Name != "iot" {
		t.Errorf("got %+v, %v", got, err)
	}
	broken := errors.New("broken")
	if _, err := FromRecords(t.Context(), "iot", func() (streams.Record, error) { return streams.Record{}, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// TestSuggestsAnyVoteForManyMetrics makes a machine of a dozen metrics, each with a memory of its own.
func TestSuggestsAnyVoteForManyMetrics(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	s, level := NewSample(), make([]float64, 12)
	for range 500 {
		var b strings.Builder
		for j := range level {
			level[j] = 0.9*level[j] + rng.NormFloat64()
			fmt.Fprintf(&b, `,"m%d":%.4f`, j, level[j])
		}
		s.Add(nil, []byte("{"+b.String()[1:]+"}"), start)
	}
	got, err := s.Suggest("machine")
	if err != nil {
		t.Fatal(err)
	}
	if d := got.Definition; d.Vote != streams.VoteAny || len(d.Detectors) != 3 || len(d.Features) != 12 || d.Alert != streams.AlertDepth {
		t.Errorf("got vote %s of %d detectors over %d features, alert score %s", d.Vote, len(d.Detectors), len(d.Features), d.Alert)
	}
	parses(t, got)
}

func TestSuggestNeedsASample(t *testing.T) {
	t.Parallel()
	s := NewSample()
	s.Add(nil, []byte("x"), start)
	if _, err := s.Suggest("s"); err == nil || !strings.Contains(err.Error(), "0 events, expected at least 20; 1 others could not be read") {
		t.Errorf("got %v", err)
	}
	s = NewSample()
	for range 100 {
		s.Add([]byte("k"), []byte(`{"a":"b","c":5}`), start)
	}
	if _, err := s.Suggest("s"); err == nil || !strings.Contains(err.Error(), "none of the 2 fields") {
		t.Errorf("got %v", err)
	}
}

func FuzzSample(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1e999},"c":"2026-01-02T15:04:05Z"}`), []byte(`{"a":-1}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		s := NewSample()
		for i := range 40 {
			s.Add(nil, a, start.Add(time.Duration(i)))
			s.Add([]byte{byte(i)}, b, time.Time{})
			s.Add(nil, []byte(fmt.Sprintf(`{"x":%d}`, i)), time.Time{})
		}
		if got, err := s.Suggest("fuzz"); err == nil {
			parses(t, got)
		}
	})
}
