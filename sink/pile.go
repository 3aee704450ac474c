package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/internal/retry"
	"anomalystream/streams"
)

// pile is what was read of one partition and is not stored yet.
type pile struct {
	*handler
	claim    sarama.ConsumerGroupClaim
	messages []*sarama.ConsumerMessage
	bytes    int
}

func (p *pile) add(m *sarama.ConsumerMessage) {
	p.messages = append(p.messages, m)
	p.bytes += len(m.Key) + len(m.Value)
}

func (p *pile) full() bool { return len(p.messages) >= p.cfg.BatchSize || p.bytes >= batchBytes }

func (p *pile) clear() {
	clear(p.messages) // Large records are not held until as many others have come.
	p.messages, p.bytes = p.messages[:0], 0
}

// entry is a message that could be read, and how its row joins a batch.
type entry struct {
	message *sarama.ConsumerMessage
	stream  string
	join    func(*Batch)
}

// write stores the messages, waiting while the store is away; those that cannot be read become dead letters. It returns an error
// only when the context ends.
func (p *pile) write(ctx context.Context) error {
	entries := make([]entry, 0, len(p.messages))
	for _, m := range p.messages {
		e, reject := p.read(m)
		if reject != nil {
			if err := p.refuse(ctx, e, reject); err != nil {
				return err
			}
		}
		if e.join != nil {
			entries = append(entries, e)
		}
	}
	return p.store(ctx, entries, p.messages[len(p.messages)-1].Offset+1)
}

// store writes entries in one batch; next is the offset after them. If the store refuses the batch, its halves are tried, down
// to the message to blame, which becomes a dead letter.
func (p *pile) store(ctx context.Context, entries []entry, next int64) error {
	progress := Progress{Topic: p.claim.Topic(), Partition: p.claim.Partition(), Next: next, HighWater: max(next, p.claim.HighWaterMarkOffset())}
	batch := Batch{Progress: []Progress{progress}}
	for _, e := range entries {
		e.join(&batch)
	}
	started := time.Now()
	var written Written
	err := p.patiently(ctx, func() (err error) {
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
	case len(entries) == 0:
		return fmt.Errorf("noting how far %s is stored: %w", progress.Topic, err)
	case len(entries) == 1:
		return p.refuse(ctx, entries[0], &streams.Reject{Code: streams.CodeRefused, Reason: refused.Reason})
	}
	half := len(entries) / 2
	if err := p.store(ctx, entries[:half], entries[half].message.Offset); err != nil {
		return err
	}
	return p.store(ctx, entries[half:], next)
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
		if err := retry.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// read decodes a message. What has no row of its own has no join.
func (p *pile) read(m *sarama.ConsumerMessage) (entry, *streams.Reject) {
	e := entry{message: m}
	topics := p.cfg.Topics
	if m.Value == nil && slices.Contains([]string{topics.Detectors(), topics.Incidents(), topics.Feedback()}, m.Topic) {
		return e, nil // A compacted topic has tombstones: what was stored of the key stays.
	}
	if m.Value == nil {
		return e, &streams.Reject{Code: streams.CodeTombstone, Reason: "the record has no value"}
	}
	var err error
	switch m.Topic {
	case topics.Anomalies():
		var a *streams.Anomaly
		if a, err = streams.UnmarshalAnomaly(m.Value); err == nil {
			if a.ID == "" || a.Stream == "" || a.Timestamp.IsZero() {
				return e, &streams.Reject{Code: streams.CodeMissingField, Reason: "no anomaly: id, stream or timestamp is missing"}
			}
			e.stream, e.join = a.Stream, func(b *Batch) { b.Anomalies = append(b.Anomalies, Emitted{*a, m.Timestamp.UTC()}) }
		}
	case topics.Rollups():
		var r *streams.Rollup
		if r, err = streams.UnmarshalRollup(m.Value); err == nil {
			if r.Stream == "" || r.Minute.IsZero() {
				return e, &streams.Reject{Code: streams.CodeMissingField, Reason: "no rollup: stream or minute is missing"}
			}
			e.stream, e.join = r.Stream, func(b *Batch) { b.Rollups = append(b.Rollups, *r) }
		}
	case topics.Detectors():
		var d *streams.DetectorStatus
		if d, err = streams.UnmarshalDetectorStatus(m.Value); err == nil {
			if d.Stream == "" {
				return e, &streams.Reject{Code: streams.CodeMissingField, Reason: "no status: stream is missing"}
			}
			e.stream, e.join = d.Stream, func(b *Batch) { b.Detectors = append(b.Detectors, *d) }
		}
	case topics.Incidents():
		var i *streams.Incident
		if i, err = streams.UnmarshalIncident(m.Value); err == nil {
			if i.ID == "" || i.Stream == "" || i.Start.IsZero() {
				return e, &streams.Reject{Code: streams.CodeMissingField, Reason: "no incident: id, stream or start is missing"}
			}
			e.stream, e.join = i.Stream, func(b *Batch) { b.Incidents = append(b.Incidents, NewIncidentRecord(i, m.Timestamp.UTC())) }
		}
	case topics.Feedback():
		var f *streams.Feedback
		if f, err = streams.UnmarshalFeedback(m.Value); err == nil {
			if f.ID == "" || f.Stream == "" || f.Action == "" {
				return e, &streams.Reject{Code: streams.CodeMissingField, Reason: "no feedback: id, stream or action is missing"}
			}
			e.stream, e.join = f.Stream, func(b *Batch) { b.Feedback = append(b.Feedback, *f) }
		}
	case topics.DeadLetters():
		var l *streams.DeadLetter
		if l, err = streams.UnmarshalDeadLetter(m.Value); err == nil {
			l.Key, l.Value, l.Headers = nil, nil, nil                 // They stay in the topic.
			l.Reason = strings.ReplaceAll(l.Reason, "\x00", "\ufffd") // Postgres has no NUL.
			e.stream, e.join = l.Stream, func(b *Batch) { b.Letters = append(b.Letters, *l) }
		}
	}
	if err != nil {
		return e, &streams.Reject{Code: streams.CodeNotJSON, Reason: err.Error()}
	}
	return e, nil
}
