package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/IBM/sarama"

	"anomalystream/internal/retry"
	"anomalystream/sink/letters"
	"anomalystream/sink/reading"
	"anomalystream/streams"
)

// Config configures a Consumer.
type Config struct {
	Target  *Target
	Topics  streams.Topics
	Brokers []string
	Sarama  *sarama.Config
	Log     *slog.Logger // Default discards.
	Metrics *Metrics     // Default measures for nobody.
}

// WithDefaults returns the configuration with every unset field filled.
func (c Config) WithDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
	return c
}

// Validate reports what is wrong with the configuration.
func (c Config) Validate() error {
	if c.Target == nil || c.Sarama == nil || len(c.Brokers) == 0 {
		return errors.New("configuring a route: target, brokers and client configuration are required")
	}
	return nil
}

// Consumer delivers the messages of one route, one after the other. Processes of one installation share the work.
type Consumer struct {
	cfg     Config
	metrics *routeMetrics
	reading atomic.Bool
}

// NewConsumer returns the consumer of a route; Run starts it. All consumers of a process are made before the metrics are read.
func NewConsumer(c Config) (*Consumer, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.Log = c.Log.With("route", c.Target.route.Name)
	return &Consumer{cfg: c, metrics: c.Metrics.route(c.Target.route.Name)}, nil
}

// Ready returns nil while the consumer reads, whether or not the receiver takes what it brings.
func (c *Consumer) Ready() error {
	if !c.reading.Load() {
		return errors.New("not connected to Kafka yet")
	}
	return nil
}

// Run works until the context ends; while the brokers are away it tries again with growing pauses.
func (c *Consumer) Run(ctx context.Context) error {
	retry.Sessions(ctx, c.cfg.Log, "the route lost Kafka and connects again", func(ctx context.Context) error {
		defer c.reading.Store(false)
		return c.session(ctx)
	})
	return nil
}

func (c *Consumer) session(ctx context.Context) error {
	config := reading.Client(c.cfg.Sarama, "route-"+c.cfg.Target.route.Name)
	client, err := sarama.NewClient(c.cfg.Brokers, config)
	if err != nil {
		return fmt.Errorf("connecting to %v: %w", c.cfg.Brokers, err)
	}
	defer client.Close()
	name := c.cfg.Topics.RouteGroup(c.cfg.Target.route.Name)
	group, err := sarama.NewConsumerGroupFromClient(name, client)
	if err != nil {
		return fmt.Errorf("joining group %s: %w", name, err)
	}
	defer group.Close()
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return fmt.Errorf("connecting to %v: %w", c.cfg.Brokers, err)
	}
	defer producer.Close()
	h := &handler{Consumer: c, client: client, group: name, letters: &letters.Writer{
		Producer: producer, Topic: c.cfg.Topics.DeadLetters(), Largest: config.Producer.MaxMessageBytes, Log: c.cfg.Log,
	}}
	return reading.Consume(ctx, c.cfg.Log, group, name, []string{c.cfg.Topics.Notifications()}, h)
}

// handler takes the messages of one session.
type handler struct {
	*Consumer
	client  sarama.Client
	group   string
	letters *letters.Writer
}

func (h *handler) Setup(sarama.ConsumerGroupSession) error   { h.reading.Store(true); return nil }
func (h *handler) Cleanup(sarama.ConsumerGroupSession) error { h.reading.Store(false); return nil }

// ConsumeClaim delivers the messages of the route in a partition; those of other routes it passes by. When the session ends,
// what is not committed is left to the next owner of the partition.
func (h *handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	told, err := h.remembered(claim)
	if err != nil {
		return err
	}
	for m := range claim.Messages() {
		own := string(m.Key) == h.cfg.Target.route.Name
		if own {
			if err := h.message(session.Context(), m, told); err != nil {
				return nil // The session has ended.
			}
		}
		session.MarkMessage(m, told.String())
		if own || len(claim.Messages()) == 0 {
			session.Commit()
		}
	}
	return nil
}

// remembered reads which messages of a partition were delivered last.
func (h *handler) remembered(claim sarama.ConsumerGroupClaim) (*memory, error) {
	offsets, err := sarama.NewOffsetManagerFromClient(h.group, h.client)
	if err != nil {
		return nil, fmt.Errorf("reading what is delivered of partition %d: %w", claim.Partition(), err)
	}
	defer offsets.Close()
	partition, err := offsets.ManagePartition(claim.Topic(), claim.Partition())
	if err != nil {
		return nil, fmt.Errorf("reading what is delivered of partition %d: %w", claim.Partition(), err)
	}
	defer partition.AsyncClose() // Nothing was marked; closing the manager waits for it.
	_, metadata := partition.NextOffset()
	return remembered(metadata), nil
}
