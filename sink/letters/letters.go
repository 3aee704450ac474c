// Package letters writes dead letters for those who read topics and cannot use a record.
package letters

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/internal/retry"
	"anomalystream/streams"
)

// Writer writes dead letters to their topic. It is safe for concurrent use.
type Writer struct {
	Producer sarama.SyncProducer
	Topic    string
	Largest  int // Bytes of a record that the producer takes.
	Log      *slog.Logger
}

// Write writes the dead letter of a message, waiting while Kafka does not take it. It returns an error only when the context ends.
func (w *Writer) Write(ctx context.Context, m *sarama.ConsumerMessage, stream, stage string, reject *streams.Reject) error {
	source := streams.Position{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}
	letter := streams.DeadLetter{
		Stream: stream, Source: source, Key: m.Key, Value: m.Value, Timestamp: m.Timestamp.UTC(), Stage: stage,
		Code: reject.Code, Reason: strings.ToValidUTF8(reject.Reason, "\ufffd"),
	}
	for _, h := range m.Headers {
		letter.Headers = append(letter.Headers, streams.Header{Key: strings.ToValidUTF8(string(h.Key), "\ufffd"), Value: h.Value})
	}
	value, err := w.encode(&letter)
	if err != nil {
		// Every field has a JSON form, except a stream's name that is not UTF-8, which no decoded record has.
		w.Log.Error("a refused record has no dead letter", "source", source.String(), "error", err)
		return nil
	}
	message := &sarama.ProducerMessage{Topic: w.Topic, Value: sarama.ByteEncoder(value)}
	if m.Key != nil {
		message.Key = sarama.ByteEncoder(m.Key)
	}
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		_, _, err := w.Producer.SendMessage(message)
		if err == nil {
			return nil
		}
		w.Log.Warn("kafka does not take a dead letter, trying again", "error", err, "pause", pause.String())
		if err := retry.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// encode returns the record of a dead letter. One that would be larger than Kafka takes goes without what made it so: the
// record itself is still at its source.
func (w *Writer) encode(l *streams.DeadLetter) ([]byte, error) {
	value, err := streams.MarshalDeadLetter(l)
	if framing := 1 << 10; err == nil && len(value)+len(l.Key)+framing > w.Largest {
		l.Reason = fmt.Sprintf("%.10000s; the record's value (%d bytes) and headers are too large to keep here", l.Reason, len(l.Value))
		l.Value, l.Headers = nil, nil
		value, err = streams.MarshalDeadLetter(l)
	}
	return value, err
}
