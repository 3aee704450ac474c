package streams

import (
	"fmt"
	"strconv"
	"time"
)

// Position is where a record was first read: the identity of an event. It travels in headers through repartitioning.
type Position struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// String returns topic/partition/offset.
func (p Position) String() string { return fmt.Sprintf("%s/%d/%d", p.Topic, p.Partition, p.Offset) }

// AnomalyID is the identity of the anomaly found at this position of a stream: <stream>-<partition>-<offset>.
// It depends on the position alone, so every redelivery has the same id.
func (p Position) AnomalyID(stream string) string {
	return stream + "-" + strconv.FormatInt(int64(p.Partition), 10) + "-" + strconv.FormatInt(p.Offset, 10)
}

// Headers that carry what is not part of a record's value.
const (
	HeaderSourceTopic     = "anomalystream-source-topic"     // Position.Topic of a repartitioned record.
	HeaderSourcePartition = "anomalystream-source-partition" // Position.Partition, decimal.
	HeaderSourceOffset    = "anomalystream-source-offset"    // Position.Offset, decimal.
	HeaderTruth           = "anomalystream-truth"            // Ground truth of a simulated record: the name of the fault, absent when normal.
	HeaderReplay          = "anomalystream-replay"           // Set to "1" on replayed records: they never notify anyone.
	HeaderRecord          = "anomalystream-record"           // Of a record of a journal: one of the Record constants.
)

// What a record of a journal holds.
const (
	RecordIncident = "incident"
	RecordAnomaly  = "anomaly"
	RecordRollup   = "rollup"
	RecordFeedback = "feedback"
	RecordTick     = "tick"
)

// Tick is a record of a journal: what time it is, by the clock of a machine.
type Tick struct {
	At      time.Time    `json:"at"`                // UTC.
	Windows []OpenWindow `json:"windows,omitempty"` // Maintenance windows of the stream that are open then.
}

// OpenWindow is a maintenance window that is open.
type OpenWindow struct {
	Name   string `json:"name"`
	Entity string `json:"entity,omitempty"` // Pattern of the entities it is about; "" for every entity.
}

// Covers reports whether the window is about an entity.
func (w *OpenWindow) Covers(entity string) bool {
	return w.Entity == "" || MatchPattern(w.Entity, entity)
}
