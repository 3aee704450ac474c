package evaluate

import (
	"fmt"
	"math"
)

// Segment is one labelled anomaly.
type Segment struct {
	Start, End int      // Rows, zero-based, both inclusive.
	Metrics    []string // Guilty features, where they are known.
}

// Scores are what a detector said about the rows of a stream.
type Scores struct {
	Score    []float64   // The score of the decision, in [0, 1]; NaN during the warm-up.
	Rank     []float64   // The score to rank by; often the same slice.
	Flag     []bool      // The detector raised an alarm.
	Features []string    // Names of the columns of Contributions.
	Contrib  [][]float64 // By feature, then by row: its share in the score; NaN where there is none.
}

// Stream is a stream with labels, joined with the scores given for it.
type Stream struct {
	Set, Name string
	Segments  []Segment
	From      int     // First row that is judged.
	Sampling  float64 // Seconds from row to row; 0 if unknown.
	Probation int     // Leading rows that the Numenta benchmark ignores.
	ShiftAt   int     // Row of a permanent shift that is no anomaly; 0 for none.
	Scores
}

// Rows is the length of the stream.
func (s *Stream) Rows() int { return len(s.Score) }

// Validate says which parts do not fit together.
func (s *Stream) Validate() error {
	n := s.Rows()
	if len(s.Rank) != n || len(s.Flag) != n || len(s.Contrib) != len(s.Features) {
		return fmt.Errorf("%s: %d scores, %d to rank by, %d flags, %d contributions of %d features", s.Name, n, len(s.Rank), len(s.Flag), len(s.Contrib), len(s.Features))
	}
	for _, c := range s.Contrib {
		if len(c) != n {
			return fmt.Errorf("%s: %d contributions for %d rows", s.Name, len(c), n)
		}
	}
	if s.From < 0 || s.From > n {
		return fmt.Errorf("%s: judged from row %d of %d", s.Name, s.From, n)
	}
	for _, seg := range s.Segments {
		if seg.Start < 0 || seg.End < seg.Start || seg.End >= n {
			return fmt.Errorf("%s: labelled rows %d to %d of %d", s.Name, seg.Start, seg.End, n)
		}
	}
	return nil
}

// labels marks the labelled rows.
func (s *Stream) labels() []bool {
	out := make([]bool, s.Rows())
	for _, seg := range s.Segments {
		for i := seg.Start; i <= seg.End; i++ {
			out[i] = true
		}
	}
	return out
}

// ranked places missing scores below all others.
func ranked(score []float64) []float64 {
	floor := math.Inf(1)
	for _, v := range score {
		if v < floor { // False for NaN.
			floor = v
		}
	}
	if math.IsInf(floor, 1) {
		floor = 0
	}
	out := make([]float64, len(score))
	for i, v := range score {
		if v != v {
			v = floor - 1
		}
		out[i] = v
	}
	return out
}

// span is a group of rows, both ends inclusive.
type span struct{ first, last int }

// runs are the groups of adjacent true rows.
func runs(mask []bool) []span { return episodes(mask, 1) }

// episodes are the groups of true rows; rows more than gap apart belong to different ones.
func episodes(mask []bool, gap int) []span {
	var out []span
	for i, on := range mask {
		switch {
		case !on:
		case len(out) > 0 && i-out[len(out)-1].last <= gap:
			out[len(out)-1].last = i
		default:
			out = append(out, span{i, i})
		}
	}
	return out
}
