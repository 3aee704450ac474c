package features

import (
	"math"
	"slices"
	"time"
)

// Feature is one raw feature and what is made of it.
type Feature struct {
	Name       string
	Transforms []Transform
}

// Column is one column that detectors see.
type Column struct {
	Feature   int // Index of the raw feature it is made from.
	Transform Transform
	Second    bool // The cosine of a transform on a circle.

	residual bool // A difference of values, which is 0 when it is nothing but rounding.
}

// String is the transform; of one on a circle, which half of it.
func (c Column) String() string {
	switch {
	case c.Transform.width() == 1:
		return c.Transform.String()
	case c.Second:
		return c.Transform.String() + " cos"
	}
	return c.Transform.String() + " sin"
}

// Pipeline is the plan of a stream's columns. It is immutable and safe for concurrent use; what it remembers of a key is in
// that key's State.
type Pipeline struct {
	features []Feature
	columns  []Column // All first transforms in order of the features, then all second ones, and so on.
	history  []int
}

// NewPipeline plans the columns of features.
func NewPipeline(list []Feature) *Pipeline {
	p := &Pipeline{features: list}
	most := 0
	for _, f := range list {
		p.history = append(p.history, history(f.Transforms))
		most = max(most, len(f.Transforms))
	}
	for i := range most {
		for j, f := range list {
			if i >= len(f.Transforms) {
				continue
			}
			p.columns = append(p.columns, Column{Feature: j, Transform: f.Transforms[i], residual: isResidual(f.Transforms[i].Kind)})
			if f.Transforms[i].width() == 2 {
				p.columns = append(p.columns, Column{Feature: j, Transform: f.Transforms[i], Second: true})
			}
		}
	}
	return p
}

// Columns returns the columns in order. The slice belongs to the pipeline.
func (p *Pipeline) Columns() []Column { return p.columns }

// State is what the transforms remember of one key: plain numbers, so that it can be saved.
type State struct {
	Seen    int64 // Events applied.
	Largest []float64
	Past    [][]float64 // Per feature: a ring of past values; the newest is at (Seen-1) mod length.
	Weighed []float64   // Two numbers per EWMA column in order: weighted sum and weight of the values before.
	Season  []Season    // Per season column in order.
}

// NewState returns the state of a key never seen.
func (p *Pipeline) NewState() *State {
	s := &State{Largest: make([]float64, len(p.features)), Past: make([][]float64, len(p.features))}
	for j, n := range p.history {
		s.Past[j] = make([]float64, n)
	}
	for _, c := range p.columns {
		switch c.Transform.Kind {
		case EWMAResidual:
			s.Weighed = append(s.Weighed, 0, 0)
		case SeasonResidual:
			s.Season = append(s.Season, newSeason(c.Transform.Slot))
		}
	}
	return s
}

// Apply writes the columns of an event to out, without remembering it. Scratch is grown as needed and may be nil.
func (p *Pipeline) Apply(s *State, values []float64, at time.Time, out []float64, scratch *[]float64) {
	ewma, season := 0, 0
	for i := range p.columns {
		c := &p.columns[i]
		x := values[c.Feature]
		past := s.Past[c.Feature]
		switch t := &c.Transform; t.Kind {
		case Value:
			out[i] = x
		case Diff:
			out[i] = x - s.before(past, 1, x)
		case Lag:
			out[i] = s.before(past, t.Count, x)
		case Log:
			out[i] = math.Copysign(math.Log1p(math.Abs(x)), x)
		case EWMAResidual:
			out[i] = x
			if w := s.Weighed[ewma+1]; w > 0 {
				out[i] = x - s.Weighed[ewma]/w
			} else {
				out[i] = 0
			}
			ewma += 2
		case MedianResidual:
			out[i] = 0
			if v := s.last(past, t.Count, scratch); len(v) > 0 {
				out[i] = x - medianOf(v)
			}
		case RollingSD:
			v := append(s.last(past, t.Count-1, scratch), x)
			out[i] = math.Log1p(sd(v))
		case HourSinCos, WeekdaySinCos:
			period := 24 * time.Hour
			if t.Kind == WeekdaySinCos {
				period *= 7
			}
			sin, cos := circle(at, period)
			if out[i] = sin; c.Second {
				out[i] = cos
			}
		case SeasonResidual:
			out[i] = 0
			if m, ok := s.Season[season].around(at, scratch); ok {
				out[i] = x - m
			} else if v := s.last(past, untilSeason, scratch); len(v) > 0 {
				out[i] = x - medianOf(v)
			}
			season++
		}
		if c.residual && math.Abs(out[i]) < 1e-12*max(s.Largest[c.Feature], math.Abs(x)) {
			out[i] = 0 // On a constant series a residual decays into denormals, which no histogram can bin.
		}
	}
}

func isResidual(k Kind) bool {
	return k == Diff || k == EWMAResidual || k == MedianResidual || k == SeasonResidual
}

// Learn remembers an event.
func (p *Pipeline) Learn(s *State, values []float64, at time.Time) {
	ewma, season := 0, 0
	for _, c := range p.columns {
		switch c.Transform.Kind {
		case EWMAResidual:
			keep := 1 - c.Transform.Factor
			s.Weighed[ewma] = float64(keep*s.Weighed[ewma]) + values[c.Feature]
			s.Weighed[ewma+1] = float64(keep*s.Weighed[ewma+1]) + 1
			ewma += 2
		case SeasonResidual:
			s.Season[season].learn(at, values[c.Feature])
			season++
		}
	}
	for j, x := range values {
		s.Largest[j] = max(s.Largest[j], math.Abs(x))
		if n := len(s.Past[j]); n > 0 {
			s.Past[j][s.Seen%int64(n)] = x
		}
	}
	s.Seen++
}

// before returns the value n events ago; where there were fewer, the oldest known, or the value itself.
func (s *State) before(past []float64, n int, x float64) float64 {
	if s.Seen == 0 {
		return x
	}
	n = int(min(int64(n), s.Seen))
	return past[(s.Seen-int64(n))%int64(len(past))]
}

// last returns the last n values, or as many as there are, in a scratch slice with room for one more.
func (s *State) last(past []float64, n int, scratch *[]float64) []float64 {
	v := slices.Grow((*scratch)[:0], n+1)
	n = int(min(int64(n), s.Seen, int64(len(past))))
	for i := int64(n); i >= 1; i-- {
		v = append(v, past[(s.Seen-i)%int64(len(past))])
	}
	*scratch = v[:0]
	return v
}

// sd returns the population standard deviation.
func sd(v []float64) float64 {
	var sum, squares float64
	for _, x := range v {
		sum += x
	}
	mean := sum / float64(len(v))
	for _, x := range v {
		d := x - mean
		squares += float64(d * d)
	}
	return math.Sqrt(squares / float64(len(v)))
}
