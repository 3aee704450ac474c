package processors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"time"

	"anomalystream/detectors/decision"
	"anomalystream/detectors/features"
	"anomalystream/streams"
)

// The saved form of a State, version 2; version 1 is read too, and had no sections. All numbers are little-endian; "bytes" and lists start with their length as uint32;
// times are Unix nanoseconds, the smallest int64 standing for none.
//
//	magic "ASDS" | version uint16 | crc32c uint32 of everything after it
//	fingerprint bytes       what must be equal in the definition: see Engine.fingerprint
//	names       list of bytes
//	seen, scored, flagged, generation, fitFrom, fitTo, cut, regimes   8 × int64
//	firstEvent, lastEvent, fitTime    3 × time
//	transforms  seen int64 | largest, weighed: 2 × list of float64 | past: list of list of float64
//	            | seasons: list of (means: list of float64 | numbers: list of int32 | count uint32 | newest int32)
//	speeds      only with alert_score forest: as transforms
//	held        list of float64
//	rows        first int64 (number of the oldest kept row) | rows: list of float64, of float32 in the compact profile
//	            | times: list of uint32 (Unix seconds); both oldest first
//	calibrator  list of (median, spread, mean, sd float64 | failed uint8) | past: list of float32 | waiting clocks: list of int64
//	            | waiting: list of float32 | clock, needed int64 | drifted uint8
//	recent      bits: list of uint64 | count int64 | set int64
//	scores      sum, max float64
//	anomaly     given uint8 | id bytes | time | score float64
//	minute      start, events, scored, flagged, late int64 | max float64 | bins: list of uint32
//	            | features: list of (min, max, sum float64)
//	sections    list of (tag uint8 | bytes), by ascending tag: see format_sections.go
const (
	formatMagic   = "ASDS"
	formatVersion = 2
	headerBytes   = len(formatMagic) + 2 + 4
)

