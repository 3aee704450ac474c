package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/IBM/sarama"

	"anomalystream/streams"
)

// feedback writes what people say to the feedback topic. It connects when Kafka is there.
type feedback struct {
	site     *site
	producer atomic.Pointer[sarama.SyncProducer]
}

// feedbackRetries bound how long a record is tried, to about the time that a request may take: whoever is told that it was not
// possible must not find it done much later.
const feedbackRetries = 15

func (f *feedback) run(ctx context.Context) error {
	config := f.site.client()
	config.Producer.Retry.Max = feedbackRetries
	var producer sarama.SyncProducer
	err := f.site.patiently(ctx, func() (err error) {
		producer, err = sarama.NewSyncProducer(f.site.kafka.Brokers, config)
		return err
	})
	if err != nil {
		return err
	}
	f.producer.Store(&producer)
	<-ctx.Done()
	f.producer.Store(nil)
	return producer.Close()
}

func (f *feedback) ready(context.Context) error {
	if f.producer.Load() == nil {
		return errors.New("not connected to Kafka")
	}
	return nil
}

// mostAbout is the largest record that carries the incident it is about, in bytes: far below what any broker takes.
const mostAbout = 512 << 10

// encodeFeedback returns the record of feedback. One that is too large goes without the incident: that is told only while it is
// remembered.
func encodeFeedback(f streams.Feedback) ([]byte, error) {
	value, err := streams.MarshalFeedback(&f)
	if err == nil && f.About != nil && len(value) > mostAbout {
		f.About = nil
		return streams.MarshalFeedback(&f)
	}
	return value, err
}

// Give implements api.Feedback.
func (f *feedback) Give(ctx context.Context, records []streams.Feedback) error {
	producer := f.producer.Load()
	if producer == nil {
		return errors.New("writing feedback: not connected to Kafka")
	}
	messages := make([]*sarama.ProducerMessage, len(records))
	for i := range records {
		value, err := encodeFeedback(records[i])
		if err != nil {
			return err
		}
		messages[i] = &sarama.ProducerMessage{Topic: f.site.topics.Feedback(), Key: sarama.StringEncoder(records[i].Key()), Value: sarama.ByteEncoder(value)}
	}
	done := make(chan error, 1)
	go func() { done <- (*producer).SendMessages(messages) }() // It knows no context.
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("writing feedback: %w", err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("writing feedback: %w", ctx.Err())
	}
}
