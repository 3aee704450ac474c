package views

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"

	"anomalystream/internal/retry"
)

// Tail follows a topic live, from some records before its end at the time it starts. While the brokers are away it waits and
// then goes on where it stopped, so that its reader misses nothing.
type Tail struct {
	brokers []string
	topic   string
	sarama  *sarama.Config
	deliver func(*sarama.ConsumerMessage)
	history int64
	log     *slog.Logger

	mu      sync.Mutex
	next    map[int32]int64 // Offset to read next, by partition.
	past    map[int32]int64 // End of the partition when it was first opened.
	opened  bool            // Every partition was opened once.
	running atomic.Bool
}

// NewTail returns a tail that calls deliver for each record, beginning with the last history records of each partition. Calls
// of different partitions may run at the same time.
func NewTail(brokers []string, topic string, config *sarama.Config, history int64, deliver func(*sarama.ConsumerMessage), log *slog.Logger) *Tail {
	return &Tail{brokers: brokers, topic: topic, sarama: config, deliver: deliver, history: history, log: log.With("topic", topic), next: map[int32]int64{}, past: map[int32]int64{}}
}

// Running reports whether the tail is connected and reads.
func (t *Tail) Running() bool { return t.running.Load() }

// CaughtUp reports whether everything that was in the topic when the tail first opened it has been delivered.
func (t *Tail) CaughtUp() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p, end := range t.past {
		if t.next[p] < end {
			return false
		}
	}
	return t.opened
}

// Run follows the topic until the context ends.
func (t *Tail) Run(ctx context.Context) error {
	retry.Sessions(ctx, t.log, "following a topic stopped, starting again", func(ctx context.Context) error {
		defer t.running.Store(false)
		return t.follow(ctx)
	})
	return nil
}

func (t *Tail) follow(ctx context.Context) error {
	client, err := sarama.NewClient(t.brokers, t.sarama)
	if err != nil {
		return fmt.Errorf("connecting to %v: %w", t.brokers, err)
	}
	defer client.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return fmt.Errorf("reading topic %s: %w", t.topic, err)
	}
	defer consumer.Close()
	partitions, err := client.Partitions(t.topic)
	if err != nil {
		return fmt.Errorf("reading topic %s: %w", t.topic, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, p := range partitions {
		reader, err := t.open(client, consumer, p)
		if err != nil {
			cancel(err)
			return err
		}
		wg.Go(func() {
			defer reader.Close()
			for {
				select {
				case <-ctx.Done():
					return
				case m, ok := <-reader.Messages():
					if !ok {
						cancel(fmt.Errorf("reading topic %s partition %d: the reader ended", t.topic, p))
						return
					}
					t.deliver(m)
					t.mu.Lock()
					t.next[p] = m.Offset + 1
					t.mu.Unlock()
				}
			}
		})
	}
	t.mu.Lock()
	t.opened = true
	t.mu.Unlock()
	t.running.Store(true)
	<-ctx.Done()
	return context.Cause(ctx)
}

// open starts reading a partition where the tail stopped, or near its end. What was deleted meanwhile is skipped.
func (t *Tail) open(client sarama.Client, consumer sarama.Consumer, p int32) (sarama.PartitionConsumer, error) {
	t.mu.Lock()
	offset, ok := t.next[p]
	t.mu.Unlock()
	newest, err := client.GetOffset(t.topic, p, sarama.OffsetNewest)
	if err != nil {
		return nil, fmt.Errorf("reading topic %s partition %d: %w", t.topic, p, err)
	}
	oldest, err := client.GetOffset(t.topic, p, sarama.OffsetOldest)
	if err != nil {
		return nil, fmt.Errorf("reading topic %s partition %d: %w", t.topic, p, err)
	}
	if !ok {
		offset = newest - t.history
	}
	offset = min(max(offset, oldest), newest)
	t.mu.Lock()
	t.next[p] = offset
	if !ok {
		t.past[p] = newest
	}
	t.mu.Unlock()
	reader, err := consumer.ConsumePartition(t.topic, p, offset)
	if err != nil {
		return nil, fmt.Errorf("reading topic %s partition %d: %w", t.topic, p, err)
	}
	return reader, nil
}
