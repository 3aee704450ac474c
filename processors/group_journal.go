package processors

import (
	"context"
	"fmt"
	"time"

	"anomalystream/processors/checkpoint"
	"anomalystream/processors/incidents"
	"anomalystream/streams"
)

// journalBack is how much of what was there before the journal is still copied: enough to know what the streams usually do.
// It is backfill, and its incidents notify nobody.
const journalBack = time.Hour

// JournalGroup copies one topic (anomalies, rollups or feedback) into the journal, keyed by stream, so that what the incidents
// follow from has one order. Headers say what a record is and where it was read: one copied twice is the same.
type JournalGroup struct {
	topic string
	group *checkpoint.Group[struct{}]
}

// NewJournalGroups returns the groups that fill the journal; Run starts each.
func NewJournalGroups(c IncidentConfig) ([]*JournalGroup, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	var out []*JournalGroup
	for _, from := range []struct{ topic, kind string }{
		{c.Topics.Anomalies(), streams.RecordAnomaly}, {c.Topics.Rollups(), streams.RecordRollup}, {c.Topics.Feedback(), streams.RecordFeedback},
	} {
		group, err := newGroup(c.GroupConfig, checkpoint.Config[struct{}]{
			Group: c.Topics.JournalGroup(from.topic), Input: from.topic, Outputs: []string{c.Topics.Journal(), c.Topics.DeadLetters()},
			NewApp: func(int32) checkpoint.App[struct{}] {
				return &journal{kind: from.kind, target: c.Topics.Journal(), refusal: c.refusal()}
			},
			Start: checkpoint.Start{Back: journalBack},
		})
		if err != nil {
			return nil, err
		}
		out = append(out, &JournalGroup{topic: from.topic, group: group})
	}
	return out, nil
}

// Topic is the topic the group copies.
func (g *JournalGroup) Topic() string { return g.topic }

// Run works until the context ends.
func (g *JournalGroup) Run(ctx context.Context) error { return g.group.Run(ctx) }

// Ready returns nil while the group reads its topic, and otherwise why it does not.
func (g *JournalGroup) Ready() error { return g.group.Ready() }

// journal is the application of the group: it has no state.
type journal struct {
	stateless
	kind    string
	target  string
	refusal refusal
}

// Key writes the message again under its stream, or refuses it. What was deleted needs no copy.
func (j *journal) Key(m *checkpoint.Message, out *checkpoint.Outputs) (string, bool) {
	if m.Value == nil {
		return "", false
	}
	stream, _, err := readSignal(j.kind, m)
	if err != nil {
		j.refusal.write(m, stageJournal, &streams.Reject{Code: streams.CodeNotJSON, Reason: err.Error()}, out)
		return "", false
	}
	headers := map[string][]byte{streams.HeaderRecord: []byte(j.kind)}
	for _, h := range streams.Position(m.Position).Headers() {
		headers[h.Key] = h.Value
	}
	if m.Backfill {
		headers[streams.HeaderReplay] = []byte("1")
	}
	out.Add(checkpoint.Output{Topic: j.target, Key: stream, Value: m.Value, Headers: headers, Timestamp: m.Timestamp})
	return "", false
}

// Refuse writes the dead letter of a message that made the decoder panic.
func (j *journal) Refuse(m *checkpoint.Message, code, reason string, out *checkpoint.Outputs) {
	j.refusal.write(m, stageJournal, &streams.Reject{Code: code, Reason: reason}, out)
}

// readSignal reads a record of a kind, and tells which stream it belongs to.
func readSignal(kind string, m *checkpoint.Message) (stream string, s incidents.Signal, err error) {
	switch kind {
	case streams.RecordAnomaly:
		if s.Anomaly, err = streams.UnmarshalAnomaly(m.Value); err == nil {
			stream = s.Anomaly.Stream
			s.Anomaly.Replay = s.Anomaly.Replay || streams.ReplayFromHeaders(lookup(m))
		}
	case streams.RecordRollup:
		if s.Rollup, err = streams.UnmarshalRollup(m.Value); err == nil {
			stream = s.Rollup.Stream
		}
	case streams.RecordFeedback:
		if s.Feedback, err = streams.UnmarshalFeedback(m.Value); err == nil {
			stream = s.Feedback.Stream
		}
	case streams.RecordTick:
		var tick *streams.Tick
		if tick, err = streams.UnmarshalTick(m.Value); err == nil {
			stream, s.Tick, s.Windows = string(m.Key), tick.At, tick.Windows
		}
	default:
		err = fmt.Errorf("it says to be of the kind %q, which the journal does not have", kind)
	}
	if err == nil && stream == "" {
		err = fmt.Errorf("it names no stream")
	}
	return stream, s, err
}

// stateless is what an application without state does not need: nothing of it is ever called.
type stateless struct{}

func (stateless) New(string) struct{}                                      { return struct{}{} }
func (stateless) Apply(struct{}, *checkpoint.Message, *checkpoint.Outputs) {}
func (stateless) Append(b []byte, _ struct{}) []byte                       { return b }
func (stateless) Restore(string, []byte) (struct{}, error)                 { return struct{}{}, nil }
func (stateless) Report(string, struct{}, int, *checkpoint.Outputs)        {}
