package sink

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/streams"
)

// stageSink is the stage of dead letters written here.
const stageSink = "sink"

// refuse writes a message to the dead letters, waiting while Kafka does not take it. A dead letter that the store refuses is
// not written again: it would come back. It returns an error only when the context ends.
func (p *pile) refuse(ctx context.Context, e entry, reject *streams.Reject) error {
	m := e.message
	p.metrics.refused.Inc()
	source := streams.Position{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}
	if m.Topic == p.cfg.Topics.DeadLetters() {
		p.cfg.Log.Warn("a dead letter cannot be stored; it stays in the topic", "source", source.String(), "code", reject.Code, "reason", reject.Reason)
		return nil
	}
	p.cfg.Log.Warn("a record was refused", "source", source.String(), "code", reject.Code, "reason", reject.Reason)
	letter := streams.DeadLetter{
		Stream: e.stream, Source: source, Key: m.Key, Value: m.Value, Timestamp: m.Timestamp.UTC(), Stage: stageSink,
		Code: reject.Code, Reason: strings.ToValidUTF8(reject.Reason, "\ufffd"),
	}
	for _, h := range m.Headers {
		letter.Headers = append(letter.Headers, streams.Header{Key: strings.ToValidUTF8(string(h.Key), "\ufffd"), Value: h.Value})
	}
	value, err := p.encode(&letter)
	if err != nil {
		// Every field has a JSON form, except a stream's name that is not UTF-8, which no decoded record has.
		p.cfg.Log.Error("a refused record has no dead letter", "source", source.String(), "error", err)
		return nil
	}
	message := &sarama.ProducerMessage{Topic: p.cfg.Topics.DeadLetters(), Value: sarama.ByteEncoder(value)}
	if m.Key != nil {
		message.Key = sarama.ByteEncoder(m.Key)
	}
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		_, _, err := p.producer.SendMessage(message)
		if err == nil {
			return nil
		}
		p.cfg.Log.Warn("kafka does not take a dead letter, trying again", "error", err, "pause", pause.String())
		if err := wait(ctx, pause); err != nil {
			return err
		}
	}
}

// encode returns the record of a dead letter. One that would be larger than Kafka takes goes without what made it so: the
// record itself is still at its source.
func (p *pile) encode(l *streams.DeadLetter) ([]byte, error) {
	value, err := streams.MarshalDeadLetter(l)
	if framing := 1 << 10; err == nil && len(value)+len(l.Key)+framing > p.largest {
		l.Reason = fmt.Sprintf("%.10000s; the record's value (%d bytes) and headers are too large to keep here", l.Reason, len(l.Value))
		l.Value, l.Headers = nil, nil
		value, err = streams.MarshalDeadLetter(l)
	}
	return value, err
}
