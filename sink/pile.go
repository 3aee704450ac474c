package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/streams"
)

// stageSink is the stage of dead letters written here.
const stageSink = "sink"

// pile is what was read of one partition and is not stored yet.
type pile struct {
	*handler
	topic    string
	messages []*sarama.ConsumerMessage
}

// write stores the messages, waiting while the store is away. It returns an error only when the context ends.
func (p *pile) write(ctx context.Context) error { return p.store(ctx, p.messages) }

// store writes messages in one batch. If the store refuses the batch, its halves are tried, down to the message to blame,
// which becomes a dead letter.
func (p *pile) store(ctx context.Context, messages []*sarama.ConsumerMessage) error {
	batch, err := p.decode(ctx, messages)
	if err != nil {
		return err
	}
	started := time.Now()
	var written Written
	err = p.patiently(ctx, func() (err error) {
		written, err = p.cfg.Store.Write(ctx, &batch)
		return err
	})
	var refused *RefusedError
	switch {
	case err == nil:
		p.metrics.wrote(&batch, written, time.Since(started))
		return nil
	case !errors.As(err, &refused):
		return err
	case len(messages) == 1:
		p.metrics.refused.Inc()
		return p.refuse(ctx, messages[0], streams.CodeRefused, refused.Reason)
	}
	half := len(messages) / 2
	if err := p.store(ctx, messages[:half]); err != nil {
		return err
	}
	return p.store(ctx, messages[half:])
}

// patiently repeats a write until the store takes or refuses it, or the context ends.
func (p *pile) patiently(ctx context.Context, write func() error) error {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := write()
		var refused *RefusedError
		if err == nil || errors.As(err, &refused) {
			if p.away.Swap(nil) != nil {
				p.cfg.Log.Info("the store answers again", "store", p.cfg.Store.where())
			}
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.metrics.retries.Inc()
		away := fmt.Errorf("the store at %s does not take rows: %w", p.cfg.Store.where(), err)
		if p.away.Swap(&away) == nil {
			p.cfg.Log.Warn("the store does not take rows: trying until it does, Kafka keeps what comes meanwhile", "store", p.cfg.Store.where(), "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// decode reads messages into a batch; one that cannot be read becomes a dead letter.
func (p *pile) decode(ctx context.Context, messages []*sarama.ConsumerMessage) (Batch, error) {
	var b Batch
	for _, m := range messages {
		if m.Value == nil {
			continue // A tombstone of the compacted topic: what was stored of the key stays.
		}
		if err := p.read(&b, m); err != nil {
			if err := p.refuse(ctx, m, streams.CodeNotJSON, err.Error()); err != nil {
				return b, err
			}
		}
	}
	return b, nil
}

func (p *pile) read(b *Batch, m *sarama.ConsumerMessage) error {
	switch p.topic {
	case p.cfg.Topics.Anomalies():
		e := Emitted{At: m.Timestamp.UTC()}
		if err := json.Unmarshal(m.Value, &e.Anomaly); err != nil {
			return err
		}
		if e.ID == "" || e.Stream == "" || e.Timestamp.IsZero() {
			return errors.New("no anomaly: id, stream or timestamp is missing")
		}
		e.Timestamp = e.Timestamp.UTC()
		b.Anomalies = append(b.Anomalies, e)
	case p.cfg.Topics.Rollups():
		var r streams.Rollup
		if err := json.Unmarshal(m.Value, &r); err != nil {
			return err
		}
		if r.Stream == "" || r.Minute.IsZero() {
			return errors.New("no rollup: stream or minute is missing")
		}
		b.Rollups = append(b.Rollups, r)
	case p.cfg.Topics.Detectors():
		var d streams.DetectorStatus
		if err := json.Unmarshal(m.Value, &d); err != nil {
			return err
		}
		if d.Stream == "" {
			return errors.New("no status: stream is missing")
		}
		b.Detectors = append(b.Detectors, d)
	default:
		var l streams.DeadLetter
		if err := json.Unmarshal(m.Value, &l); err != nil {
			p.cfg.Log.Warn("skipping a record of the dead-letters topic that is none", "partition", m.Partition, "offset", m.Offset, "error", err)
			return nil
		}
		b.Letters = append(b.Letters, l)
	}
	return nil
}

// refuse writes a message to the dead letters, waiting while Kafka does not take it. A dead letter that the store refuses is
// not written again: it would come back.
func (p *pile) refuse(ctx context.Context, m *sarama.ConsumerMessage, code, reason string) error {
	if p.topic == p.cfg.Topics.DeadLetters() {
		p.cfg.Log.Warn("the store refuses a dead letter; it stays in the topic", "partition", m.Partition, "offset", m.Offset, "reason", reason)
		return nil
	}
	l := streams.DeadLetter{
		Source: streams.Position{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset},
		Key:    m.Key, Value: m.Value, Timestamp: m.Timestamp.UTC(), Stage: stageSink, Code: code, Reason: reason,
	}
	for _, h := range m.Headers {
		l.Headers = append(l.Headers, streams.Header{Key: string(h.Key), Value: h.Value})
	}
	value, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encoding a dead letter: %w", err)
	}
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		_, _, err := p.producer.SendMessage(&sarama.ProducerMessage{Topic: p.cfg.Topics.DeadLetters(), Key: sarama.ByteEncoder(m.Key), Value: sarama.ByteEncoder(value)})
		if err == nil || errors.Is(err, sarama.ErrMessageSizeTooLarge) {
			p.cfg.Log.Warn("a record was refused", "source", l.Source.String(), "code", code, "reason", reason)
			return nil
		}
		p.cfg.Log.Warn("kafka does not take a dead letter, trying again", "error", err, "pause", pause.String())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
