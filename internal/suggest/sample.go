package suggest

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"anomalystream/streams"
)

// Limits of what is looked at.
const (
	maxFields   = 2000   // Fields of all events together.
	maxDistinct = 20_000 // Different values of a field that are told apart.
	maxEvents   = 50_000 // Events of a sample.
)

// Sample collects what the events of a stream look like. It is not safe for concurrent use.
type Sample struct {
	events int
	bad    int
	reason string // What was wrong with the first bad event.
	fields map[string]*field
	order  []*field    // As they first came.
	keys   *values     // Record keys.
	times  []time.Time // Record timestamps by event, zero for none.
}

// values are the distinct texts of a field.
type values struct {
	index    map[string]int // Position in texts and counts.
	texts    []string
	counts   []int
	byEvent  map[int]int // Position of an event's value.
	overflow bool        // There were more than maxDistinct.
}

func newValues() *values { return &values{index: map[string]int{}, byEvent: map[int]int{}} }

func (v *values) add(event int, text string) {
	i, ok := v.index[text]
	if !ok {
		if len(v.texts) == maxDistinct {
			v.overflow = true
			return
		}
		i = len(v.texts)
		v.index[text] = i
		v.texts, v.counts = append(v.texts, text), append(v.counts, 0)
	}
	v.counts[i]++
	v.byEvent[event] = i
}

// usual returns the most frequent values, at most n.
func (v *values) usual(n int) []string {
	order := make([]int, len(v.texts))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(v.counts[b]-v.counts[a], cmp.Compare(v.texts[a], v.texts[b])) })
	var out []string
	for _, i := range order[:min(n, len(order))] {
		out = append(out, v.texts[i])
	}
	return out
}

// field is everything known about one path of the events.
type field struct {
	path     string
	present  int // Events that hold it, null included.
	nulls    int
	numbers  int
	strings  int
	others   int     // Booleans and arrays.
	integers int     // Numbers without a fraction.
	textual  int     // Times written as text.
	values   *values // Of strings and integers.
	series   []point // Numbers.
	clock    []instant
}

// odd returns how many events hold something that is neither a number nor missing.
func (f *field) odd() int { return f.strings + f.others }

// point is a number and the event it came from.
type point struct {
	event int
	value float64
}

// instant is a value that reads as a time, and the event it came from.
type instant struct {
	event int
	at    time.Time
}

// NewSample returns an empty sample.
func NewSample() *Sample { return &Sample{fields: map[string]*field{}, keys: newValues()} }

// Full reports whether the sample holds all the events it takes; Add does nothing then.
func (s *Sample) Full() bool { return s.events == maxEvents }

// Add looks at one event: its record key (nil for none), its JSON object and the record's timestamp (zero for none). An
// event that is no JSON object is counted and left out.
func (s *Sample) Add(key, value []byte, at time.Time) {
	if s.Full() {
		return
	}
	d := jsontext.NewDecoder(bytes.NewReader(value))
	if d.PeekKind() != '{' {
		s.refuse("it is not a JSON object")
		return
	}
	var found []leaf
	if err := flatten(d, "", &found); err != nil {
		s.refuse(err.Error())
		return
	}
	if _, err := d.ReadToken(); err == nil {
		s.refuse("there is data behind the object")
		return
	}
	if key != nil {
		s.keys.add(s.events, string(key))
	}
	s.times = append(s.times, at)
	for _, l := range found {
		if f := s.field(l.path); f != nil {
			f.add(l, s.events)
		}
	}
	s.events++
}

func (s *Sample) refuse(reason string) {
	if s.bad == 0 {
		s.reason = reason
	}
	s.bad++
}

func (s *Sample) field(path string) *field {
	f, ok := s.fields[path]
	if !ok {
		if len(s.fields) == maxFields {
			return nil
		}
		f = &field{path: path, values: newValues()}
		s.fields[path] = f
		s.order = append(s.order, f)
	}
	return f
}

// leaf is a member that is no object.
type leaf struct {
	path string
	kind jsontext.Kind
	text string
	num  float64
}

