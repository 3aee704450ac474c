package routes

import (
	"encoding/json"
	"fmt"
	"slices"

	"anomalystream/streams"
)

// Bounds of a route's state. They are met in a storm only: what exceeds them is told at once, or by a digest.
const (
	maxOpen   = 10_000  // Incidents followed at a time.
	maxBodies = 4 << 20 // Bytes of records that are kept, to be told later.
	maxEnded  = 2_000   // Incidents remembered after their end.
)

// State is what a route has told and has to tell. Times are in milliseconds since 1970.
type State struct {
	now    int64
	open   []*entry // By the time they were first seen.
	byID   map[string]*entry
	bodies int     // Bytes of records kept.
	ended  []ended // Oldest first.

	from int64 // Start of the span the limit counts in.
	sent int   // Messages in it.
	held streams.Digest

	digests int // Made so far.
}

// entry is an incident that is open.
type entry struct {
	ID       string `json:"id"`
	Revision int64  `json:"revision"`
	Since    int64  `json:"since"`  // When it was first seen; once told, when it was told last.
	Seen     int64  `json:"seen"`   // When its record last came.
	Told     bool   `json:"told"`   // Its opening is told, by a message or by a digest.
	Quiet    bool   `json:"quiet"`  // By a digest: so does its end.
	Asleep   bool   `json:"asleep"` // Acknowledged, suppressed or part of a group: nothing repeats.
	Repeats  int    `json:"repeats"`
	Body     []byte `json:"body"` // Its newest record, while there is something to tell later; null otherwise.
}

// ended is an incident that is over: repetitions of its records tell nothing new.
type ended struct {
	ID       string `json:"id"`
	Revision int64  `json:"revision"`
	At       int64  `json:"at"`
}

// NewState returns the state of a route that has told nothing.
func NewState() *State { return &State{byID: map[string]*entry{}} }

// Open returns the number of incidents the route follows.
func (s *State) Open() int { return len(s.open) }

// Held returns the number of messages waiting for a digest.
func (s *State) Held() int { return s.held.Counts.Total() }

// version is the first byte of a saved state. A state with another one is of a newer program.
const version = 1

// saved is the state in JSON, which follows the version.
type saved struct {
	Now   int64          `json:"now"`
	Open  []*entry       `json:"open"`
	Ended []ended        `json:"ended"`
	From  int64          `json:"from"`
	Sent  int            `json:"sent"`
	Held  streams.Digest `json:"held"`

	Digests int `json:"digests"`
}

// Append appends the saved state to b.
func (s *State) Append(b []byte) []byte {
	out, err := json.Marshal(saved{s.now, s.open, s.ended, s.from, s.sent, s.held, s.digests})
	if err != nil {
		panic(fmt.Sprintf("encoding the state of a route: %v", err)) // Every field has a JSON form, as scores come from JSON.
	}
	return append(append(b, version), out...)
}

// Restore reads a saved state.
func Restore(payload []byte) (*State, error) {
	if len(payload) == 0 || payload[0] != version {
		return nil, fmt.Errorf("reading the state of a route: expected format %d, found %x", version, payload[:min(len(payload), 1)])
	}
	var in saved
	if err := json.Unmarshal(payload[1:], &in); err != nil {
		return nil, fmt.Errorf("reading the state of a route: %w", err)
	}
	s := &State{now: in.Now, open: in.Open, byID: map[string]*entry{}, ended: in.Ended, from: in.From, sent: in.Sent, held: in.Held, digests: in.Digests}
	for _, e := range s.open {
		if e == nil || s.byID[e.ID] != nil {
			return nil, fmt.Errorf("reading the state of a route: incident missing or twice")
		}
		if _, err := streams.UnmarshalIncident(e.Body); err != nil && (e.Body != nil || !e.Told) {
			return nil, fmt.Errorf("reading the state of a route: incident %s: %w", e.ID, err)
		}
		s.byID[e.ID] = e
		s.bodies += len(e.Body)
	}
	return s, nil
}

// follow adds an incident, and reports whether there was room.
func (s *State) follow(e *entry) bool {
	if len(s.open) >= maxOpen {
		return false
	}
	s.open = append(s.open, e)
	s.byID[e.ID] = e
	return true
}

// forget removes an incident.
func (s *State) forget(e *entry) {
	s.keep(e, nil)
	delete(s.byID, e.ID)
	s.open = slices.DeleteFunc(s.open, func(o *entry) bool { return o == e })
}

// keep sets or removes the record that is kept of an incident, and reports whether there was room.
func (s *State) keep(e *entry, body []byte) bool {
	more := len(body) - len(e.Body)
	if more > 0 && s.bodies+more > maxBodies {
		return false
	}
	s.bodies += more
	e.Body = body
	return true
}

// end remembers that an incident is over.
func (s *State) end(id string, revision int64) {
	if i := s.endedAt(id); i >= 0 {
		s.ended[i].Revision = max(s.ended[i].Revision, revision)
		return
	}
	if len(s.ended) >= maxEnded {
		s.ended = slices.Delete(s.ended, 0, 1)
	}
	s.ended = append(s.ended, ended{id, revision, s.now})
}

func (s *State) endedAt(id string) int {
	return slices.IndexFunc(s.ended, func(e ended) bool { return e.ID == id })
}
