package streams

import "time"

// Feedback is the record of the feedback topic: what a person said about an anomaly or an incident. It is complete in itself,
// so that whoever applies it needs no other source. Its key is Key: keyed like the detector, one record per id.
type Feedback struct {
	ID       string    `json:"id"`     // Unique; a repetition with the same id changes nothing.
	Action   string    `json:"action"` // One of the Action constants.
	Verdict  string    `json:"verdict,omitempty"`
	Stream   string    `json:"stream"`
	Entity   string    `json:"entity"`             // Of the detector key; "" for a group incident, whose members get records of their own.
	Incident string    `json:"incident,omitempty"` // Id of the incident it is about, "" for a single anomaly.
	Anomaly  string    `json:"anomaly,omitempty"`  // Id of the anomaly it is about; of an incident's peak.
	From     time.Time `json:"from"`               // Event time of the first and last row it is about, UTC.
	To       time.Time `json:"to"`

	Kind     string             `json:"kind,omitempty" hidden:"true"`    // Of the anomaly or the incident: one of the Kind constants, "" for unknown.
	Lasting  bool               `json:"lasting,omitempty" hidden:"true"` // The incident lasted when this was said: what it becomes is meant, too.
	Features map[string]float64 `json:"features,omitempty"`              // Raw values of the anomaly.
	Guilty   []string           `json:"guilty,omitempty"`                // Its guilty features, see GuiltyFeatures.
	Seen     []SeenFeature      `json:"seen,omitempty" hidden:"true"`    // What the detectors saw of the guilty features, in their order.
	Alert    float64            `json:"alert_score,omitempty"`           // Its alert score; of an incident the peak's. 0 for unknown.
	Until    time.Time          `json:"until"`                           // Event time at which the effect ends, UTC.
	Withdraw string             `json:"withdraws,omitempty"`             // With ActionWithdraw: id of the verdict taken back.
	About    *Incident          `json:"about,omitempty" hidden:"true"`   // The incident, where it has ended, in its newest revision: it may not be remembered.
	Who      string             `json:"who"`
	PartOf   string             `json:"part_of,omitempty"` // Id of the feedback about a group of which this is one member's part.
	Comment  string             `json:"comment,omitempty"`
	At       time.Time          `json:"at"` // Processing time, UTC.
}

// SeenFeature is what the detectors saw of one feature.
type SeenFeature struct {
	Feature string            `json:"feature"`
	Columns []ColumnDeviation `json:"columns"`
}

// Actions of feedback.
const (
	ActionAcknowledge = "acknowledge"
	ActionResolve     = "resolve"
	ActionComment     = "comment"
	ActionVerdict     = "verdict"
	ActionWithdraw    = "withdraw"
)

// Verdicts.
const (
	VerdictReal     = "real"     // Trouble: the models must not learn it.
	VerdictExpected = "expected" // Fine, and to be expected again: the models learn it at once, and the like is suppressed for a time.
	VerdictNoise    = "noise"    // Nothing: repeated, it makes the detector less sensitive.
)

// Key is the key of the record. Records are placed by what stands before the zero byte, the detector key.
func (f *Feedback) Key() string { return DetectorKey(f.Stream, f.Entity) + "\x00" + f.ID }

// StoredVerdict is a verdict with what became of it.
type StoredVerdict struct {
	Feedback
	State       string     `json:"state"`        // One of the Verdict states.
	WithdrawnBy string     `json:"withdrawn_by"` // Who took it back, "" for nobody.
	WithdrawnAt *time.Time `json:"withdrawn_at"` // Processing time of that.
}

// States of a verdict. A verdict expires by event time: when the newest minute that is stored of its stream begins after its
// end.
const (
	VerdictInForce   = "in_force"
	VerdictWithdrawn = "withdrawn"
	VerdictExpired   = "expired"
)

// VerdictQuery selects verdicts of the store, newest first; zero fields do not restrict.
type VerdictQuery struct {
	Stream   string
	Verdict  string
	State    string
	Incident string // About this incident.
	Anomaly  string // About this anomaly, not about an incident of which it is the peak.
	Group    string // About a member of this group incident.
	PartOf   string // The parts of this verdict on a group.
	TopLevel bool   // Leave out such parts.
	Limit    int    // 1..1000.
	Cursor   string // Opaque: VerdictPage.Next of the page before.
}

// VerdictPage is one page of verdicts.
type VerdictPage struct {
	Items []StoredVerdict
	Next  string // Cursor of the next page, "" on the last one.
}

// VerdictCounts counts verdicts that were not withdrawn; one on a group counts once.
type VerdictCounts struct {
	Real     int64 `json:"real"`
	Expected int64 `json:"expected"`
	Noise    int64 `json:"noise"`
}

// Precision is the share of real trouble among what people judged; false before any verdict.
func (c VerdictCounts) Precision() (float64, bool) {
	all := c.Real + c.Expected + c.Noise
	if all == 0 {
		return 0, false
	}
	return float64(c.Real) / float64(all), true
}

// Describe makes an anomaly what the feedback is about: the judged one, or the peak of an incident.
func (f *Feedback) Describe(a *Anomaly) {
	f.Anomaly, f.Features, f.Alert = a.ID, a.Features, a.AlertScore
	f.Guilty, f.Seen = GuiltyFeatures(a.Why.Contributions), nil
	for i := range f.Guilty {
		f.Seen = append(f.Seen, SeenFeature{Feature: f.Guilty[i], Columns: a.Why.Contributions[i].Seen()})
	}
}

// GuiltyFeatures returns the features that together make up half of an anomaly or more, largest share first.
func GuiltyFeatures(contributions []Contribution) []string {
	var out []string
	sum := 0.0
	for _, c := range contributions { // Largest share first.
		if sum >= 0.5 {
			break
		}
		out, sum = append(out, c.Feature), sum+c.Share
	}
	return out
}
