package sink

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"anomalystream/streams"
)

// Batch is what one write takes in.
type Batch struct {
	Anomalies []Emitted
	Rollups   []streams.Rollup
	Detectors []streams.DetectorStatus
	Letters   []streams.DeadLetter
	Incidents []IncidentRecord
	Feedback  []streams.Feedback
	Progress  []Progress
}

// Emitted is an anomaly and when its record was written.
type Emitted struct {
	streams.Anomaly
	At time.Time
}

// IncidentRecord is an incident and what its records' times tell.
type IncidentRecord struct {
	streams.Incident
	Opened time.Time  // When the first of its records was written.
	Ended  *time.Time // When the first one that ended it was written; nil while it lasts.
}

// NewIncidentRecord is the record of an incident that was written at this time.
func NewIncidentRecord(i *streams.Incident, at time.Time) IncidentRecord {
	r := IncidentRecord{Incident: *i, Opened: at}
	if !i.Open() {
		r.Ended = &at
	}
	return r
}

// Progress says how far a partition of a topic is stored once the batch is.
type Progress struct {
	Topic     string
	Partition int32
	Next      int64 // Offset of the first record that is not stored.
	HighWater int64 // Offset after the last record of the partition, as known when the batch was read.
}

// Len is the number of rows.
func (b *Batch) Len() int {
	return len(b.Anomalies) + len(b.Rollups) + len(b.Detectors) + len(b.Letters) + len(b.Incidents) + len(b.Feedback) + len(b.Progress)
}

// Written counts what a write did.
type Written struct {
	Anomalies int // New rows; the others were there, or a person has deleted them.
	Rollups   int
	Detectors int
	Letters   int
	Incidents int // New ones, and those that were older.
	Feedback  int
}

// tidy returns the batch as the statements need it: the last row of each key, because an upsert may touch a row once, and in the
// order of the keys, because writers that lock rows in the same order cannot wait for each other. Anomalies are not upserted and
// keep the order of their topic, which is the same for everyone too.
func (b *Batch) tidy() *Batch {
	return &Batch{
		Anomalies: b.Anomalies,
		Rollups: latest(b.Rollups, func(a, b *streams.Rollup) int {
			return cmp.Or(strings.Compare(a.Stream, b.Stream), strings.Compare(a.Entity, b.Entity), cmp.Compare(a.Minute.UnixMicro(), b.Minute.UnixMicro()))
		}),
		Detectors: latest(b.Detectors, func(a, b *streams.DetectorStatus) int {
			return cmp.Or(strings.Compare(a.Stream, b.Stream), strings.Compare(a.Entity, b.Entity))
		}),
		Letters: latest(b.Letters, func(a, b *streams.DeadLetter) int {
			return cmp.Or(strings.Compare(a.Source.Topic, b.Source.Topic), cmp.Compare(a.Source.Partition, b.Source.Partition),
				cmp.Compare(a.Source.Offset, b.Source.Offset), strings.Compare(a.Stage, b.Stage))
		}),
		Incidents: newest(b.Incidents),
		Feedback:  latest(b.Feedback, func(a, b *streams.Feedback) int { return strings.Compare(a.ID, b.ID) }),
		Progress: latest(b.Progress, func(a, b *Progress) int {
			return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
		}),
	}
}

// latest sorts rows by their keys and keeps the last one given of each.
func latest[T any](rows []T, compare func(a, b *T) int) []T {
	sorted := make([]*T, len(rows))
	for i := range rows {
		sorted[i] = &rows[i]
	}
	slices.SortStableFunc(sorted, func(a, b *T) int { return compare(a, b) })
	out := make([]T, 0, len(rows))
	for i, row := range sorted {
		if i+1 == len(sorted) || compare(row, sorted[i+1]) != 0 {
			out = append(out, *row)
		}
	}
	return out
}

// newest sorts incidents by id and keeps the newest revision of each, with the times of those before it.
func newest(rows []IncidentRecord) []IncidentRecord {
	sorted := slices.Clone(rows)
	slices.SortStableFunc(sorted, func(a, b IncidentRecord) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), cmp.Compare(a.Revision, b.Revision))
	})
	out := sorted[:0]
	for _, row := range sorted {
		if n := len(out); n > 0 && out[n-1].ID == row.ID {
			before := &out[n-1]
			if row.Opened = before.Opened; row.Ended != nil && before.Ended != nil {
				row.Ended = before.Ended
			}
			*before = row
			continue
		}
		out = append(out, row)
	}
	return out
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

// object is text of a map: never null.
func object[V any](v map[string]V) string {
	if v == nil {
		return "{}"
	}
	return text(v)
}

// reason is the explanation without what has columns of its own.
func reason(e streams.Explanation) string {
	e.Contributions, e.Sentence = nil, ""
	return text(e)
}
