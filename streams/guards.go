package streams

import "time"

// Rule is what the owner of a stream says about its features, whatever the models find. A rule holds for the entities and the
// feature it names; what is not given does not restrict.
type Rule struct {
	Name         string   `yaml:"name" json:"name"`
	Field        string   `yaml:"field" json:"field,omitempty"`                                   // Feature it is about; "" for every feature.
	Entity       string   `yaml:"entity" json:"entity,omitempty"`                                 // Pattern such as web-*, see MatchPattern; "" for every entity.
	Min          *float64 `yaml:"min" json:"min,omitempty"`                                       // A value below is an anomaly.
	Max          *float64 `yaml:"max" json:"max,omitempty"`                                       // A value above is an anomaly.
	Direction    string   `yaml:"direction" json:"direction,omitempty"`                           // Replaces that of the feature; "" leaves it.
	MinDeviation *float64 `yaml:"min_deviation" json:"min_deviation,omitempty"`                   // Replaces that of the feature.
	MinRelative  *float64 `yaml:"min_relative_deviation" json:"min_relative_deviation,omitempty"` // Replaces that of the feature.
	MaxAnomalies int      `yaml:"max_anomalies" json:"max_anomalies,omitempty"`                   // Of a key in an hour of event time; further ones are suppressed. 0 for no limit.
}

// Window is a time of maintenance: once and for all (From and To), by a schedule (Cron and Duration), or by a calendar. Events
// inside are scored and stored, and their anomalies notify nobody.
type Window struct {
	Name     string   `yaml:"name" json:"name"`
	Streams  []string `yaml:"streams" json:"streams,omitempty"`     // Names; none for all.
	Entity   string   `yaml:"entity" json:"entity,omitempty"`       // Pattern such as web-*, see MatchPattern; "" for every entity.
	Cron     string   `yaml:"cron" json:"cron,omitempty"`           // Five fields: when the window opens.
	Duration string   `yaml:"duration" json:"duration,omitempty"`   // With Cron, for example 90m or 2d: how long it stays open.
	Timezone string   `yaml:"timezone" json:"timezone,omitempty"`   // IANA name; "" for UTC.
	From     string   `yaml:"from" json:"from,omitempty"`           // RFC 3339, inclusive.
	To       string   `yaml:"to" json:"to,omitempty"`               // RFC 3339, exclusive.
	ICal     string   `yaml:"-" json:"ical,omitempty"`              // Text of an iCalendar file.
	ICalFile string   `yaml:"ical_file" json:"ical_file,omitempty"` // Where the configuration took that text from.
	Learn    *bool    `yaml:"learn" json:"learn,omitempty"`         // Whether the models learn what comes inside; nil for true.
	Origin   string   `yaml:"-" json:"-"`                           // Where the configuration has it, such as maintenance.0; "" for one set at run time.
}

// Learns reports whether the models learn what comes inside the window.
func (w *Window) Learns() bool { return w.Learn == nil || *w.Learn }

// Late says what becomes of events that come after newer ones of their key.
type Late struct {
	After  time.Duration `yaml:"after"`  // An event is late when it is older than the newest of its key by more; 0: none is.
	Policy string        `yaml:"policy"` // LateScore, LateScoreOnly or LateTopic.
}

// Policies for late events.
const (
	LateScore     = "score"      // Like any other.
	LateScoreOnly = "score_only" // Scored, not learned.
	LateTopic     = "topic"      // Not scored: written to the topic "late".
)

// Stuck values beside numbers of events.
const (
	StuckOff  = "off"
	StuckAuto = "auto" // By the lengths of the runs of equal values that the key has had.
)

// Reasons of suppression begin with what suppresses, and the name follows.
const (
	SuppressedByWindow = "window:"
	SuppressedByLimit  = "limit:"
)

// Ranged reports whether the rule has a hard range.
func (r *Rule) Ranged() bool { return r.Min != nil || r.Max != nil }

// Relevant reports whether the rule says which deviations matter.
func (r *Rule) Relevant() bool {
	return r.Direction != "" || r.MinDeviation != nil || r.MinRelative != nil
}
