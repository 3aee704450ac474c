package checkpoint_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/processors/checkpoint"
	"anomalystream/streams"
)

// system is a broker with the topics of a ledger group.
type system struct {
	t testing.TB
	*kafkatest.Client
	partitions int
}

func newSystem(t testing.TB, client *kafkatest.Client, partitions int) *system {
	t.Helper()
	s := &system{t: t, Client: client, partitions: partitions}
	topics := checkpoint.Topics{Brokers: client.Brokers(), Sarama: config(t, client.Brokers()), Log: slog.New(slog.DiscardHandler)}
	if err := topics.Ensure(t.Context(),
		checkpoint.LogSpec("in", partitions, 0, 24*time.Hour), checkpoint.LogSpec("out", partitions, 0, 24*time.Hour),
		checkpoint.LogSpec("dead", partitions, 0, 24*time.Hour), checkpoint.CompactedSpec("status", partitions, 0, time.Minute),
		checkpoint.CompactedSpec(checkpoint.TableOf("ledger"), partitions, 0, time.Minute),
	); err != nil {
		t.Fatal(err)
	}
	return s
}

// send produces values for a key to the partition of the key's hash.
func (s *system) send(key string, values ...string) {
	s.t.Helper()
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: "in", Key: []byte(key), Value: []byte(v), Partition: streams.Partition([]byte(key), int32(s.partitions))}
	}
	s.Produce(records...)
}

// numbers produces n numbers for each of the keys in turn.
func (s *system) numbers(n int, keys ...string) {
	s.t.Helper()
	var records []*kgo.Record
	for i := range n {
		for _, key := range keys {
			records = append(records, &kgo.Record{Topic: "in", Key: []byte(key), Value: fmt.Append(nil, i), Partition: streams.Partition([]byte(key), int32(s.partitions))})
		}
	}
	s.Produce(records...)
}

func names(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("key-%d", i)
	}
	return out
}

type ledgerGroup = checkpoint.Group[*account]

// options returns the configuration of a ledger group.
func options(t testing.TB, brokers []string) checkpoint.Config[*account] {
	t.Helper()
	k := checkpoint.Kafka{Brokers: brokers, Hasher: streams.NewHasher, Session: 30 * time.Second, Flush: time.Millisecond}
	c, err := k.Sarama()
	if err != nil {
		t.Fatal(err)
	}
	c.Consumer.MaxWaitTime = 50 * time.Millisecond // A reader that ends waits for its request to be answered.
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return checkpoint.Config[*account]{
		Group: "ledger", Input: "in", Outputs: []string{"out", "dead", "status"}, Stateful: true, NewApp: newLedger,
		Brokers: brokers, Sarama: c, Hasher: streams.NewHasher, Log: log, Interval: 100 * time.Millisecond,
	}
}

// running is a group at work.
type running struct {
	*ledgerGroup
	t    testing.TB
	stop context.CancelFunc
	done chan error
}

// run starts a group and waits until it reads.
func run(t testing.TB, c checkpoint.Config[*account]) *running {
	t.Helper()
	g, err := checkpoint.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{ledgerGroup: g, t: t, stop: cancel, done: make(chan error, 1)}
	go func() { r.done <- g.Run(ctx) }()
	t.Cleanup(r.end)
	kafkatest.Eventually(t, kafkatest.Deadline, g.Ready)
	return r
}

// end stops the group in order.
func (r *running) end() {
	r.t.Helper()
	r.stop()
	select {
	case err, ok := <-r.done:
		if ok && err != nil {
			r.t.Errorf("the group ended with %v", err)
		}
		if ok {
			close(r.done)
		}
	case <-time.After(kafkatest.Deadline):
		r.t.Error("the group did not stop")
	}
}
