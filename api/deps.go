package api

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"anomalystream/streams"
)

// Deps are the parts of the system that the API reads and drives. History and Statuses are required; what is nil answers
// 501 Not Implemented.
type Deps struct {
	History   History
	Statuses  Statuses
	Incidents Incidents
	Audits    Audits
	Publisher Publisher
	Feedback  Feedback
	Scorer    Scorer
	Control   Control
	Health    []Part
	// FeedLoaded reports whether DeliverAnomaly has had the past of the anomalies topic, up to its end at the start. Until then
	// resuming clients wait, and what was written before the start is not taken for live. Nil for a feed without a past.
	FeedLoaded func() bool
	// IncidentsLoaded is the same of DeliverIncident and the incidents topic.
	IncidentsLoaded func() bool
	Registry        *prometheus.Registry // Metrics of the whole process; the API adds its own. Nil for a registry of its own.
}

// History is the store. Errors: streams.ErrNotFound, streams.ErrBadCursor, anything else is trouble of the store.
type History interface {
	Anomalies(ctx context.Context, q streams.AnomalyQuery) (streams.AnomalyPage, error)
	Anomaly(ctx context.Context, id string) (streams.StoredAnomaly, error)
	// Since returns the anomalies stored after (created, id), in order of created_at and id, at most limit. An empty id
	// includes everything stored at the created time itself.
	Since(ctx context.Context, created time.Time, id string, limit int) ([]streams.StoredAnomaly, error)
	// Delete removes an anomaly and records in the audit who did it.
	Delete(ctx context.Context, id, who string) error
	Stats(ctx context.Context) ([]streams.StreamStats, error)
	Rollups(ctx context.Context, q streams.RollupQuery) ([]streams.Rollup, error)
	Ping(ctx context.Context) error
}

// Incidents is the store of incidents and of what people said. Errors as those of History.
type Incidents interface {
	Incidents(ctx context.Context, q streams.IncidentQuery) (streams.IncidentPage, error)
	Incident(ctx context.Context, id string) (streams.StoredIncident, error)
	// IncidentsSince returns the incidents that changed after (updated, id), in order of updated_at and id, at most limit. An
	// empty id includes everything stored at the updated time itself.
	IncidentsSince(ctx context.Context, updated time.Time, id string, limit int) ([]streams.StoredIncident, error)
	Verdicts(ctx context.Context, q streams.VerdictQuery) (streams.VerdictPage, error)
	Verdict(ctx context.Context, id string) (streams.StoredVerdict, error)
	// Judged counts the verdicts of each stream that has some.
	Judged(ctx context.Context) (map[string]streams.VerdictCounts, error)
}

// Feedback takes what people say.
type Feedback interface {
	// Give writes records to the feedback topic and returns once Kafka has all of them. Those of one detector arrive in order.
	Give(ctx context.Context, records []streams.Feedback) error
}

// Statuses is the view of the detectors topic.
type Statuses interface {
	// List returns the statuses of a stream, "" for all, ordered by stream and entity.
	List(stream string) []streams.DetectorStatus
	Status(stream, entity string) (streams.DetectorStatus, bool)
	Recovered() bool
}

// Audits records changes and lists them, newest first.
type Audits interface {
	Record(ctx context.Context, a streams.Audit) error
	Audits(ctx context.Context, limit int) ([]streams.Audit, error)
}

// Record is one event to publish: the record key, nil for none, and the event as it was received.
type Record struct {
	Key   *string
	Value json.RawMessage
}

// Published is the outcome of one Record: where it was written, or why it was refused.
type Published struct {
	Position streams.Position
	Reject   *streams.Reject
}

// Publisher checks events and writes them to a stream's source topic.
type Publisher interface {
	// Publish returns one outcome per record, in order. An error means that Kafka did not take them.
	Publish(ctx context.Context, stream string, records []Record) ([]Published, error)
}

// Scorer tells what an event would score now; nothing is learned or stored.
type Scorer interface {
	// Score returns a *streams.Reject for an event that cannot be read, and ErrUnknownEntity where no detector exists.
	Score(ctx context.Context, stream, entity string, event json.RawMessage) (Score, error)
}

// ErrUnknownEntity is returned by a Scorer for an entity without a detector in this process.
var ErrUnknownEntity = errors.New("no detector of this entity")

// Score is what an event would score. Its numbers are those of an anomaly (streams.Anomaly); Score is nil during the warm-up,
// when the event may be an anomaly all the same, by a rule.
type Score struct {
	Stream    string                 `json:"stream"`
	Entity    string                 `json:"entity"`
	Phase     string                 `json:"phase"`
	Score     *float64               `json:"score"`
	Anomaly   bool                   `json:"anomaly"`
	Severity  float64                `json:"severity"`
	Votes     int                    `json:"votes"`
	Voters    int                    `json:"voters"`
	Needed    int                    `json:"needed"`
	Detectors []streams.DetectorVote `json:"detectors"`
	Why       *streams.Explanation   `json:"explanation"`
}

// Control changes running streams.
type Control interface {
	// SetRate sets the requested false-alarm rate of a stream, in (0, 0.5).
	SetRate(ctx context.Context, stream string, rate float64) error

	// ResetRate goes back to the rate of the configuration.
	ResetRate(ctx context.Context, stream string) error
	// Rate returns the rate now requested, and false where the configuration's holds.
	Rate(stream string) (float64, bool)
	// SetRules replaces the rules of a stream; they have been checked.
	SetRules(ctx context.Context, stream string, rules []streams.Rule) error
	// ResetRules forgets the rules set at run time: the configuration's hold again.
	ResetRules(ctx context.Context, stream string) error
	// Rules returns the rules set at run time, and false where the configuration's hold.
	Rules(stream string) ([]streams.Rule, bool)
	// SetMaintenance replaces the windows of all streams; they have been checked.
	SetMaintenance(ctx context.Context, windows []streams.Window) error
	// ResetMaintenance forgets the windows set at run time: the configuration's hold again.
	ResetMaintenance(ctx context.Context) error
	// Maintenance returns the windows set at run time, and false where the configuration's hold.
	Maintenance() ([]streams.Window, bool)
}

// Part is one part of the system that health checks ask, for example a processor or a view.
type Part struct {
	Name  string
	Ready func(ctx context.Context) error // Nil error when the part serves.
}
