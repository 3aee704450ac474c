package checkpoint_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"anomalystream/internal/embedded"
	"anomalystream/internal/freeport"
	"anomalystream/internal/kafkatest"
	"anomalystream/processors/checkpoint"
)

func TestEnsureCreatesAndChecksTopics(t *testing.T) {
	t.Parallel()
	broker := start(t)
	topics := checkpoint.Topics{Brokers: broker.Brokers(), Sarama: config(t, broker.Brokers()), Log: slog.New(slog.DiscardHandler)}
	specs := []checkpoint.TopicSpec{
		{Name: "source", Create: 3},
		checkpoint.CompactedSpec("table", 3, 1, time.Minute),
		checkpoint.LogSpec("anomalies", 3, 1, time.Hour),
	}
	for range 2 { // The second time everything exists.
		if err := topics.Ensure(t.Context(), specs...); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := topics.Partitions(t.Context(), "source"); err != nil || n != 3 {
		t.Errorf("got %d partitions (%v), want 3", n, err)
	}
	if n, err := topics.Partitions(t.Context(), "absent"); err != nil || n != 0 {
		t.Errorf("got %d partitions of a topic that does not exist (%v), want 0", n, err)
	}
	if diff, err := topics.Check(t.Context(), specs...); err != nil || len(diff) != 0 {
		t.Errorf("got differences %v (%v), want none", diff, err)
	}

	specs[1].Partitions = 4
	specs[2].Config["cleanup.policy"] = "compact"
	specs[2].Config["retention.ms"] = "1000"
	err := topics.Ensure(t.Context(), specs...)
	var wrong *checkpoint.TopicError
	if !errors.As(err, &wrong) || len(wrong.Differences) != 2 {
		t.Fatalf("got error %v, want a TopicError with the partitions and the policy", err)
	}
	for _, want := range []string{"topic table: partitions: expected 4, found 3", "topic anomalies: cleanup.policy: expected compact, found "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want it to say %q", err, want)
		}
	}
	diff, err := topics.Check(t.Context(), append(specs, checkpoint.TopicSpec{Name: "absent"})...)
	if err != nil || len(diff) != 4 {
		t.Errorf("got %v (%v), want four differences: partitions, policy, retention, absent", diff, err)
	}
}

// TestEnsureWaitsForKafka starts the broker only after Ensure has said that it waits, and for whom.
func TestEnsureWaitsForKafka(t *testing.T) {
	t.Parallel()
	addr := freeport.Address(t)
	said := make(chan string, 10)
	log := slog.New(slog.NewTextHandler(lines(said), nil))
	topics := checkpoint.Topics{Brokers: []string{addr}, Sarama: config(t, []string{addr}), Log: log}
	done := make(chan error, 1)
	go func() { done <- topics.Ensure(t.Context(), checkpoint.TopicSpec{Name: "late", Create: 1}) }()
	select {
	case line := <-said:
		for _, want := range []string{addr, "refused"} {
			if !strings.Contains(line, want) {
				t.Errorf("got %q, want it to name %q", line, want)
			}
		}
	case <-time.After(kafkatest.Deadline):
		t.Fatal("nothing was said about the missing broker")
	}
	broker, err := embedded.Start(embedded.Config{Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(kafkatest.Deadline):
		t.Fatal("the topic was not created after the broker came")
	}
}

func TestEnsureEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	topics := checkpoint.Topics{Brokers: []string{"127.0.0.1:1"}, Sarama: config(t, []string{"127.0.0.1:1"}), Log: slog.New(slog.DiscardHandler)}
	if err := topics.Ensure(ctx, checkpoint.TopicSpec{Name: "x"}); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Fatalf("got %v, want the end of the context and the address", err)
	}
}

// lines sends what is written to a channel, as far as it is read.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	select {
	case l <- string(bytes.TrimSpace(b)):
	default:
	}
	return len(b), nil
}
