package emitters

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/internal/retry"
)

// Pauses between attempts to write while Kafka is away.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 10 * time.Second
)

// maxBatch is how many events one write holds at most.
const maxBatch = 1000

// deliver writes events of one stream, again and again while Kafka is away, in their order. An event whose
// acknowledgement was lost may be written twice. It gives up when the context ends, and on what will not get better.
func (p *Publisher) deliver(ctx context.Context, log *slog.Logger, stream string, events []Event) error {
	messages, err := p.messages(stream, events)
	if err != nil {
		return err
	}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		failed, err := p.send(ctx, messages)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case permanent(err):
			return err
		}
		log.Warn("kafka is not taking events, trying again", "stream", stream, "pause", pause, "error", err)
		if err := retry.Sleep(ctx, pause); err != nil {
			return err
		}
		messages = fresh(failed)
	}
}

// permanent reports errors that no later attempt mends.
func permanent(err error) bool {
	for _, e := range []error{
		sarama.ErrMessageSizeTooLarge, sarama.ErrTopicAuthorizationFailed, sarama.ErrClusterAuthorizationFailed,
		sarama.ErrInvalidTopic, sarama.ErrSASLAuthenticationFailed, sarama.ErrClosedClient,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// fresh copies messages without what an attempt left in them.
func fresh(messages []*sarama.ProducerMessage) []*sarama.ProducerMessage {
	out := make([]*sarama.ProducerMessage, len(messages))
	for i, m := range messages {
		out[i] = &sarama.ProducerMessage{Topic: m.Topic, Key: m.Key, Value: m.Value, Headers: m.Headers, Timestamp: m.Timestamp}
	}
	return out
}
