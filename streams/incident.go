package streams

import (
	"fmt"
	"hash/fnv"
	"time"
)

// Incident is the record of the compacted incidents topic: one burst of trouble of one detector key, or of many entities of
// one stream at the same time. Each change of an incident writes it again, whole, with the next revision.
type Incident struct {
	ID       string    `json:"id"`       // Of its first anomaly; SilentIncidentID and GroupIncidentID make the others.
	Revision int64     `json:"revision"` // From 1; a higher one replaces a lower one.
	Change   string    `json:"change"`   // What this revision tells: one of the Change constants.
	Stream   string    `json:"stream"`
	Entity   string    `json:"entity"` // "" where one detector serves the whole stream, and of a group.
	Kind     string    `json:"kind"`   // KindModel, KindRule, KindStuck, KindSilent or KindGroup.
	Status   string    `json:"status"` // One of the Status constants.
	Group    string    `json:"group"`  // Id of the group incident it is part of, "" for none: the group notifies for it.
	Start    time.Time `json:"start"`  // Event time of the first anomaly, UTC; of the last event before a silence.
	Latest   time.Time `json:"latest"` // Event time of the latest anomaly, UTC.

	End          *time.Time        `json:"end"`        // Event time at which it recovered or was resolved; null while it lasts.
	Anomalies    int64             `json:"anomalies"`  // Of a group those of its members.
	PeakScore    float64           `json:"peak_score"` // Highest score of its anomalies; 0 for a silence, like the next two.
	PeakSeverity float64           `json:"peak_severity"`
	PeakAlert    float64           `json:"peak_alert_score"`
	Features     []IncidentFeature `json:"features"`      // Guilty features, largest share first; shares sum to 1. Empty for a silence.
	Peak         *Anomaly          `json:"peak"`          // The anomaly that shows best what is wrong: of rules and stuck sensors first, then the most severe; null for a silence.
	Members      []IncidentMember  `json:"members"`       // Of a group, at most MaxMembers; the largest first.
	MemberCount  int               `json:"member_count"`  // Of a group.
	EntityCount  int               `json:"entity_count"`  // Entities of the stream seen lately, of which the members are part.
	Flapping     bool              `json:"flapping"`      // It opened and closed often: it stays open until it has been quiet for longer.
	Interval     float64           `json:"interval"`      // Of a silence: the expected time between events, in seconds. Of a group the longest of its silences.
	Sentence     string            `json:"sentence"`      // One sentence for a person.
	Acts         []IncidentAct     `json:"acts"`          // What people did, oldest first; at most MaxActs, the newest.
	Verdict      string            `json:"verdict"`       // The newest verdict not withdrawn, "" for none.
	Replay       bool              `json:"replay"`        // All its anomalies are replayed or backfilled: it notifies nobody.
	Suppressed   string            `json:"suppressed_by"` // What silences it: set while every anomaly of it was suppressed.
}

// Bounds of an incident's lists.
const (
	MaxMembers = 50
	MaxActs    = 50
)

// Kinds of incident beside those of anomalies.
const (
	KindSilent = "silent" // A source has stopped sending.
	KindGroup  = "group"  // Several entities of one stream at the same time.
)

// States of an incident.
const (
	StatusOpen         = "open"
	StatusAcknowledged = "acknowledged" // Somebody takes care; it is still going on.
	StatusResolved     = "resolved"     // Somebody ended it.
	StatusRecovered    = "recovered"    // It ended by itself, or had lasted as long as an incident may.
)

// QuietEvents is how many events a quiet span must hold, beside its time, to end an incident: a source that sends every five minutes is
// not quiet after five.
const QuietEvents = 5

// Changes of an incident.
const (
	ChangeOpened       = "opened"
	ChangeExtended     = "extended" // More of the same; of a group also fewer members that go on.
	ChangeWorsened     = "worsened" // Its peak rose markedly, or a group grew markedly.
	ChangeJoined       = "joined"   // It became part of a group.
	ChangeAcknowledged = "acknowledged"
	ChangeCommented    = "commented"
	ChangeJudged       = "judged" // A verdict was given or withdrawn.
	ChangeResolved     = "resolved"
	ChangeRecovered    = "recovered"
	ChangeOutlasted    = "outlasted" // It ended because it had lasted as long as an incident may, and goes on for all we know.
)

// IncidentFeature is one feature's share in an incident: its contributions summed over the anomalies.
type IncidentFeature struct {
	Feature string  `json:"feature"`
	Share   float64 `json:"share"` // 0..1.
}

// IncidentMember is one entity's part in a group.
type IncidentMember struct {
	Entity    string  `json:"entity"`
	Incident  string  `json:"incident"` // Id of its own incident.
	Anomalies int64   `json:"anomalies"`
	PeakAlert float64 `json:"peak_alert_score"`
	Open      bool    `json:"open"`
}

// IncidentAct is what somebody did about an incident.
type IncidentAct struct {
	At      time.Time `json:"at"`
	Who     string    `json:"who"`
	Action  string    `json:"action"`  // One of the Action constants.
	Verdict string    `json:"verdict"` // With ActionVerdict.
	Comment string    `json:"comment"`
}

// SilentIncidentID is the id of the silence of a detector key, or of a whole stream, by the tick that noticed it. It does not
// spell the entity, which could hold anything.
func SilentIncidentID(stream, entity string, noticed time.Time) string {
	h := fnv.New64a()
	h.Write([]byte(entity))
	return fmt.Sprintf("%s-silent-%x-%d", stream, h.Sum64(), noticed.UnixMilli())
}

// GroupIncidentID is the id of a group by that of its first member.
func GroupIncidentID(first string) string { return first + "-group" }

// Open reports whether the incident lasts.
func (i *Incident) Open() bool { return i.Status == StatusOpen || i.Status == StatusAcknowledged }

// Ends reports whether this revision tells the end of the incident.
func (i *Incident) Ends() bool {
	return i.Change == ChangeRecovered || i.Change == ChangeResolved || i.Change == ChangeOutlasted
}

// Key is the key of the incident's record.
func (i *Incident) Key() string { return i.ID }

// StoredIncident is an incident with what the store adds.
type StoredIncident struct {
	Incident
	OpenedAt       time.Time  `json:"opened_at"`       // Processing time at which the first revision that the sink read was written, UTC.
	AcknowledgedAt *time.Time `json:"acknowledged_at"` // Processing time of the first acknowledgement; null before.
	EndedAt        *time.Time `json:"ended_at"`        // Processing time at which the first revision that ended it was written; null while it lasts.
	CreatedAt      time.Time  `json:"created_at"`      // When the sink stored its first revision, UTC.
	UpdatedAt      time.Time  `json:"updated_at"`      // When the sink stored its newest revision, UTC.
}

// IncidentQuery selects incidents of the store; zero fields do not restrict.
type IncidentQuery struct {
	Stream      string
	Entity      string
	Kind        string
	Status      []string // Any of them.
	Verdict     string
	Group       string    // Members of this group.
	TopLevel    bool      // Leave out members of groups.
	From, To    time.Time // Overlapping [From, To): started before To, and not ended before From.
	MinSeverity float64
	Sort        string // SortNewest (default), SortOldest or SortSeverity.
	Limit       int    // 1..1000.
	Cursor      string // Opaque: IncidentPage.Next of the page before.
}

// IncidentPage is one page of incidents.
type IncidentPage struct {
	Items []StoredIncident
	Next  string // Cursor of the next page, "" on the last one.
}
