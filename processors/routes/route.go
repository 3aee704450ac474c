package routes

import (
	"slices"
	"time"

	"anomalystream/streams"
)

// Route is what planning needs to know of a route.
type Route struct {
	Name   string
	Match  Match
	On     []string      // Events that are told: NotifyOpened, NotifyWorsened, NotifyRecovered.
	Wait   time.Duration // Between an opening and its message, so that a group can form; 0 tells at once.
	Repeat time.Duration // Between repetitions while an incident is open and nobody has acknowledged it; 0 for none.
	Limit  int           // Messages in each span of Per; 0 for any number.
	Per    time.Duration // Span of the limit; above 0 always.

	Labels map[string]map[string]string // Of every stream, by its name.
}

// Match selects incidents; empty fields do not restrict. An incident that matches once goes on matching: nothing that is
// looked at changes, except peaks, which only rise.
type Match struct {
	Streams     []string          // Patterns of stream names, any of them.
	Entities    []string          // Patterns of entities, any of them. A group has those of its members.
	Kinds       []string          // Kinds of incident, any of them.
	MinSeverity float64           // Of the peak.
	MinAlert    float64           // Alert score of the peak.
	Labels      map[string]string // Patterns of labels that the stream must have, all of them.
}

// Matches reports whether the route is concerned with an incident. Silences have no peak, so no minimum holds them back, nor a
// group that they are part of: it alone tells of them.
func (r *Route) Matches(i *streams.Incident) bool {
	m := &r.Match
	if !anyPattern(m.Streams, i.Stream) || !m.entity(i) || len(m.Kinds) > 0 && !slices.Contains(m.Kinds, i.Kind) {
		return false
	}
	silence := i.Kind == streams.KindSilent || i.Interval > 0
	if !silence && (i.PeakSeverity < m.MinSeverity || i.PeakAlert < m.MinAlert) {
		return false
	}
	for name, pattern := range m.Labels {
		value, ok := r.Labels[i.Stream][name]
		if !ok || !streams.MatchPattern(pattern, value) {
			return false
		}
	}
	return true
}

// entity reports whether the incident is one of the entities, or a group one of whose members is. A record does not name all
// members of a large group, and not always the same ones: that may be anybody's.
func (m *Match) entity(i *streams.Incident) bool {
	if i.Kind != streams.KindGroup {
		return anyPattern(m.Entities, i.Entity)
	}
	return i.MemberCount > len(i.Members) || slices.ContainsFunc(i.Members, func(member streams.IncidentMember) bool { return anyPattern(m.Entities, member.Entity) })
}

func anyPattern(patterns []string, text string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return streams.MatchPattern(p, text) })
}
