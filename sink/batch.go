package sink

import (
	"encoding/json"
	"time"

	"anomalystream/streams"
)

// Batch is what one write takes in.
type Batch struct {
	Anomalies []Emitted
	Rollups   []streams.Rollup
	Detectors []streams.DetectorStatus
	Letters   []streams.DeadLetter
}

// Emitted is an anomaly and when its record was written.
type Emitted struct {
	streams.Anomaly
	At time.Time
}

// Len is the number of rows.
func (b *Batch) Len() int {
	return len(b.Anomalies) + len(b.Rollups) + len(b.Detectors) + len(b.Letters)
}

// Written counts what a write did.
type Written struct {
	Anomalies int // New rows; the others were there.
	Rollups   int
	Detectors int
	Letters   int
}

// text encodes what a column holds as JSON. The values come from JSON, so they can be encoded.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(b)
}

// list is text of a slice: never null.
func list[T any](v []T) string {
	if v == nil {
		v = []T{}
	}
	return text(v)
}

// reason is the explanation without what has columns of its own.
func reason(e streams.Explanation) string {
	e.Contributions, e.Sentence = nil, ""
	return text(e)
}
