package processors

import (
	"context"
	"fmt"

	"anomalystream/processors/checkpoint"
	"anomalystream/streams"
)

// RepartitionGroup writes the records of a stream's source topic again, keyed by their detector key, so that all records of a
// detector lie on one partition. Value, timestamp and headers stay as they are, and headers carry the position: a record
// written twice is the same event. What is no event of the stream becomes a dead letter here.
type RepartitionGroup struct {
	group *checkpoint.Group[struct{}]
}

// NewRepartitionGroup returns the repartition group of a stream; Run starts it.
func NewRepartitionGroup(c Config) (*RepartitionGroup, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	start, err := checkpoint.ParseStart(c.Definition.From)
	if err != nil {
		return nil, fmt.Errorf("configuring stream %s: %w", c.Definition.Name, err)
	}
	target := c.Topics.Repartition(c.Definition.Name)
	group, err := newGroup(c.GroupConfig, checkpoint.Config[struct{}]{
		Group: c.Topics.RepartitionGroup(c.Definition.Name), Input: c.Topics.Source(c.Definition),
		Outputs: []string{target, c.Topics.DeadLetters()},
		NewApp: func(int32) checkpoint.App[struct{}] {
			return &repartition{
				decoder: streams.NewDecoder(c.Definition, c.MaxRecord), target: target, refusal: c.refusal(), metrics: c.Metrics,
			}
		},
		Start: start,
	})
	if err != nil {
		return nil, err
	}
	return &RepartitionGroup{group: group}, nil
}

// Run works until the context ends.
func (g *RepartitionGroup) Run(ctx context.Context) error { return g.group.Run(ctx) }

// Ready returns nil while the group reads the source topic, and otherwise why it does not.
func (g *RepartitionGroup) Ready() error { return g.group.Ready() }

// repartition is the application of the group: it has no state.
type repartition struct {
	stateless
	decoder *streams.Decoder
	target  string
	refusal refusal
	metrics *Metrics
}

// Key writes the message again under its detector key, or refuses it.
func (r *repartition) Key(m *checkpoint.Message, out *checkpoint.Outputs) (string, bool) {
	rec := record(m)
	event, reject := r.decoder.Decode(rec)
	if reject != nil {
		r.refusal.write(m, stageDecode, reject, out)
		return "", false
	}
	headers := map[string][]byte{}
	for _, h := range m.Headers() {
		headers[h.Key] = h.Value
	}
	for _, h := range rec.Source.Headers() {
		headers[h.Key] = h.Value
	}
	if rec.Replay {
		headers[streams.HeaderReplay] = []byte("1")
	}
	if m.Key != nil {
		headers[headerSourceKey] = append([]byte{}, m.Key...)
	}
	out.Add(checkpoint.Output{
		Topic: r.target, Key: event.Key(), Value: m.Value, Headers: headers, Timestamp: m.Timestamp,
	})
	r.metrics.repartitioned.WithLabelValues(r.refusal.stream).Inc()
	return "", false
}

// Refuse writes the dead letter of a message that made the decoder panic.
func (r *repartition) Refuse(m *checkpoint.Message, code, reason string, out *checkpoint.Outputs) {
	r.refusal.write(m, stageDecode, &streams.Reject{Code: code, Reason: reason}, out)
}
