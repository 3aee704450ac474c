package processors

import "time"

// Taken is a verdict as a state remembers it.
type Taken struct {
	ID        string
	Kind      string // "" for a withdrawal whose verdict never came.
	Taken     int64  // Events learned when it was taken, and
	Withdrawn int64  // when it was taken back; -1 while it is not.
	Until     time.Time
}

// LastEvent is the newest event time that the state has learned.
func (s *State) LastEvent() time.Time { return s.lastEvent }

// Taken lists the verdicts that the state remembers.
func (s *State) Taken() []Taken {
	var out []Taken
	for i := range s.verdicts {
		v := &s.verdicts[i]
		out = append(out, Taken{v.id, v.kind, v.taken, v.withdrawn, v.until})
	}
	return out
}
