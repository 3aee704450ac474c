package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"

	"anomalystream/internal/retry"
	"anomalystream/sink/reading"
	"anomalystream/streams"
)

// ConsumerConfig configures a Consumer.
type ConsumerConfig struct {
	Brokers    []string
	Sarama     *sarama.Config
	Group      string
	Topics     streams.Topics
	Store      *Store
	BatchSize  int           // Records of one write at most; default 1000.
	BatchWait  time.Duration // A smaller batch is written after this; default 200 ms.
	Log        *slog.Logger  // Default discards.
	Registerer prometheus.Registerer
}

// batchBytes bounds a batch, whatever the size of records: many large ones would not fit into a statement.
const batchBytes = 8 << 20

// WithDefaults returns the configuration with every unset field filled.
func (c ConsumerConfig) WithDefaults() ConsumerConfig {
	if c.BatchSize == 0 {
		c.BatchSize = 1000
	}
	if c.BatchWait == 0 {
		c.BatchWait = 200 * time.Millisecond
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate reports what is wrong with the configuration.
func (c ConsumerConfig) Validate() error {
	if len(c.Brokers) == 0 || c.Sarama == nil || c.Store == nil || c.Group == "" {
		return errors.New("configuring the sink: brokers, client configuration, group and store are required")
	}
	if c.BatchSize < 1 || c.BatchWait < 0 {
		return fmt.Errorf("configuring the sink: expected a batch of 1 record or more and a wait of 0 or more, found %d and %s", c.BatchSize, c.BatchWait)
	}
	return nil
}

// Consumer fills the store from the topics of anomalies, rollups, statuses, incidents, feedback and dead letters. Offsets are committed after the
// rows they stand for; any number of consumers of one group share the work, and those of other groups do no harm.
type Consumer struct {
	cfg     ConsumerConfig
	metrics *metrics
	reading atomic.Bool
	away    atomic.Pointer[error] // Why the store does not answer.
}

// NewConsumer returns a consumer; Run starts it.
func NewConsumer(c ConsumerConfig) (*Consumer, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Consumer{cfg: c, metrics: newMetrics(c.Registerer)}, nil
}

// Ready returns nil while the consumer reads and the store takes what it writes.
func (c *Consumer) Ready(context.Context) error {
	if err := c.away.Load(); err != nil {
		return *err
	}
	if !c.reading.Load() {
		return errors.New("not connected to Kafka yet")
	}
	return nil
}

// Run works until the context ends; while the brokers are away it tries again with growing pauses.
func (c *Consumer) Run(ctx context.Context) error {
	retry.Sessions(ctx, c.cfg.Log, "the sink lost Kafka and connects again", func(ctx context.Context) error {
		defer c.reading.Store(false)
		return c.session(ctx)
	})
	return nil
}

func (c *Consumer) session(ctx context.Context) error {
	config := reading.Client(c.cfg.Sarama, "sink")
	group, err := sarama.NewConsumerGroup(c.cfg.Brokers, c.cfg.Group, config)
	if err != nil {
		return fmt.Errorf("connecting to %v: %w", c.cfg.Brokers, err)
	}
	defer group.Close()
	producer, err := sarama.NewSyncProducer(c.cfg.Brokers, config)
	if err != nil {
		return fmt.Errorf("connecting to %v: %w", c.cfg.Brokers, err)
	}
	defer producer.Close()
	h := &handler{Consumer: c, producer: producer, largest: config.Producer.MaxMessageBytes}
	return reading.Consume(ctx, c.cfg.Log, group, c.cfg.Group, consumed(c.cfg.Topics), h)
}

// consumed are the topics that fill the store.
func consumed(t streams.Topics) []string {
	return []string{t.Anomalies(), t.Rollups(), t.Detectors(), t.Incidents(), t.Feedback(), t.DeadLetters()}
}

// handler takes the messages of one session.
type handler struct {
	*Consumer
	producer sarama.SyncProducer
	largest  int // Bytes of a record that the producer takes.
}

func (h *handler) Setup(sarama.ConsumerGroupSession) error   { h.reading.Store(true); return nil }
func (h *handler) Cleanup(sarama.ConsumerGroupSession) error { h.reading.Store(false); return nil }

// ConsumeClaim gathers the messages of one partition into batches. While a batch waits for the store nothing more is read, so
// Kafka holds what comes meanwhile. When the session ends, what is not committed is left to the next owner of the partition.
func (h *handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	p := &pile{handler: h, claim: claim}
	timer := time.NewTimer(h.cfg.BatchWait)
	timer.Stop()
	for {
		select {
		case m, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			if len(p.messages) == 0 {
				timer.Reset(h.cfg.BatchWait)
			}
			if p.add(m); !p.full() {
				continue
			}
		case <-timer.C:
		case <-session.Context().Done():
			return nil
		}
		timer.Stop()
		if err := p.write(session.Context()); err != nil {
			return nil
		}
		session.MarkMessage(p.messages[len(p.messages)-1], "")
		session.Commit()
		p.clear()
	}
}
