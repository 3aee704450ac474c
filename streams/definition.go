package streams

import "time"

// Definition configures one stream. The YAML names are binding; defaults are those of DefaultDefinition.
type Definition struct {
	Name     string    `yaml:"-"`
	Topic    string    `yaml:"topic"`    // Source topic, without the prefix; default the stream's name.
	Key      string    `yaml:"key"`      // KeyRecord, KeyStream, or the field that names the entity.
	Time     string    `yaml:"time"`     // Field or path with the event time; "" uses the record's timestamp.
	Features []Feature `yaml:"features"` // In configuration order; a single feature "*" takes every numeric field.

	Detectors []DetectorSpec `yaml:"detectors"`
	Vote      string         `yaml:"vote"`                  // VoteMajority, VoteAny or VoteAll.
	Combine   string         `yaml:"combine"`               // CombineVote or CombineMean.
	Threshold float64        `yaml:"threshold"`             // Cut on the ensemble score; 0.6.
	Rate      float64        `yaml:"expected_anomaly_rate"` // Epsilon in (0, 0.5).
	WarmUp    int            `yaml:"warmup"`                // Events before scores, at least 20.
	Refit     int            `yaml:"refit"`                 // Events between fits.
	Window    int            `yaml:"window"`                // Training rows kept.
	Buffer    int            `yaml:"buffer"`                // Calibration values kept (N).
	Delay     int            `yaml:"delay"`                 // Events before a flagged value may enter the calibration buffer.
	Regime    bool           `yaml:"regime"`                // Regime rule (steps 7 and 8) on.
	Profile   string         `yaml:"profile"`               // ProfileStandard or ProfileCompact.
	Alert     string         `yaml:"alert_score"`           // AlertDepth or AlertForest: how the alert score is made.
	Seed      uint64         `yaml:"seed"`
	From      string         `yaml:"from"` // Where a new group starts: "earliest", "latest", "-24h" or an RFC 3339 time.

	Labels      map[string]string `yaml:"labels"`      // Say whose the stream is and what it is for; routes match them and messages carry them.
	Incidents   IncidentPolicy    `yaml:"incidents"`   // When its anomalies become incidents.
	Rules       []Rule            `yaml:"rules"`       // What holds whatever the models find; later ones go before earlier ones.
	Maintenance []Window          `yaml:"maintenance"` // Times that notify nobody, beside those of all streams.
	Late        Late              `yaml:"late"`        // What becomes of late events.
}

// Key rules.
const (
	KeyRecord = "record" // The record key names the entity; the detector group reads the source topic directly.
	KeyStream = "stream" // One detector for the whole stream.
)

// Votes: how many detectors make an anomaly.
const (
	VoteAny      = "any"
	VoteMajority = "majority"
	VoteAll      = "all"
)

// Combinations of detectors.
const (
	CombineVote = "vote"
	CombineMean = "mean"
)

// Profiles of memory use per detector key.
const (
	ProfileStandard = "standard" // Window 2000, 100 trees of 256.
	ProfileCompact  = "compact"  // Window 256, 50 trees of 64, small calibration buffer: for many keys.
)

// Alert scores.
const (
	AlertDepth  = "depth"  // -log10 of the share of events expected to reach the statistic.
	AlertForest = "forest" // Raw random cut forest score on the "speeds" transforms.
)

// Feature configures one feature of a stream.
type Feature struct {
	Name         string   `yaml:"-"`
	Path         string   `yaml:"path"`                   // Dotted path in the JSON value; default the name.
	Transforms   []string `yaml:"transforms"`             // Columns made of it; default depends on the number of features.
	Missing      string   `yaml:"missing"`                // MissingReject, MissingHold, or a number to use instead.
	Direction    string   `yaml:"direction"`              // DirectionBoth, DirectionUp or DirectionDown.
	MinDeviation float64  `yaml:"min_deviation"`          // Smallest absolute deviation from expected that may count.
	MinRelative  float64  `yaml:"min_relative_deviation"` // The same relative to |expected|, for example 0.2.
	Stuck        string   `yaml:"stuck"`                  // StuckOff, StuckAuto, or how many equal values in a row are an anomaly.
}

// Policies for missing values.
const (
	MissingReject = "reject" // Dead-letter the record.
	MissingHold   = "hold"   // Use the key's last value.
)

// Directions of interest.
const (
	DirectionBoth = "both"
	DirectionUp   = "up"
	DirectionDown = "down"
)

// DetectorSpec names one voter of the ensemble and its parameters.
type DetectorSpec struct {
	Name   string
	Weight float64 // Share of the vote; 1 by default.
	Params map[string]any
}

// DefaultDefinition returns the defaults of a stream of this name: IForest, LOF and HBOS, majority vote, 0.6, 200, 500.
func DefaultDefinition(name string) Definition {
	return Definition{
		Name: name, Topic: name, Key: KeyRecord,
		Detectors: []DetectorSpec{{Name: "iforest", Weight: 1}, {Name: "lof", Weight: 1}, {Name: "hbos", Weight: 1}},
		Vote:      VoteMajority, Combine: CombineVote, Threshold: 0.6, Rate: 0.01,
		WarmUp: 200, Refit: 500, Window: 2000, Buffer: 5000, Delay: 300, Regime: true,
		Profile: ProfileStandard, Alert: AlertDepth, Seed: 0, From: "earliest",
		Incidents: DefaultIncidentPolicy(),
		Late:      Late{Policy: LateScore},
	}
}

// Wildcard reports whether the stream takes every numeric field instead of named features.
func (d *Definition) Wildcard() bool { return len(d.Features) == 1 && d.Features[0].Name == "*" }

// Repartitioned reports whether records have to be re-keyed before they reach the detector group.
func (d *Definition) Repartitioned() bool { return d.Key != KeyRecord }

// MinTime and MaxTime bound the event times that are accepted; anything else is an absurd time.
var (
	MinTime = time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC)
	MaxTime = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)