// flatten reads an object into its leaves, with dotted paths.
func flatten(d *jsontext.Decoder, prefix string, out *[]leaf) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		l := leaf{path: prefix + name.String(), kind: d.PeekKind()}
		switch l.kind {
		case '{':
			if err := flatten(d, l.path+".", out); err != nil {
				return err
			}
			continue
		case '[':
			if err := d.SkipValue(); err != nil {
				return err
			}
		default:
			t, err := d.ReadToken()
			if err != nil {
				return err
			}
			l.text = t.String()
			if l.kind == '0' {
				if l.num, err = t.Float(); err != nil {
					return err
				}
			}
		}
		*out = append(*out, l)
	}
	_, err := d.ReadToken()
	return err
}

func (f *field) add(l leaf, event int) {
	f.present++
	switch l.kind {
	case 'n':
		f.nulls++
		return
	case '0':
		f.numbers++
		f.series = append(f.series, point{event, l.num})
		if l.num == math.Trunc(l.num) {
			f.integers++
			f.values.add(event, l.text)
		}
	case '"':
		f.strings++
		f.values.add(event, l.text)
	default:
		f.others++
		return
	}
	t, ok := streams.ParseTime([]byte(l.text))
	if !ok || l.kind == '"' && !strings.ContainsAny(l.text, "-:") { // Digits in a string are no time to a decoder.
		return
	}
	f.clock = append(f.clock, instant{event, t})
	if l.kind == '"' {
		f.textual++
	}
}

// clockSpan returns the earliest and latest time, and how often the time steps back.
func (f *field) clockSpan() (first, last time.Time, backward int) {
	first, last = f.clock[0].at, f.clock[0].at
	for i, c := range f.clock {
		if c.at.Before(first) {
			first = c.at
		}
		if c.at.After(last) {
			last = c.at
		}
		if i > 0 && c.at.Before(f.clock[i-1].at) {
			backward++
		}
	}
	return first, last, backward
}

// stats are the statistics of a numeric field.
type stats struct {
	min, median, max, mean, sd, skewness float64
	memory                               float64 // Correlation of a value with the one before of the same entity.
	rising                               float64 // Share of the steps of an entity that do not fall.
}

// describe computes the statistics of a field with numbers; entity is by event.
func (f *field) describe(entity []int) stats {
	sorted := make([]float64, len(f.series))
	var s stats
	n := float64(len(f.series))
	for i, p := range f.series {
		sorted[i] = p.value
		s.mean += p.value / n
	}
	slices.Sort(sorted)
	s.min, s.median, s.max = sorted[0], sorted[len(sorted)/2], sorted[len(sorted)-1]
	var m2, m3 float64
	for _, v := range sorted {
		m2 += (v - s.mean) * (v - s.mean) / n
		m3 += (v - s.mean) * (v - s.mean) * (v - s.mean) / n
	}
	s.sd = math.Sqrt(m2)
	if s.sd > 0 {
		s.skewness = m3 / (m2 * s.sd)
	}
	s.memory, s.rising = f.steps(entity)
	return s
}

// steps looks at the pairs of adjacent values of each entity, around the entity's own mean.
func (f *field) steps(entity []int) (memory, rising float64) {
	type sums struct {
		n, sum, last float64
		seen         bool
	}
	by := map[int]*sums{}
	for _, p := range f.series {
		e := by[entity[p.event]]
		if e == nil {
			e = &sums{}
			by[entity[p.event]] = e
		}
		e.n++
		e.sum += p.value
	}
	var up, pairs, product, square float64
	for _, p := range f.series {
		e := by[entity[p.event]]
		mean := e.sum / e.n
		if e.seen {
			pairs++
			if p.value >= e.last {
				up++
			}
			product += (p.value - mean) * (e.last - mean)
		}
		square += (p.value - mean) * (p.value - mean)
		e.last, e.seen = p.value, true
	}
	if pairs == 0 {
		return 0, 0
	}
	if square > 0 {
		memory = product / square
	}
	return memory, up / pairs
}
