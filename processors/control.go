package processors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// Control carries changes made at run time to every process: they are records of the compacted control topic, keyed by
// stream. It is safe for concurrent use.
type Control struct {
	brokers []string
	topic   string
	sarama  *sarama.Config
	apply   func(stream string, rate float64)
	log     *slog.Logger
	loaded  chan struct{} // Closed when the topic was read to its end once.
	once    sync.Once

	mu    sync.Mutex
	rates map[string]float64
}

// change is the record of the control topic.
type change struct {
	Stream string  `json:"stream"`
	Rate   float64 `json:"requested_rate"`
}

// NewControl returns the control of an installation. apply is called with each rate that is set, also with those set before;
// nil where this process runs no detectors.
func NewControl(brokers []string, topic string, config *sarama.Config, apply func(stream string, rate float64), log *slog.Logger) *Control {
	if apply == nil {
		apply = func(string, float64) {}
	}
	return &Control{
		brokers: brokers, topic: topic, sarama: config, apply: apply, log: log.With("topic", topic),
		loaded: make(chan struct{}), rates: map[string]float64{},
	}
}

// Rate returns the rate that was set for a stream at run time, and false where the configuration's holds.
func (c *Control) Rate(stream string) (float64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.rates[stream]
	return r, ok
}

// SetRate sets the requested false-alarm rate of a stream, in (0, 0.5), in every process and for all later starts.
func (c *Control) SetRate(ctx context.Context, stream string, rate float64) error {
	if !(rate > 0 && rate < 0.5) {
		return fmt.Errorf("setting the rate of stream %s: expected a number in (0, 0.5), found %v", stream, rate)
	}
	value, err := json.Marshal(change{Stream: stream, Rate: rate})
	if err != nil {
		return fmt.Errorf("setting the rate of stream %s: %w", stream, err)
	}
	done := make(chan error, 1)
	go func() { done <- c.send(stream, value) }()
	select {
	case <-ctx.Done():
		return fmt.Errorf("setting the rate of stream %s: %w", stream, ctx.Err())
	case err := <-done:
		if err != nil {
			return fmt.Errorf("setting the rate of stream %s on %s: %w", stream, strings.Join(c.brokers, ","), err)
		}
		c.note(change{Stream: stream, Rate: rate})
		return nil
	}
}

func (c *Control) send(key string, value []byte) error {
	producer, err := sarama.NewSyncProducer(c.brokers, c.sarama)
	if err != nil {
		return err
	}
	_, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: c.topic, Key: sarama.StringEncoder(key), Value: sarama.ByteEncoder(value)})
	return errors.Join(err, producer.Close())
}

// Loaded waits until the changes made so far are applied. Detectors that start before would judge their first events by the
// rate of the configuration.
func (c *Control) Loaded(ctx context.Context) error {
	select {
	case <-c.loaded:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("reading topic %s: %w", c.topic, ctx.Err())
	}
}

// Run applies changes as they come until the context ends. While the brokers are away it waits.
func (c *Control) Run(ctx context.Context) error {
	for {
		err := c.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		c.log.Warn("following the control topic stopped, starting again", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// follow reads the topic from its start.
func (c *Control) follow(ctx context.Context) error {
	client, err := sarama.NewClient(c.brokers, c.sarama)
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", strings.Join(c.brokers, ","), err)
	}
	defer client.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return err
	}
	defer consumer.Close()
	partitions, err := client.Partitions(c.topic)
	if err != nil {
		return fmt.Errorf("reading topic %s: %w", c.topic, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var readers, behind sync.WaitGroup
	defer readers.Wait()
	defer cancel(nil)
	for _, p := range partitions {
		end, err := client.GetOffset(c.topic, p, sarama.OffsetNewest)
		if err != nil {
			return fmt.Errorf("reading topic %s: %w", c.topic, err)
		}
		oldest, err := client.GetOffset(c.topic, p, sarama.OffsetOldest)
		if err != nil {
			return fmt.Errorf("reading topic %s: %w", c.topic, err)
		}
		reader, err := consumer.ConsumePartition(c.topic, p, oldest)
		if err != nil {
			return fmt.Errorf("reading topic %s: %w", c.topic, err)
		}
		behind.Add(1)
		caughtUp := sync.OnceFunc(behind.Done)
		if oldest >= end {
			caughtUp()
		}
		readers.Go(func() {
			defer caughtUp()
			defer reader.Close()
			for {
				select {
				case <-ctx.Done():
					return
				case err := <-reader.Errors():
					cancel(err)
					return
				case m := <-reader.Messages():
					c.take(m)
					if m.Offset >= end-1 {
						caughtUp()
					}
				}
			}
		})
	}
	behind.Wait()
	if ctx.Err() == nil {
		c.once.Do(func() { close(c.loaded) })
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func (c *Control) take(m *sarama.ConsumerMessage) {
	if m == nil || m.Value == nil {
		return
	}
	var ch change
	if err := json.Unmarshal(m.Value, &ch); err != nil || ch.Stream == "" || !(ch.Rate > 0 && ch.Rate < 0.5) {
		c.log.Warn("skipping a record of the control topic that is no change", "partition", m.Partition, "offset", m.Offset, "error", err)
		return
	}
	c.note(ch)
}

// note applies a change in this process.
func (c *Control) note(ch change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rates[ch.Stream] = ch.Rate
	c.apply(ch.Stream, ch.Rate)
}
