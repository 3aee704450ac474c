package streams

import "time"

// Anomaly is the record of the anomalies topic, and the same object in the store, REST, WebSocket and notifications.
// It holds no processing time, so every redelivery has the same bytes.
type Anomaly struct {
	ID         string             `json:"id"` // Position.AnomalyID.
	Stream     string             `json:"stream"`
	Entity     string             `json:"entity"`
	Timestamp  time.Time          `json:"timestamp"`               // Event time, UTC.
	Kind       string             `json:"kind"`                    // KindModel, KindRule or KindStuck.
	Score      float64            `json:"score"`                   // Ensemble score E in [0.6, 1]; never rounded.
	Severity   float64            `json:"severity"`                // Mean clipped distance from normal, 0..30; ranks inside a stream.
	AlertScore float64            `json:"alert_score"`             // Comparable across streams, at most 300 with alert_score "depth"; ranks and opens incidents.
	Features   map[string]float64 `json:"features"`                // Raw values as received.
	Votes      int                `json:"votes"`                   // Detectors that voted for anomaly.
	Voters     int                `json:"voters"`                  // Detectors that could vote.
	Needed     int                `json:"needed"`                  // Votes that make an anomaly.
	Detectors  []DetectorVote     `json:"detectors"`               // In configuration order.
	Why        Explanation        `json:"explanation"`             // Why it is an anomaly.
	Source     Position           `json:"source"`                  // Where the event was read.
	Replay     bool               `json:"replay,omitempty"`        // Replayed or backfilled: notifies nobody.
	Suppressed string             `json:"suppressed_by,omitempty"` // Rule, window or verdict that silences it.
}

// Kinds of anomaly.
const (
	KindModel = "model" // The ensemble's majority voted.
	KindRule  = "rule"  // A hard range of the stream's rules was breached.
	KindStuck = "stuck" // A feature repeats one value for longer than its history allows.
)

// SuppressedByVerdict precedes, in Anomaly.Suppressed, the id of the verdict that silences it.
const SuppressedByVerdict = "verdict:"

// DetectorVote is one detector's part in a decision.
type DetectorVote struct {
	Name  string  `json:"name"`
	Raw   float64 `json:"raw"`   // The detector's own score, in its own unit.
	Score float64 `json:"score"` // The same on the common 0..1 scale: at least 0.6 exactly when it votes.
	Vote  bool    `json:"vote"`
}

// Explanation says why an event is an anomaly.
type Explanation struct {
	Sentence      string         `json:"sentence"`       // One sentence for a person.
	Contributions []Contribution `json:"contributions"`  // Largest share first; shares sum to 1.
	RequestedRate float64        `json:"requested_rate"` // Epsilon: the false-alarm rate asked for.
	Threshold     float64        `json:"threshold"`      // Common threshold theta on the detectors' affine scores.
	Statistic     float64        `json:"statistic"`      // The value compared with it.
	Generation    int            `json:"generation"`     // Fit number of the models, from 1.
	TrainedRows   int            `json:"trained_rows"`
	TrainedFrom   time.Time      `json:"trained_from"` // Event time of the oldest training row, UTC.
	TrainedTo     time.Time      `json:"trained_to"`   // Event time of the newest training row, UTC.
}

// Contribution is one feature's share in an anomaly.
type Contribution struct {
	Feature   string  `json:"feature"`
	Share     float64 `json:"share"`     // 0..1.
	Value     float64 `json:"value"`     // Raw value of the event.
	Expected  float64 `json:"expected"`  // Median of the training window.
	Deviation float64 `json:"deviation"` // (value - mean) / standard deviation over the training window; clipped to +-1e6.

	Columns []ColumnDeviation `json:"columns,omitempty"` // What the detectors saw of it; empty where that is the value alone.
}

// ColumnDeviation is how far one column of a feature is from what the training window holds.
type ColumnDeviation struct {
	Column    string  `json:"column"`    // The transform, such as "value" or "diff".
	Deviation float64 `json:"deviation"` // (column - mean) / standard deviation over the training window; clipped to +-1e6.
}

// Seen returns what the detectors saw of the feature: its columns, or the value where that is the only one.
func (c *Contribution) Seen() []ColumnDeviation {
	if len(c.Columns) > 0 {
		return c.Columns
	}
	return []ColumnDeviation{{Column: "value", Deviation: c.Deviation}}
}
