package processors

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/streams"
)

// Ticker writes into a journal, for each of its keys, what time it is: at intervals, where nothing else would let time pass.
// Several processes may do so at once.
type Ticker struct {
	brokers []string
	client  *sarama.Config
	journal string
	keys    []string
	every   time.Duration
	windows func(key string, at time.Time) []streams.OpenWindow
	ready   func() error // It does not tick while this is an error.
	log     *slog.Logger
}

// NewIncidentTicker returns the ticker of the process of these journal groups; Run starts it. While one of them does not read it
// does not tick: what is not copied meanwhile is not silent.
func NewIncidentTicker(c IncidentConfig, journals []*JournalGroup) (*Ticker, error) {
	c = c.WithDefaults()
	t := &Ticker{brokers: c.Brokers, client: c.Sarama, journal: c.Topics.Journal(), every: c.TickEvery, windows: c.Windows, log: c.Log}
	for _, d := range c.Definitions {
		t.keys = append(t.keys, d.Name)
	}
	t.ready = func() error {
		for _, j := range journals {
			if err := j.Ready(); err != nil {
				return err
			}
		}
		return nil
	}
	return t, c.Validate()
}

// NewNotifyTicker returns the ticker of the routes' journals; Run starts it.
func NewNotifyTicker(c NotifyConfig) (*Ticker, error) {
	c = c.WithDefaults()
	t := &Ticker{
		brokers: c.Brokers, client: c.Sarama, journal: c.Topics.NotifyJournal(), every: c.TickEvery, log: c.Log,
		windows: noWindows, ready: func() error { return nil },
	}
	for _, r := range c.Routes {
		t.keys = append(t.keys, r.Name)
	}
	return t, c.Validate()
}

// Run ticks until the context ends. While Kafka is away there are no ticks, and nothing that a tick would be late for.
func (t *Ticker) Run(ctx context.Context) error {
	var producer sarama.SyncProducer
	defer func() {
		if producer != nil {
			producer.Close()
		}
	}()
	client := *t.client
	client.Producer.Retry.Max = 3 // A tick that is late is worth nothing.
	ticker := time.NewTicker(t.every)
	defer ticker.Stop()
	for {
		var now time.Time
		select {
		case <-ctx.Done():
			return nil
		case now = <-ticker.C:
		}
		if t.ready() != nil {
			continue
		}
		var err error
		if producer == nil {
			producer, err = sarama.NewSyncProducer(t.brokers, &client)
		}
		if err == nil {
			err = t.tick(producer, now)
		}
		if err != nil && ctx.Err() == nil {
			t.log.Warn("kafka takes no ticks: what waits for time to pass stands still", "journal", t.journal, "error", err)
		}
	}
}

func (t *Ticker) tick(producer sarama.SyncProducer, now time.Time) error {
	at := now.UTC().Truncate(time.Millisecond)
	var messages []*sarama.ProducerMessage
	for _, key := range t.keys {
		value, err := streams.MarshalTick(&streams.Tick{At: at, Windows: t.windows(key, at)})
		if err != nil {
			return err
		}
		messages = append(messages, &sarama.ProducerMessage{
			Topic: t.journal, Key: sarama.StringEncoder(key), Value: sarama.ByteEncoder(value), Timestamp: now,
			Headers: []sarama.RecordHeader{{Key: []byte(streams.HeaderRecord), Value: []byte(streams.RecordTick)}},
		})
	}
	if err := producer.SendMessages(messages); err != nil {
		return fmt.Errorf("writing ticks: %w", err)
	}
	return nil
}
