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
	Entities    []string          // Patterns of entities, any of them.
	Kinds       []string          // Kinds of incident, any of them.
	MinSeverity float64           // Of the peak.
	MinAlert    float64           // Alert score of the peak.
	Labels      map[string]string // Patterns of labels that the stream must have, all of them.
}

// Matches reports whether the route is concerned with an incident. Silences have no peak, so no minimum holds them back.
func (r *Route) Matches(i *streams.Incident) bool {
	m := &r.Match
	if !anyPattern(m.Streams, i.Stream) || !anyPattern(m.Entities, i.Entity) || len(m.Kinds) > 0 && !slices.Contains(m.Kinds, i.Kind) {
		return false
	}
	if i.Kind != streams.KindSilent && (i.PeakSeverity < m.MinSeverity || i.PeakAlert < m.MinAlert) {
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

func anyPattern(patterns []string, text string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return streams.MatchPattern(p, text) })
}
