package views_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/views"
)

func client() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	return c
}

// TestTailBringsThePastThenTheLive checks history, the moment it is caught up, and that nothing is missed or doubled.
func TestTailBringsThePastThenTheLive(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Start(t)
	k := kafkatest.Dial(t, broker.Brokers()...)
	k.CreateTopic("alerts", 2)
	record := func(i int) *kgo.Record {
		return &kgo.Record{Topic: "alerts", Partition: int32(i % 2), Value: []byte(fmt.Sprint(i))}
	}
	for i := range 20 {
		k.Produce(record(i))
	}
	var mu sync.Mutex
	got := map[string]int{}
	tail := views.NewTail(broker.Brokers(), "alerts", client(), 5, func(m *sarama.ConsumerMessage) {
		mu.Lock()
		defer mu.Unlock()
		got[string(m.Value)]++
	}, slog.New(slog.DiscardHandler))
	if tail.CaughtUp() {
		t.Error("a tail that never ran is caught up")
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tail.Run(ctx) }()
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		if !tail.CaughtUp() || !tail.Running() {
			return fmt.Errorf("caught up: %v, running: %v", tail.CaughtUp(), tail.Running())
		}
		return nil
	})
	for i := 20; i < 30; i++ {
		k.Produce(record(i))
	}
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(got) < 20 {
			return fmt.Errorf("%d records", len(got))
		}
		return nil
	})
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for i := range 30 {
		want := 0
		if i >= 10 { // Five of each partition are history.
			want = 1
		}
		if n := got[fmt.Sprint(i)]; n != want {
			t.Errorf("record %d came %d times, want %d", i, n, want)
		}
	}
}

// TestTableFollowsATopic checks recovery, changes, tombstones, and records that cannot be decoded.
func TestTableFollowsATopic(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Start(t)
	k := kafkatest.Dial(t, broker.Brokers()...)
	k.CreateTopic("rows", 2, "cleanup.policy", "compact")
	put := func(key, value string) {
		r := &kgo.Record{Topic: "rows", Partition: int32(len(key) % 2), Key: []byte(key)}
		if value != "" {
			r.Value = []byte(value)
		}
		k.Produce(r)
	}
	put("a", "1")
	put("bb", "2")
	put("bb", "bad")
	put("c", "3")
	put("c", "")
	decode := func(b []byte) (string, error) {
		if string(b) == "bad" {
			return "", fmt.Errorf("bad")
		}
		return string(b), nil
	}
	table := views.NewTable(broker.Brokers(), "rows", client(), decode, slog.New(slog.DiscardHandler))
	var mu sync.Mutex
	changes := 0
	table.OnChange(func(string) { mu.Lock(); changes++; mu.Unlock() })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- table.Run(ctx) }()
	expect := func(want map[string]string) {
		t.Helper()
		kafkatest.Eventually(t, kafkatest.Deadline, func() error {
			got := map[string]string{}
			table.Each(func(key, row string) bool { got[key] = row; return true })
			if fmt.Sprint(got) != fmt.Sprint(want) || !table.Recovered() || table.Len() != len(want) {
				return fmt.Errorf("rows %v, recovered %v, want %v", got, table.Recovered(), want)
			}
			return nil
		})
	}
	expect(map[string]string{"a": "1", "bb": "2"})
	put("dddd", "4")
	put("a", "")
	expect(map[string]string{"bb": "2", "dddd": "4"})
	if table.Invalid() != 1 {
		t.Errorf("%d records were invalid, want 1", table.Invalid())
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if changes < 4 {
		t.Errorf("%d changes were told", changes)
	}
}
