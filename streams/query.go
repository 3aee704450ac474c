package streams

import (
	"errors"
	"time"
)

// Errors of the store that its readers tell apart.
var (
	ErrNotFound  = errors.New("not found")           // No row has this id.
	ErrBadCursor = errors.New("cursor not readable") // A cursor that AnomalyPage.Next never held, or of another sort.
)

// StoredAnomaly is an anomaly with what the store adds.
type StoredAnomaly struct {
	Anomaly
	CreatedAt time.Time `json:"created_at"` // When the sink stored it, UTC.
}

// EncodedAnomaly is a StoredAnomaly as JSON. Lists pass rows of the store on: decoding them only to encode them again would take
// most of their time.
type EncodedAnomaly []byte

// AnomalyQuery selects anomalies of the store; zero fields do not restrict.
type AnomalyQuery struct {
	Stream      string
	Entity      string
	Detector    string // Only anomalies this detector voted for.
	Kind        string
	Suppressed  string // SuppressedOnly, SuppressedNone, or "" for both.
	Incident    string // Only anomalies of this incident: of its keys, each in its span.
	MinScore    float64
	MaxScore    float64 // 0 for no upper bound.
	MinSeverity float64
	MinVotes    int
	From, To    time.Time // Event time: From <= timestamp < To.
	Sort        string    // SortNewest (default), SortOldest, SortScore or SortSeverity.
	Limit       int       // 1..1000.
	Offset      int       // Rows to skip; not together with Cursor.
	Cursor      string    // Opaque: AnomalyPage.Next of the page before.
	Count       bool      // Fill AnomalyPage.Total.
}

// Choices of AnomalyQuery.Suppressed.
const (
	SuppressedOnly = "only" // Anomalies that something silences.
	SuppressedNone = "none" // Anomalies that nothing silences.
)

// Orders of an anomaly list. The id breaks ties, so every order is total.
const (
	SortNewest   = "newest"
	SortOldest   = "oldest"
	SortScore    = "score"
	SortSeverity = "severity"
)

// AnomalyPage is one page of anomalies.
type AnomalyPage struct {
	Items []EncodedAnomaly
	Next  string // Cursor of the next page, "" on the last one.
	Total int64  // Number of rows the query selects, -1 when not asked for.
	More  bool   // The query selects more than Total, which is CountLimit.
}

// CountLimit is how far a store counts what filters select: beyond it, the exact number is not worth reading every row.
const CountLimit = 10_000

// StreamStats sums up the stored anomalies and verdicts of one stream.
type StreamStats struct {
	Stream      string
	Anomalies   int64   // Stored ones.
	MeanScore   float64 // Of the stored anomalies; 0 without any, as the next.
	MaxScore    float64
	LastAnomaly *LastAnomaly
	Verdicts    VerdictCounts
}

// Audit is one recorded change: who did what, when.
type Audit struct {
	At     time.Time `json:"at"`
	Who    string    `json:"who"`
	Action string    `json:"action"` // For example "anomaly.delete".
	Object string    `json:"object"` // Id of what was changed.
	Detail string    `json:"detail"`
}

// RollupQuery selects rollups of one stream: From <= minute < To.
type RollupQuery struct {
	Stream   string
	Entity   string // "" for the stream's own detector unless Entities is set.
	Entities bool   // Every entity of the stream; Entity is ignored.
	From, To time.Time
	Limit    int // The newest Limit rollups that match, in order of minute and entity.
}
