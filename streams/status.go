package streams

import "time"

// Phases of a detector.
const (
	PhaseWarmUp   = "warm-up"  // Collecting its first events: no scores yet.
	PhaseReady    = "ready"    // Every event is scored.
	PhaseDegraded = "degraded" // Scored by fewer detectors than configured, because some failed to fit.
)

// DetectorStatus is the record of the compacted detectors topic: one per detector key, small enough to be read by
// everyone. It is written with each checkpoint of the key.
type DetectorStatus struct {
	Stream        string         `json:"stream"`
	Entity        string         `json:"entity"`
	Phase         string         `json:"phase"`
	Seen          int64          `json:"seen"`             // Events applied, those without being learned included.
	Scored        int64          `json:"scored"`           // Events with a score.
	Anomalies     int64          `json:"anomalies"`        // Events flagged by the models.
	WarmUpHave    int            `json:"warmup_have"`      // Events of the warm-up so far.
	WarmUpNeed    int            `json:"warmup_need"`      // Events that it takes.
	ReadyIn       *float64       `json:"ready_in_seconds"` // Expected event-time seconds until warm-up ends; null when ready or unknown.
	Generation    int            `json:"generation"`       // Number of fits so far.
	LastFit       *time.Time     `json:"last_fit"`         // Event time of the last fit.
	WindowRows    int            `json:"window_rows"`      // Training rows held.
	WindowSize    int            `json:"window_size"`      // Training rows held at most.
	RequestedRate float64        `json:"requested_rate"`   // Of the stream, less where verdicts call the detector's anomalies noise.
	RealisedRate  *float64       `json:"realised_rate"`    // Share flagged among the last events scored (at most 5000); null before any.
	Threshold     *float64       `json:"threshold"`        // Current theta; null during the warm-up.
	MeanScore     *float64       `json:"mean_score"`       // Mean ensemble score of all scored events.
	MaxScore      *float64       `json:"max_score"`
	Regimes       int64          `json:"regime_changes"` // How often the regime rule fired.
	LastEvent     time.Time      `json:"last_event"`     // Event time of the newest event.
	LastAnomaly   *LastAnomaly   `json:"last_anomaly"`
	Unlearned     int64          `json:"unlearned"`       // Events scored without being learned: during maintenance, or late.
	Late          int64          `json:"late"`            // Events older than the newest by more than the stream's late.after.
	Ruled         int64          `json:"rule_anomalies"`  // Anomalies of kind rule.
	Stuck         int64          `json:"stuck_anomalies"` // Anomalies of kind stuck.
	Suppressed    int64          `json:"suppressed"`      // Anomalies that notify nobody.
	Features      []FeatureRange `json:"features"`
	Detectors     []string       `json:"detectors"`     // Names in configuration order.
	Failures      []string       `json:"failures"`      // Detectors that failed to fit, with the reason.
	Verdicts      []VerdictForce `json:"verdicts"`      // In force, oldest first; at most 64.
	CheckpointAt  time.Time      `json:"checkpoint_at"` // Processing time of this status.
	StateBytes    int            `json:"state_bytes"`   // Size of the checkpointed state.
}

// VerdictForce is a verdict in force on a detector.
type VerdictForce struct {
	ID      string    `json:"id"`
	Verdict string    `json:"verdict"` // VerdictReal, VerdictExpected or VerdictNoise.
	Until   time.Time `json:"until"`   // Event time at which it ends, UTC.
}

// LastAnomaly points to the latest anomaly of a detector.
type LastAnomaly struct {
	ID        string    `json:"id"`
	Timestamp time.Time `json:"timestamp"`
	Score     float64   `json:"score"`
}

// FeatureRange is what a detector has seen of one raw feature in its training window.
type FeatureRange struct {
	Name   string  `json:"name"`
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

// Key is the detector key the status belongs to.
func (s *DetectorStatus) Key() string { return DetectorKey(s.Stream, s.Entity) }
