package processors

import (
	"context"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

// NotifyTicker lets time pass in the journals of the routes: it writes a tick to each at intervals. Several processes may do
// so at once. The time of a tick is that of its record.
type NotifyTicker struct{ config NotifyConfig }

// NewNotifyTicker returns the ticker; Run starts it.
func NewNotifyTicker(c NotifyConfig) (*NotifyTicker, error) {
	c = c.WithDefaults()
	return &NotifyTicker{c}, c.Validate()
}

// Run ticks until the context ends. While Kafka is away there are no ticks, and nothing that a tick would be late for.
func (t *NotifyTicker) Run(ctx context.Context) error {
	var producer sarama.SyncProducer
	defer func() {
		if producer != nil {
			producer.Close()
		}
	}()
	ticker := time.NewTicker(t.config.Tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		var err error
		if producer == nil {
			producer, err = sarama.NewSyncProducer(t.config.Brokers, t.client())
		}
		if producer != nil {
			err = t.tick(producer)
		}
		if err != nil && ctx.Err() == nil {
			t.config.Log.Warn("kafka does not take ticks: waits and repetitions of notifications stand still", "error", err)
		}
	}
}

// client is the configuration of the producer: a tick that is late is worth nothing.
func (t *NotifyTicker) client() *sarama.Config {
	config := *t.config.Sarama
	config.Producer.Retry.Max = 3
	return &config
}

func (t *NotifyTicker) tick(producer sarama.SyncProducer) error {
	var messages []*sarama.ProducerMessage
	for _, r := range t.config.Routes {
		messages = append(messages, &sarama.ProducerMessage{
			Topic: t.config.Topics.NotifyJournal(), Key: sarama.StringEncoder(r.Name), Timestamp: time.Now(),
			Headers: []sarama.RecordHeader{{Key: []byte(headerRecord), Value: []byte(recordTick)}},
		})
	}
	if err := producer.SendMessages(messages); err != nil {
		return fmt.Errorf("writing ticks: %w", err)
	}
	return nil
}
