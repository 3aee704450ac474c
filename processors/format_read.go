package processors

import (
	"encoding/binary"
	"math"
	"time"

	"anomalystream/detectors/decision"
	"anomalystream/detectors/features"
)

// reader takes values off a saved state. After the first that is not there, everything is zero and ok is false.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) ok() bool { return !r.bad }

func (r *reader) fail() { r.bad, r.b = true, nil }

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.fail()
	}
	if r.bad {
		return make([]byte, min(n, 8))
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) uint32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) int() int64     { return int64(binary.LittleEndian.Uint64(r.take(8))) }
func (r *reader) float() float64 { return math.Float64frombits(uint64(r.int())) }
func (r *reader) bool() bool     { return r.take(1)[0] == 1 }

// size reads the length of a list whose elements have at least that many bytes each; a longer list than fits is damage.
func (r *reader) size(each int) int {
	n := int(r.uint32())
	if n > len(r.b)/each {
		r.fail()
		return 0
	}
	return n
}

func (r *reader) text() string { return string(r.take(r.size(1))) }

func (r *reader) time() time.Time {
	v := r.int()
	if v == noTime || r.bad {
		return time.Time{}
	}
	return time.Unix(0, v).UTC()
}

// fill reads a list that must have the length of v.
func (r *reader) fill(v []float64) {
	if r.size(8) != len(v) {
		r.fail()
		return
	}
	for i := range v {
		v[i] = r.float()
	}
}

func (r *reader) floats32() []float32 {
	v := make([]float32, r.size(4))
	for i := range v {
		v[i] = math.Float32frombits(r.uint32())
	}
	return v
}

func (r *reader) transforms(t *features.State, seen int64) {
	if t.Seen = r.int(); t.Seen != seen {
		r.fail()
	}
	r.fill(t.Largest)
	r.fill(t.Weighed)
	if r.size(4) != len(t.Past) {
		r.fail()
		return
	}
	for _, p := range t.Past {
		r.fill(p)
	}
	if r.size(4) != len(t.Season) {
		r.fail()
		return
	}
	for i := range t.Season {
		season := &t.Season[i]
		if r.fill(season.Mean); r.size(4) != len(season.Number) {
			r.fail()
			return
		}
		for j := range season.Number {
			season.Number[j] = int32(r.uint32())
		}
		season.Count, season.Newest = r.uint32(), int32(r.uint32())
	}
}

// rows reads the kept rows back to their places in the ring.
func (r *reader) rows(s *State) {
	each := 8
	if s.rows.narrow {
		each = 4
	}
	first, n := r.int(), r.size(each)
	kept := min(s.seen, int64(s.rows.keep))
	if s.seen < 0 || first != s.seen-kept || int64(n) != kept*int64(s.rows.width) {
		r.fail()
		return
	}
	if s.rows.narrow {
		s.rows.f32 = make([]float32, n)
	} else {
		s.rows.f64 = make([]float64, n)
	}
	row := make([]float64, s.rows.width)
	for i := first; i < s.seen; i++ {
		for j := range row {
			if s.rows.narrow {
				row[j] = float64(math.Float32frombits(r.uint32()))
			} else {
				row[j] = r.float()
			}
		}
		s.rows.put(i, row)
	}
	if int64(r.size(4)) != kept {
		r.fail()
		return
	}
	s.times = make([]uint32, kept)
	for i := first; i < s.seen; i++ {
		s.times[i%int64(s.rows.keep)] = r.uint32()
	}
}

func (r *reader) calibrator() decision.Memory {
	var m decision.Memory
	for range r.size(33) {
		m.Scales = append(m.Scales, decision.Scale{Median: r.float(), Spread: r.float(), Mean: r.float(), SD: r.float(), Failed: r.bool()})
	}
	m.Past = r.floats32()
	for range r.size(8) {
		m.WaitAt = append(m.WaitAt, r.int())
	}
	m.Wait = r.floats32()
	m.Clock, m.Needed, m.Drifted = r.int(), int(r.int()), r.bool()
	return m
}

func (r *reader) minute(m *minute) {
	for _, v := range []*int64{&m.start, &m.events, &m.scored, &m.flagged, &m.late} {
		*v = r.int()
	}
	m.scoreMax = r.float()
	if r.size(4) != len(m.bins) {
		r.fail()
		return
	}
	for i := range m.bins {
		m.bins[i] = r.uint32()
	}
	if r.size(24) != len(m.features) {
		r.fail()
		return
	}
	for i := range m.features {
		m.features[i] = span{r.float(), r.float(), r.float()}
	}
}
