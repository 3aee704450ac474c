package streams

import (
	"fmt"

	"github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// The records of our own topics are JSON. Encoding is deterministic: the same value gives the same bytes, with the
// members in the order of the struct and map keys sorted, so redelivered records are identical. Floats have the fewest
// digits that read back to the same value, and a list is never null. Decoding is strict about JSON (UTF-8, unique names, no trailing data) and
// lenient about unknown members, which a newer version may have written.

// MarshalAnomaly returns the record of the anomalies topic. An error means a value that JSON does not have (NaN, an
// infinity), which no checked event leads to.
func MarshalAnomaly(a *Anomaly) ([]byte, error) { return marshal("anomaly", a) }

// UnmarshalAnomaly reads a record of the anomalies topic.
func UnmarshalAnomaly(b []byte) (*Anomaly, error) { return unmarshal[Anomaly]("anomaly", b) }

// MarshalRollup returns the record of the rollups topic.
func MarshalRollup(r *Rollup) ([]byte, error) { return marshal("rollup", r) }

// UnmarshalRollup reads a record of the rollups topic.
func UnmarshalRollup(b []byte) (*Rollup, error) { return unmarshal[Rollup]("rollup", b) }

// MarshalDetectorStatus returns the record of the detectors topic.
func MarshalDetectorStatus(s *DetectorStatus) ([]byte, error) { return marshal("detector status", s) }

// UnmarshalDetectorStatus reads a record of the detectors topic.
func UnmarshalDetectorStatus(b []byte) (*DetectorStatus, error) {
	return unmarshal[DetectorStatus]("detector status", b)
}

// MarshalIncident returns the record of the incidents topic.
func MarshalIncident(i *Incident) ([]byte, error) { return marshal("incident", i) }

// UnmarshalIncident reads a record of the incidents topic.
func UnmarshalIncident(b []byte) (*Incident, error) { return unmarshal[Incident]("incident", b) }

// MarshalFeedback returns the record of the feedback topic.
func MarshalFeedback(f *Feedback) ([]byte, error) { return marshal("feedback", f) }

// UnmarshalFeedback reads a record of the feedback topic.
func UnmarshalFeedback(b []byte) (*Feedback, error) { return unmarshal[Feedback]("feedback", b) }

// MarshalNotification returns the record of the notifications topic.
func MarshalNotification(n *Notification) ([]byte, error) { return marshal("notification", n) }

// UnmarshalNotification reads a record of the notifications topic.
func UnmarshalNotification(b []byte) (*Notification, error) {
	return unmarshal[Notification]("notification", b)
}

// MarshalTick returns a tick of the journal.
func MarshalTick(t *Tick) ([]byte, error) { return marshal("tick", t) }

// UnmarshalTick reads a tick of the journal.
func UnmarshalTick(b []byte) (*Tick, error) { return unmarshal[Tick]("tick", b) }

// MarshalDeadLetter returns the record of the dead-letters topic. A null key or value stays null.
func MarshalDeadLetter(d *DeadLetter) ([]byte, error) {
	letter := *d
	if letter.Headers == nil {
		letter.Headers = []Header{}
	}
	return marshal("dead letter", &letter, json.FormatNilSliceAsNull(true))
}

// UnmarshalDeadLetter reads a record of the dead-letters topic.
func UnmarshalDeadLetter(b []byte) (*DeadLetter, error) {
	return unmarshal[DeadLetter]("dead letter", b)
}

func marshal(what string, v any, more ...json.Options) ([]byte, error) {
	// The second option is what encoding/json always does: without it "replay": false would be written.
	options := append(more, json.Deterministic(true), jsonv1.OmitEmptyWithLegacySemantics(true))
	b, err := json.Marshal(v, options...)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", what, err)
	}
	return b, nil
}

func unmarshal[T any](what string, b []byte) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(b, v); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", what, err)
	}
	return v, nil
}