// Errors of RestoreState.
var (
	ErrFormatVersion = errors.New("state was written by another version") // Upgrade the binary, or reset the state.
	ErrCorrupt       = errors.New("state is damaged")                     // Reset the state of the key.
	ErrDefinition    = errors.New("state belongs to another definition")  // What shapes the state changed: reset it.
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// noTime stands for the zero time.
const noTime = math.MinInt64

// fingerprint names what shapes a state: a definition with another fingerprint cannot go on from it, as its rows would have other
// columns or its past statistics another meaning. Requested rate, threshold, directions, deviations and the regime rule may
// change at any time.
func (e *Engine) fingerprint() string {
	d := &e.def
	var b strings.Builder
	fmt.Fprintf(&b, "window %d refit %d warmup %d buffer %d delay %d seed %d profile %s alert %s\n", d.Window, d.Refit, d.WarmUp, d.Buffer, d.Delay, d.Seed, d.Profile, d.Alert)
	fmt.Fprintf(&b, "combine %s vote %s weights %v\n", d.Combine, d.Vote, e.rule.Weights)
	for _, s := range e.specs {
		fmt.Fprintf(&b, "detector %s %v\n", s.Name, s.Params) // fmt prints maps in order of the keys.
	}
	for _, f := range d.Features {
		fmt.Fprintf(&b, "feature %s %v\n", f.Name, f.Transforms)
	}
	return b.String()
}

// AppendState appends the saved form of a state to b.
func (e *Engine) AppendState(b []byte, s *State) []byte {
	start := len(b)
	w := writer{append(binary.LittleEndian.AppendUint16(append(b, formatMagic...), formatVersion), 0, 0, 0, 0)}
	w.text(e.shape)
	var names []string
	if s.plan != nil {
		names = s.plan.names
	}
	w.size(len(names))
	for _, n := range names {
		w.text(n)
	}
	for _, v := range []int64{s.seen, s.scored, s.flagged, s.generation, s.fitFrom, s.fitTo, s.cut, s.regimes} {
		w.int(v)
	}
	w.time(s.firstEvent)
	w.time(s.lastEvent)
	w.time(s.fitTime)
	if s.plan != nil {
		w.transforms(s.transforms)
		if s.speeds != nil {
			w.transforms(s.speeds)
		}
		w.floats(s.held)
		w.rows(s)
	}
	w.calibrator(s.calibrator.Memory())
	w.size(len(s.recent.bits))
	for _, v := range s.recent.bits {
		w.int(int64(v))
	}
	w.int(s.recent.count)
	w.int(int64(s.recent.set))
	w.float(s.scoreSum)
	w.float(s.scoreMax)
	w.bool(s.lastAnomaly != nil)
	if a := s.lastAnomaly; a != nil {
		w.text(a.ID)
		w.time(a.Timestamp)
		w.float(a.Score)
	}
	w.minute(&s.minute)
	w.sections(s)
	binary.LittleEndian.PutUint32(w.b[start+headerBytes-4:], crc32.Checksum(w.b[start+headerBytes:], castagnoli))
	return w.b
}

// RestoreState makes the state of a saved form. Errors: ErrFormatVersion, ErrCorrupt, ErrDefinition. Models are fitted again
// when the next event needs them.
func (e *Engine) RestoreState(entity string, payload []byte) (*State, error) {
	if len(payload) < headerBytes || string(payload[:len(formatMagic)]) != formatMagic {
		return nil, fmt.Errorf("%w: it does not begin as a state does", ErrCorrupt)
	}
	version := binary.LittleEndian.Uint16(payload[len(formatMagic):])
	if version < 1 || version > formatVersion {
		return nil, fmt.Errorf("%w: format %d, this binary reads 1 to %d", ErrFormatVersion, version, formatVersion)
	}
	body := payload[headerBytes:]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(payload[headerBytes-4:]) {
		return nil, fmt.Errorf("%w: the checksum differs", ErrCorrupt)
	}
	r := &reader{b: body}
	if was := r.text(); r.ok() && was != e.shape {
		return nil, fmt.Errorf("%w: saved under\n%snow\n%s", ErrDefinition, was, e.shape)
	}
	s := e.NewState(entity)
	var names []string
	for range r.size(4) {
		names = append(names, r.text())
	}
	if e.fixed == nil && len(names) > 0 {
		e.adopt(s, e.planFor(names))
	}
	for _, v := range []*int64{&s.seen, &s.scored, &s.flagged, &s.generation, &s.fitFrom, &s.fitTo, &s.cut, &s.regimes} {
		*v = r.int()
	}
	s.firstEvent, s.lastEvent, s.fitTime = r.time(), r.time(), r.time()
	if s.plan != nil {
		r.transforms(s.transforms, s.seen)
		if s.speeds != nil {
			r.transforms(s.speeds, s.seen)
		}
		r.fill(s.held)
		r.rows(s)
	}
	var valid bool
	if s.calibrator, valid = decision.Restore(e.rule, r.calibrator()); !valid {
		r.fail()
	}
	for range r.size(8) {
		s.recent.bits = append(s.recent.bits, uint64(r.int()))
	}
	s.recent.count, s.recent.set = r.int(), int(r.int())
	s.scoreSum, s.scoreMax = r.float(), r.float()
	if r.bool() {
		s.lastAnomaly = &streams.LastAnomaly{ID: r.text(), Timestamp: r.time(), Score: r.float()}
	}
	r.minute(&s.minute)
	if version >= 2 {
		if err := r.sections(s); err != nil {
			return nil, err
		}
	}
	if !r.ok() || len(r.b) > 0 || !s.consistent(e.keep(), names) {
		return nil, fmt.Errorf("%w: its parts do not fit together", ErrCorrupt)
	}
	return s, nil
}

// consistent checks what later code relies on.
func (s *State) consistent(keep int, names []string) bool {
	if s.plan == nil {
		return s.seen == 0 && s.generation == 0
	}
	kept := min(s.seen, int64(keep))
	return len(names) == len(s.plan.names) && s.seen >= 0 && s.generation >= 0 && int64(len(s.times)) == kept &&
		s.cut >= 0 && s.cut <= s.seen && s.fitFrom >= 0 && s.fitFrom <= s.fitTo && s.fitTo <= s.seen && (s.generation == 0 || s.fitTo > s.fitFrom && s.fitFrom >= s.seen-kept) &&
		len(s.minute.features) == len(s.plan.names) && s.recent.count >= 0 && int64(len(s.recent.bits)) == (min(s.recent.count, recentFlags)+63)/64
}

// writer appends values.
type writer struct{ b []byte }

func (w *writer) size(n int)      { w.b = binary.LittleEndian.AppendUint32(w.b, uint32(n)) }
func (w *writer) uint32(v uint32) { w.b = binary.LittleEndian.AppendUint32(w.b, v) }
func (w *writer) int(v int64)     { w.b = binary.LittleEndian.AppendUint64(w.b, uint64(v)) }
func (w *writer) float(v float64) { w.b = binary.LittleEndian.AppendUint64(w.b, math.Float64bits(v)) }
func (w *writer) text(s string)   { w.size(len(s)); w.b = append(w.b, s...) }

// put writes a number over the one at a place.
func (w *writer) put(at int, v uint32) { binary.LittleEndian.PutUint32(w.b[at:], v) }

func (w *writer) bool(v bool) {
	if v {
		w.b = append(w.b, 1)
		return
	}
	w.b = append(w.b, 0)
}

func (w *writer) time(t time.Time) {
	if t.IsZero() {
		w.int(noTime)
		return
	}
	w.int(t.UnixNano())
}

func (w *writer) floats(v []float64) {
	w.size(len(v))
	for _, x := range v {
		w.float(x)
	}
}

func (w *writer) floats32(v []float32) {
	w.size(len(v))
	for _, x := range v {
		w.uint32(math.Float32bits(x))
	}
}

func (w *writer) transforms(t *features.State) {
	w.int(t.Seen)
	w.floats(t.Largest)
	w.floats(t.Weighed)
	w.size(len(t.Past))
	for _, p := range t.Past {
		w.floats(p)
	}
	w.size(len(t.Season))
	for i := range t.Season {
		season := &t.Season[i]
		w.floats(season.Mean)
		w.size(len(season.Number))
		for _, n := range season.Number {
			w.uint32(uint32(n))
		}
		w.uint32(season.Count)
		w.uint32(uint32(season.Newest))
	}
}

func (w *writer) rows(s *State) {
	first := s.seen - int64(len(s.times))
	w.int(first)
	w.size(s.rows.stored())
	w.b = slices.Grow(w.b, 8*s.rows.stored()+4*len(s.times))
	for i := first; i < s.seen; i++ {
		at := s.rows.at(i)
		if s.rows.narrow {
			for _, v := range s.rows.f32[at : at+s.rows.width] {
				w.uint32(math.Float32bits(v))
			}
			continue
		}
		for _, v := range s.rows.f64[at : at+s.rows.width] {
			w.float(v)
		}
	}
	w.size(len(s.times))
	for i := first; i < s.seen; i++ {
		w.uint32(s.times[i%int64(s.rows.keep)])
	}
}

func (w *writer) calibrator(m decision.Memory) {
	w.size(len(m.Scales))
	for _, s := range m.Scales {
		for _, v := range []float64{s.Median, s.Spread, s.Mean, s.SD} {
			w.float(v)
		}
		w.bool(s.Failed)
	}
	w.floats32(m.Past)
	w.size(len(m.WaitAt))
	for _, at := range m.WaitAt {
		w.int(at)
	}
	w.floats32(m.Wait)
	w.int(m.Clock)
	w.int(int64(m.Needed))
	w.bool(m.Drifted)
}

func (w *writer) minute(m *minute) {
	for _, v := range []int64{m.start, m.events, m.scored, m.flagged, m.late} {
		w.int(v)
	}
	w.float(m.scoreMax)
	w.size(len(m.bins))
	for _, n := range m.bins {
		w.uint32(n)
	}
	w.size(len(m.features))
	for _, f := range m.features {
		w.float(f.min)
		w.float(f.max)
		w.float(f.sum)
	}
}
