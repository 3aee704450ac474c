package main

import (
	"testing"
	"testing/synctest"
	"time"

	"anomalystream/streams"
)

// TestDemoDrain waits for detectors that are slow, and not for events that nobody applies.
func TestDemoDrain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		written, applied int64
		takes            time.Duration
	}{
		"all are applied": {12, 12, 12 * 5 * time.Second}, "one is refused": {12, 11, 11*5*time.Second + standstill}, "nothing was written": {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := streams.DefaultDefinition("s")
				d := &demoShow{truth: newTruthBook([]*streams.Definition{&s}, false), status: map[string]streams.DetectorStatus{}}
				for i := range c.written {
					d.truth.event("s", "k", streams.Position{Topic: "s", Offset: i}, time.Now(), "")
				}
				go func() {
					for i := range c.applied {
						time.Sleep(5 * time.Second)
						d.mu.Lock()
						d.status["s/k"] = streams.DetectorStatus{Stream: "s", Entity: "k", Seen: i + 1}
						d.mu.Unlock()
					}
				}()
				began := time.Now()
				d.drain(t.Context(), c.written)
				if took := time.Since(began).Round(time.Second); took != c.takes {
					t.Errorf("it took %s, want %s", took, c.takes)
				}
			})
		})
	}
}
