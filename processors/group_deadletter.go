package processors

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"anomalystream/processors/checkpoint"
	"anomalystream/streams"
)

// headerSourceKey carries the record key of a repartitioned record, whose own key is the detector key.
const headerSourceKey = "anomalystream-source-key"

// Stages of dead letters that processors write.
const (
	stageDecode = "decode" // The record is no event of the stream.
	stageDetect = "detect" // It is one, and was not applied to its detector.

	stageJournal   = "journal"   // A record of ours that the journal cannot take.
	stageIncidents = "incidents" // A record of the journal that was not applied.
	stageNotify    = "notify"    // A record of an incident or of a route's journal that was not applied.
)

// refusal writes dead letters, of one stream or of all.
type refusal struct {
	stream  string // "" where it is not known.
	topic   string
	max     int                    // Largest dead letter, in bytes.
	rejects *prometheus.CounterVec // By code.
}

// write adds the dead letter of a message. Its bytes depend on the message and the reason alone.
func (r refusal) write(m *checkpoint.Message, stage string, reject *streams.Reject, out *checkpoint.Outputs) {
	letter := streams.DeadLetter{
		Stream: r.stream, Source: streams.Position(m.Source), Key: m.Key, Value: m.Value, Timestamp: m.Timestamp.UTC(),
		Stage: stage, Code: reject.Code, Reason: strings.ToValidUTF8(reason(reject), "\ufffd"),
	}
	for _, h := range m.Headers() {
		switch h.Key {
		case streams.HeaderSourceTopic, streams.HeaderSourcePartition, streams.HeaderSourceOffset:
		case headerSourceKey:
			letter.Key = h.Value
		default:
			letter.Headers = append(letter.Headers, streams.Header{Key: strings.ToValidUTF8(h.Key, "\ufffd"), Value: h.Value})
		}
	}
	b, err := streams.MarshalDeadLetter(&letter)
	if err == nil && len(b) > r.max {
		// A record larger than our own limit: what identifies it is kept, and the source topic still has the rest.
		letter.Reason += fmt.Sprintf("; the record's value (%d bytes) and headers are too large to keep here", len(letter.Value))
		letter.Value, letter.Headers = nil, nil
		b, err = streams.MarshalDeadLetter(&letter)
	}
	if err != nil {
		// Every field has a JSON form, so this is a mistake of ours: the caller's guard reports it and the record stays
		// where it is in the source topic.
		panic(fmt.Sprintf("encoding the dead letter of %v: %v", m.Source, err))
	}
	r.rejects.WithLabelValues(reject.Code).Inc()
	out.Emit(r.topic, string(letter.Key), b)
}

func reason(r *streams.Reject) string {
	if r.Field != "" {
		return fmt.Sprintf("field %q: %s", r.Field, r.Reason)
	}
	return r.Reason
}
