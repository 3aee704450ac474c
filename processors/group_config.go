package processors

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"

	"anomalystream/processors/checkpoint"
	"anomalystream/streams"
)

// GroupConfig is what all groups are configured with: how to reach Kafka, and how state is saved.
type GroupConfig struct {
	Topics    streams.Topics
	Brokers   []string
	Sarama    *sarama.Config // From checkpoint.Kafka.Sarama.
	MaxRecord int            // Largest value of a source record, in bytes; default 1 MiB.

	Interval time.Duration // Between checkpoints; default 2 s.
	Pacing   time.Duration // Pause between the snapshots of a sweep; 0 for none.

	Log    *slog.Logger        // Default discards.
	Groups *checkpoint.Metrics // Default measures for nobody.
}

// WithDefaults returns the configuration with every unset field filled.
func (c GroupConfig) WithDefaults() GroupConfig {
	if c.MaxRecord == 0 {
		c.MaxRecord = 1 << 20
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate reports what is wrong with the configuration.
func (c GroupConfig) Validate() error {
	if c.Sarama == nil || len(c.Brokers) == 0 {
		return errors.New("how to reach Kafka is not set")
	}
	return nil
}

// newGroup returns a group that works as configured; g says what is its own.
func newGroup[S any](c GroupConfig, g checkpoint.Config[S]) (*checkpoint.Group[S], error) {
	g.Brokers, g.Sarama, g.Hasher = c.Brokers, outputClient(c.Sarama, c.MaxRecord), streams.NewHasher
	g.Interval, g.Pacing, g.Log, g.Metrics = c.Interval, c.Pacing, c.Log, c.Groups
	return checkpoint.New(g)
}

// Config configures the groups of one stream.
type Config struct {
	GroupConfig
	Definition *streams.Definition
	Metrics    *Metrics // Default measures for nobody.
}

// WithDefaults returns the configuration with every unset field filled.
func (c Config) WithDefaults() Config {
	c.GroupConfig = c.GroupConfig.WithDefaults()
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
	return c
}

// Validate reports what is wrong with the configuration.
func (c Config) Validate() error {
	if c.Definition == nil || c.Definition.Name == "" {
		return errors.New("configuring a group: the stream's definition is not set")
	}
	if err := c.GroupConfig.Validate(); err != nil {
		return fmt.Errorf("configuring the groups of stream %s: %w", c.Definition.Name, err)
	}
	return nil
}

func (c Config) refusal() refusal {
	return refusal{
		stream: c.Definition.Name, topic: c.Topics.DeadLetters(), max: largestLetter(c.MaxRecord),
		rejects: c.Metrics.rejects.MustCurryWith(prometheus.Labels{"stream": c.Definition.Name}),
	}
}

// record is the streams.Record of a message.
func record(m *checkpoint.Message) streams.Record {
	return streams.Record{
		Key: m.Key, Value: m.Value, Timestamp: m.Timestamp, Source: streams.Position(m.Source),
		Replay: m.Backfill || streams.ReplayFromHeaders(lookup(m)),
	}
}

func lookup(m *checkpoint.Message) func(string) []byte {
	return func(name string) []byte {
		v, _ := m.Header(name)
		return v
	}
}
