package processors

// Taken is a verdict as a state remembers it.
type Taken struct {
	ID        string
	Kind      string // "" for a withdrawal whose verdict never came.
	Taken     int64  // Events learned when it was taken, and
	Withdrawn int64  // when it was taken back; -1 while it is not.
}

// Taken lists the verdicts that the state remembers.
func (s *State) Taken() []Taken {
	var out []Taken
	for i := range s.verdicts {
		v := &s.verdicts[i]
		out = append(out, Taken{v.id, v.kind, v.taken, v.withdrawn})
	}
	return out
}
