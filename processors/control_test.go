package processors_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/processors"
	"anomalystream/streams"
)

// TestControlReachesEveryProcess sets a rate in one process and sees it in another, also in one that starts later.
func TestControlReachesEveryProcess(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Start(t)
	d := sensors(streams.KeyRecord)
	c := sensorsConfig(t, d, broker.Brokers(), "", 6*time.Second)
	ensure(t, d, broker.Brokers(), c.Sarama)
	broker.Produce(&kgo.Record{Topic: names.Control(), Key: []byte("x"), Value: []byte("no change")})
	process := func() (*processors.Control, func(stream string) float64) {
		var mu sync.Mutex
		applied := map[string]float64{}
		control := processors.NewControl(broker.Brokers(), names.Control(), c.Sarama, func(stream string, rate float64) {
			mu.Lock()
			defer mu.Unlock()
			applied[stream] = rate
		}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- control.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-done })
		ready, giveUp := context.WithTimeout(t.Context(), kafkatest.Deadline)
		defer giveUp()
		if err := control.Loaded(ready); err != nil {
			t.Fatal(err)
		}
		return control, func(stream string) float64 {
			mu.Lock()
			defer mu.Unlock()
			return applied[stream]
		}
	}
	first, _ := process()
	_, applied := process()
	if _, ok := first.Rate("sensors"); ok {
		t.Error("got a rate before one was set")
	}
	for _, wrong := range []float64{0, 0.5, -1} {
		if err := first.SetRate(t.Context(), "sensors", wrong); err == nil {
			t.Errorf("rate %v was accepted", wrong)
		}
	}
	for _, rate := range []float64{0.1, 0.02} {
		if err := first.SetRate(t.Context(), "sensors", rate); err != nil {
			t.Fatal(err)
		}
	}
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		if got := applied("sensors"); got != 0.02 {
			return fmt.Errorf("got rate %v in the other process, want 0.02", got)
		}
		return nil
	})
	late, applied := process()
	if got := applied("sensors"); got != 0.02 {
		t.Errorf("got rate %v in a process that started later, want 0.02", got)
	}
	if got, ok := late.Rate("sensors"); !ok || got != 0.02 {
		t.Errorf("got rate %v, %v, want 0.02", got, ok)
	}
}
