package streams

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sampleAnomaly() *Anomaly {
	at := time.Date(2026, 1, 2, 15, 4, 5, 678e6, time.UTC)
	return &Anomaly{
		ID: "server_metrics-1-42", Stream: "server_metrics", Entity: "web-1", Timestamp: at, Kind: KindModel,
		Score: 0.6, Severity: 1.0 / 3, AlertScore: 2.5, Features: map[string]float64{"b": 2, "a": 1e-7, "c": 1e21},
		Votes: 2, Voters: 3, Needed: 2,
		Detectors: []DetectorVote{{Name: "iforest", Raw: 0.7, Score: 0.9, Vote: true}},
		Why:       Explanation{Sentence: "a <high> \"value\"", Contributions: []Contribution{{Feature: "a", Share: 1}}, TrainedFrom: at, TrainedTo: at},
		Source:    Position{Topic: "server_metrics", Partition: 1, Offset: 42},
	}
}

func TestCodecsReadBack(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 15, 4, 0, 0, time.UTC)
	half := 0.5
	t.Run("anomaly", func(t *testing.T) { readBack(t, sampleAnomaly(), MarshalAnomaly, UnmarshalAnomaly) })
	t.Run("rollup", func(t *testing.T) {
		readBack(t, &Rollup{Stream: "s", Minute: at, Events: 3, ScoreP50: &half, Features: []FeatureRollup{{Name: "a", Max: 2}}}, MarshalRollup, UnmarshalRollup)
	})
	t.Run("status", func(t *testing.T) {
		readBack(t, &DetectorStatus{Stream: "s", Phase: PhaseReady, LastFit: &at, LastEvent: at, CheckpointAt: at, LastAnomaly: &LastAnomaly{ID: "x", Timestamp: at, Score: 0.7},
			Features: []FeatureRange{{Name: "a"}}, Detectors: []string{"lof"}, Failures: []string{}, Verdicts: []VerdictForce{{ID: "v", Verdict: VerdictNoise, Until: time.Date(2026, 2, 2, 3, 4, 0, 0, time.UTC)}}}, MarshalDetectorStatus, UnmarshalDetectorStatus)
	})
	t.Run("dead letter", func(t *testing.T) {
		readBack(t, &DeadLetter{Stream: "s", Key: nil, Value: []byte("\xff\x00"), Headers: []Header{{"h", []byte("v")}}, Timestamp: at, Code: CodeNotJSON, Reason: "x"}, MarshalDeadLetter, UnmarshalDeadLetter)
		readBack(t, &DeadLetter{Stream: "s", Key: []byte{}, Value: nil, Headers: []Header{}, Timestamp: at}, MarshalDeadLetter, UnmarshalDeadLetter)
	})
}

func readBack[T any](t *testing.T, want *T, marshal func(*T) ([]byte, error), unmarshal func([]byte) (*T, error)) {
	t.Helper()
	b, err := marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := unmarshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what was read back differs (-want +got):\n%s", diff)
	}
	again, err := marshal(got)
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("the bytes differ: %s, then %s, %v", b, again, err)
	}
	if _, err := unmarshal(append(b, '{')); err == nil {
		t.Error("trailing data was accepted")
	}
	if _, err := unmarshal([]byte(`{"stream":"s","stream":"t"}`)); err == nil {
		t.Error("a name given twice was accepted")
	}
	if _, err := unmarshal([]byte(`{"stream":"s","added_later":[1]}`)); err != nil {
		t.Errorf("a member of a later version: %v", err)
	}
}

func TestMarshalAnomalyIsPlain(t *testing.T) {
	t.Parallel()
	b, err := MarshalAnomaly(sampleAnomaly())
	if err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	enc := json.NewEncoder(&plain) // The standard library agrees, but for its escapes for HTML.
	enc.SetEscapeHTML(false)
	if err := enc.Encode(sampleAnomaly()); err != nil {
		t.Fatal(err)
	}
	if got, want := string(b), strings.TrimSpace(plain.String()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if strings.Contains(string(b), "replay") {
		t.Errorf("an empty member was written: %s", b)
	}
	empty, err := MarshalAnomaly(&Anomaly{})
	if err != nil || strings.Contains(string(empty), "null") {
		t.Errorf("a list is null: %s, %v", empty, err)
	}
	letter, err := MarshalDeadLetter(&DeadLetter{})
	if err != nil || !strings.Contains(string(letter), `"key":null,"value":null,"headers":[]`) {
		t.Errorf("got %s, %v", letter, err)
	}
	bad := sampleAnomaly()
	bad.Features["a"] = math.NaN()
	if _, err := MarshalAnomaly(bad); err == nil {
		t.Error("NaN was encoded")
	}
}
