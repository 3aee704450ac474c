package incidents

import (
	"cmp"
	"slices"
	"time"

	"anomalystream/streams"
)

// Bounds of a state.
const (
	maxKeys     = 20_000 // Keys remembered; beyond, the ones unheard for longest go, unless something of theirs lasts.
	maxClosed   = 128    // Incidents that have ended and are remembered whole: the latest, and those that feedback came about.
	maxFeedback = 256    // Feedback whose repetitions are recognised: the latest.

	// forgotten is how long a key of which nothing lasts is remembered, forgottenPausing one that is known to pause, as over weekends and
	// holidays; one that is rarely heard of longer than its silence takes to be told.
	forgotten, forgottenPausing = 48 * time.Hour, 8 * 24 * time.Hour
)

// State is what is known of one stream. It is saved whole, see format.go; its members have names for that alone. A State is
// not safe for concurrent use.
type State struct {
	Ticked time.Time     `json:"ticked"` // The newest tick.
	Passed time.Duration `json:"passed"` // How much time ticks say has passed since the first.

	Heard    time.Duration `json:"heard"`              // Passed when the stream was last heard of.
	Newest   time.Time     `json:"newest"`             // Its newest event, to the minute.
	Pauses   []pause       `json:"pauses,omitempty"`   // When nothing came from anyone, oldest first.
	Returned time.Duration `json:"returned,omitempty"` // Passed at the end of the last of them.

	Keys     []*key   `json:"keys"`     // In the order they came.
	Groups   []*burst `json:"groups"`   // That last.
	Silent   *burst   `json:"silent"`   // Of the whole stream.
	Closed   []*burst `json:"closed"`   // Oldest first; each stands in Kept too.
	Kept     []kept   `json:"kept"`     // Oldest first.
	Said     []said   `json:"said"`     // Oldest first.
	Feedback []string `json:"feedback"` // Ids of what was applied, oldest first.
	Evicted  int64    `json:"evicted"`  // Keys given up because there were too many.

	byEntity map[string]*key
}

// NewState returns the state of a stream never seen.
func NewState() *State { return &State{byEntity: map[string]*key{}} }

// key is what is known of one detector key.
type key struct {
	Entity string `json:"entity"`
	clock

	Marks    []mark             `json:"marks"`            // Up to where anomalies were seen, by partition of the source.
	Latest   time.Time          `json:"latest"`           // Event time of the newest anomaly.
	Pending  []*streams.Anomaly `json:"pending"`          // Those that may still open an incident, oldest first.
	Openings []time.Time        `json:"openings"`         // Starts of recent incidents.
	Burst    *burst             `json:"burst"`            // The incident of anomalies that lasts, or nil.
	Silent   *burst             `json:"silent"`           // The silence that lasts, or nil.
	Pauses   []pause            `json:"pauses,omitempty"` // When nothing came from it, oldest first.
	Told     time.Duration      `json:"told,omitempty"`   // Passed when the last silence was told.
	Away     bool               `json:"away,omitempty"`   // It was silent for so long that it is not expected.
}

// mark is a position in the source.
type mark struct {
	Partition int32 `json:"partition"`
	Offset    int64 `json:"offset"`
}

// burst is an incident and what its next revision needs.
type burst struct {
	Incident streams.Incident         `json:"incident"`
	Shares   map[string]float64       `json:"shares"`             // Contributions summed over the anomalies; nil for a silence, and once it has ended.
	Members  []streams.IncidentMember `json:"members,omitempty"`  // Of a group, in the order they joined.
	Opened   time.Time                `json:"opened,omitzero"`    // Event time of the anomaly that opened it, of a group the earliest of its members; zero for a silence.
	Joined   time.Time                `json:"joined"`             // Of a group: when the latest member began.
	Ended    time.Time                `json:"ended"`              // Of a group: the latest end of a member.
	Verdicts []verdict                `json:"verdicts,omitempty"` // Those not withdrawn, oldest first.

	// What the newest revision told, beside the Incident's own members and their number.
	ToldCount    int64     `json:"told_count"`
	ToldLatest   time.Time `json:"told_latest"`
	ToldSeverity float64   `json:"told_severity"`
	ToldMembers  int       `json:"told_members"` // When it opened or last worsened.
}

type verdict struct {
	ID      string `json:"id"`
	Verdict string `json:"verdict"`
}

// key returns the key of an entity, a new one where there is none.
func (s *State) key(entity string) *key {
	k := s.byEntity[entity]
	if k == nil {
		if len(s.Keys) >= maxKeys {
			s.evict()
		}
		k = &key{Entity: entity}
		k.Heard = s.Passed
		s.Keys = append(s.Keys, k)
		s.byEntity[entity] = k
	}
	return k
}

// idle reports whether nothing of the key lasts.
func (k *key) idle() bool { return k.Burst == nil && k.Silent == nil }

// evict gives up a sixteenth of the keys: those unheard for longest, of which nothing lasts.
func (s *State) evict() {
	var idle []*key
	for _, k := range s.Keys {
		if k.idle() {
			idle = append(idle, k)
		}
	}
	slices.SortStableFunc(idle, func(a, b *key) int { return cmp.Compare(a.Heard, b.Heard) })
	idle = idle[:min(len(idle), maxKeys/16)]
	for _, k := range idle {
		delete(s.byEntity, k.Entity)
	}
	s.Evicted += int64(len(idle))
	s.compact()
}

// compact drops the keys that are not in the index any more.
func (s *State) compact() {
	if len(s.byEntity) < len(s.Keys) {
		s.Keys = slices.DeleteFunc(s.Keys, func(k *key) bool { return s.byEntity[k.Entity] == nil })
	}
}

// each calls f for every incident that lasts; k is nil for those of no key.
func (s *State) each(f func(k *key, b *burst)) {
	for _, k := range s.Keys {
		if k.Burst != nil {
			f(k, k.Burst)
		}
		if k.Silent != nil {
			f(k, k.Silent)
		}
	}
	for _, g := range s.Groups {
		f(nil, g)
	}
	if s.Silent != nil {
		f(nil, s.Silent)
	}
}
