package streams

import "time"

// Rollup sums up one detector key in one minute of event time. A later record of the same key and minute replaces an
// earlier one: while a minute is open, its rollup is published again with more events in it.
type Rollup struct {
	Stream    string          `json:"stream"`
	Entity    string          `json:"entity"`
	Minute    time.Time       `json:"minute"` // Start of the minute, UTC.
	Events    int64           `json:"events"` // Events counted here, warm-up included.
	Scored    int64           `json:"scored"` // Events with a score.
	Anomalies int64           `json:"anomalies"`
	Late      int64           `json:"late"`      // Events of an earlier minute, counted here because that minute was closed.
	ScoreP50  *float64        `json:"score_p50"` // Quantiles of the ensemble score; null when nothing was scored.
	ScoreP95  *float64        `json:"score_p95"`
	ScoreP99  *float64        `json:"score_p99"`
	ScoreMax  *float64        `json:"score_max"`
	Requested float64         `json:"requested_rate"`
	Realised  float64         `json:"realised_rate"` // Share of anomalies among the scored events of this detector's recent past.
	Features  []FeatureRollup `json:"features"`
	Closed    bool            `json:"closed"` // No later record of this minute follows.
}

// FeatureRollup is the range of one raw feature in a minute.
type FeatureRollup struct {
	Name string  `json:"name"`
	Min  float64 `json:"min"`
	Mean float64 `json:"mean"`
	Max  float64 `json:"max"`
}
