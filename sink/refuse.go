package sink

import (
	"context"

	"anomalystream/sink/letters"
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
	w := letters.Writer{Producer: p.producer, Topic: p.cfg.Topics.DeadLetters(), Largest: p.largest, Log: p.cfg.Log}
	return w.Write(ctx, m, e.stream, stageSink, reject)
}
