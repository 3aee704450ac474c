package streams

import (
	"fmt"
	"time"
)

// IncidentPolicy says when anomalies and silence of a stream become incidents. Spans are of event time. OpenSpan holds 10 events
// of a source at least and 40 at most, and Quiet at least 5, once it is known how often the source sends. What opens an incident is
// meant for a source of which three false alarms a day are asked for, as by 1 % of an event every five minutes; one of which more are
// needs more.
type IncidentPolicy struct {
	OpenAfter int           `yaml:"open_after"`       // Ordinary anomalies that open an incident together; a more severe one counts as several. 1 to 100; 1 opens by every anomaly.
	OpenSpan  time.Duration `yaml:"open_span"`        // An anomaly loses its weight over so long; 1s to 7d.
	OpenAlert float64       `yaml:"open_alert_score"` // An anomaly with this alert score opens one at once; where n > 1 times as many false alarms are asked for, with log10(n) more.
	Quiet     time.Duration `yaml:"quiet"`            // It ends after so long without an anomaly; 1s to 7d.
	MaxLength time.Duration `yaml:"max_length"`       // One that lasts longer ends, and what follows is a new one; 1m to 366d.
	FlapAfter int           `yaml:"flap_after"`       // So many within FlapSpan are flapping: it must be quiet for four times as long; 2 to 100.
	FlapSpan  time.Duration `yaml:"flap_span"`        // 1m to 366d.
	GroupMin  int           `yaml:"group_min"`        // Entities whose incidents start within GroupSpan make a group; at least 2.
	GroupSpan time.Duration `yaml:"group_span"`       // 1s to 7d.
	Silence   string        `yaml:"silence"`          // SilenceLearned, SilenceOff, or how long a source may say nothing, as 5m.
	Retention time.Duration `yaml:"retention"`        // How long the topics keep an incident after its end, and what people said; 1d to 3660d.
}

// Values of IncidentPolicy.Silence beside a span.
const (
	SilenceLearned = "learned" // What is expected of a key follows from its last minutes.
	SilenceOff     = "off"
)

// DefaultIncidentPolicy returns the defaults. Why these: docs/incidents.md.
func DefaultIncidentPolicy() IncidentPolicy {
	return IncidentPolicy{
		OpenAfter: 3, OpenSpan: 10 * time.Minute, OpenAlert: 4, Quiet: 10 * time.Minute, MaxLength: 24 * time.Hour,
		FlapAfter: 4, FlapSpan: 2 * time.Hour, GroupMin: 3, GroupSpan: 5 * time.Minute, Silence: SilenceLearned,
		Retention: 30 * 24 * time.Hour,
	}
}

// Silence is what IncidentPolicy.Silence says.
type Silence struct {
	Off   bool
	After time.Duration // Zero where it is learned.
}

// ParseSilence reads Silence.
func (p *IncidentPolicy) ParseSilence() (Silence, error) {
	switch p.Silence {
	case SilenceLearned, "":
		return Silence{}, nil
	case SilenceOff:
		return Silence{Off: true}, nil
	}
	after, err := time.ParseDuration(p.Silence)
	if err != nil || after < time.Minute || after > 366*24*time.Hour {
		return Silence{}, fmt.Errorf("found %q, expected %s, %s, or a duration of at least 1m, such as 5m or 12h", p.Silence, SilenceLearned, SilenceOff)
	}
	return Silence{After: after}, nil
}
