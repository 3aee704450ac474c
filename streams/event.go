package streams

import "time"

// Event is one decoded and checked record of a source topic.
type Event struct {
	Stream string
	Entity string    // Host, card, device ...; "" where one detector serves the whole stream.
	Time   time.Time // Event time, UTC: the configured field, else the record's timestamp.
	Names  []string  // Feature names in the order of Values; shared between events, read only.
	Values []float64 // Raw feature values; NaN stands for a missing value that the definition allows.
	Source Position
	Replay bool // The record is a replay or backfill: it is scored and stored, but notifies nobody.
}

// Key is the detector key of the event, see DetectorKey.
func (e *Event) Key() string { return DetectorKey(e.Stream, e.Entity) }

// DetectorKey names one detector: the stream, or stream/entity where each entity has its own.
func DetectorKey(stream, entity string) string {
	if entity == "" {
		return stream
	}
	return stream + "/" + entity
}
