package processors

import (
	"context"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/streams"
)

// Ticker writes into the journal of every stream what time it is. Several processes may tick. One whose journal groups do not
// read does not: what is not copied meanwhile is not silent.
type Ticker struct {
	config   IncidentConfig
	journals []*JournalGroup
}

// NewTicker returns a ticker for the process of these journal groups; Run starts it.
func NewTicker(c IncidentConfig, journals []*JournalGroup) *Ticker {
	return &Ticker{config: c.WithDefaults(), journals: journals}
}

// Run ticks until the context ends. While Kafka is away it does not tick.
func (t *Ticker) Run(ctx context.Context) error {
	ticker := time.NewTicker(t.config.TickEvery)
	defer ticker.Stop()
	var producer sarama.SyncProducer
	defer func() {
		if producer != nil {
			producer.Close()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			if !t.ready() {
				continue
			}
			var err error
			if producer == nil {
				producer, err = t.connect()
			}
			if err == nil {
				err = t.tick(producer, now)
			}
			if err != nil {
				t.config.Log.Warn("a tick is left out", "error", err)
			}
		}
	}
}

func (t *Ticker) ready() bool {
	for _, j := range t.journals {
		if j.Ready() != nil {
			return false
		}
	}
	return true
}

func (t *Ticker) connect() (sarama.SyncProducer, error) {
	config := *t.config.Sarama
	config.Producer.Return.Successes, config.Producer.Return.Errors = true, true
	producer, err := sarama.NewSyncProducer(t.config.Brokers, &config)
	if err != nil {
		return nil, fmt.Errorf("starting a producer on %v: %w", t.config.Brokers, err)
	}
	return producer, nil
}

func (t *Ticker) tick(producer sarama.SyncProducer, now time.Time) error {
	value, err := streams.MarshalTick(&streams.Tick{At: now.UTC().Truncate(time.Millisecond)})
	if err != nil {
		return err
	}
	var messages []*sarama.ProducerMessage
	for _, d := range t.config.Definitions {
		messages = append(messages, &sarama.ProducerMessage{
			Topic: t.config.Topics.Journal(), Key: sarama.StringEncoder(d.Name), Value: sarama.ByteEncoder(value),
			Headers: []sarama.RecordHeader{{Key: []byte(streams.HeaderRecord), Value: []byte(streams.RecordTick)}},
		})
	}
	if err := producer.SendMessages(messages); err != nil {
		return fmt.Errorf("writing ticks to %s: %w", t.config.Topics.Journal(), err)
	}
	return nil
}
