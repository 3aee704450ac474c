package main

import (
	"testing"
	"time"

	"anomalystream/streams"
)

// TestTruthBook compares a made-up stream: three faults of which one lies in the warm-up and one is missed.
func TestTruthBook(t *testing.T) {
	t.Parallel()
	d := streams.DefaultDefinition("s")
	d.WarmUp = 2
	b := newTruthBook([]*streams.Definition{&d}, true)
	truths := []string{"early", "", "", "", "leak", "leak", "leak", "", "spike", "", "", ""}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	pos := func(i int) streams.Position { return streams.Position{Topic: "s", Offset: int64(i)} }
	for i, truth := range truths {
		b.event("s", "k", pos(i), at.Add(time.Duration(i)*time.Second), truth)
	}
	for _, i := range []int{5, 5, 6, 10} { // Second and third event of the leak, one false alarm, one repetition.
		b.anomaly(&streams.Anomaly{Stream: "s", Source: pos(i)})
	}
	got := b.summary(&d)
	if got.Events != 12 || got.Scored != 10 || got.Anomalies != 3 || got.Faults != 2 || got.Found != 1 || *got.FalseAlarms != 1 {
		t.Errorf("counts: got %+v", got)
	}
	for name, c := range map[string]struct{ got, want float64 }{
		"precision": {*got.Precision, 2.0 / 3}, "recall": {*got.Recall, 0.5}, "false-alarm rate": {*got.FalseRate, 1.0 / 6},
		"delay": {*got.Delay, 1}, "delay time": {*got.DelayTime, 1},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %v, want %v", name, c.got, c.want)
		}
	}
}
