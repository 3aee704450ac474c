package sink

import (
	"context"
	"fmt"
	"testing"
	"time"

	"anomalystream/internal/kafkatest"
)

// TestMaintain lets the store drop its old rows by itself, and ends it with its context.
func TestMaintain(t *testing.T) {
	t.Parallel()
	s := open(t, Config{URL: "sqlite::memory:", Retention: time.Hour})
	old, fresh := sample(1), sample(2)
	fresh.Timestamp = time.Now().UTC().Truncate(time.Microsecond)
	write(t, s, Batch{Anomalies: []Emitted{old, fresh}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Maintain(ctx) }()
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		if n := rowsOf(t, s, "anomalies"); n != 1 {
			return fmt.Errorf("%d rows, want 1", n)
		}
		return nil
	})
	cancel()
	if err := <-done; err != nil {
		t.Errorf("it ended with %v", err)
	}
	holds(t, s, []Emitted{fresh})
}
