package main

import (
	"slices"
	"sync"
	"time"

	"anomalystream/streams"
)

// truthBook compares anomalies with the faults that the simulators injected. It lives in the demo only: the ground truth
// travels in a header that no processor reads.
type truthBook struct {
	mu      sync.Mutex
	known   bool           // The events come from the simulators; of recorded ones nobody knows the truth.
	warmUp  map[string]int // Events without a score at the start of each key, by stream.
	streams map[string]*truthStream
}

type truthStream struct {
	keys   map[string]*truthKey
	faults []*truthFault // In order of their first event.

	events, scored, normal int64 // Normal: scored and in no fault.
	anomalies, right       int64 // Right: in a fault.

	latest map[streams.Position]*truthEvent // The last scored events, for the anomalies that follow soon.
	order  []streams.Position               // Ring of their positions.
	early  map[streams.Position]bool        // Anomalies that came before their event was read.
}

type truthKey struct {
	events int
	open   *truthFault
}

// truthFault is one injected fault of one key: a run of events with the same truth.
type truthFault struct {
	name   string
	events int         // Scored events so far.
	first  time.Time   // Event time of the first scored one.
	found  *truthEvent // Its first event that was an anomaly.
}

type truthEvent struct {
	fault  *truthFault // Nil for a normal event.
	number int         // Of the event within its fault, from 0.
	at     time.Time
	marked bool // It was an anomaly.
}

// remembered is how many scored events of a stream wait for their anomalies. Those come within seconds.
const remembered = 1 << 17

func newTruthBook(definitions []*streams.Definition, known bool) *truthBook {
	b := &truthBook{known: known, warmUp: map[string]int{}, streams: map[string]*truthStream{}}
	for _, d := range definitions {
		b.warmUp[d.Name] = d.WarmUp
		b.streams[d.Name] = &truthStream{keys: map[string]*truthKey{}, latest: map[streams.Position]*truthEvent{}, early: map[streams.Position]bool{}}
	}
	return b
}

// event notes a written event of a stream's key; truth is the name of the fault it belongs to, "" for none.
func (b *truthBook) event(stream, key string, position streams.Position, at time.Time, truth string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.streams[stream]
	k := s.keys[key]
	if k == nil {
		k = &truthKey{}
		s.keys[key] = k
	}
	s.events++
	k.events++
	if k.events <= b.warmUp[stream] {
		return
	}
	switch {
	case truth == "":
		k.open = nil
	case k.open == nil || k.open.name != truth:
		k.open = &truthFault{name: truth, first: at}
		s.faults = append(s.faults, k.open)
	}
	e := &truthEvent{fault: k.open, at: at}
	s.scored++
	if k.open == nil {
		s.normal++
	} else {
		e.number = k.open.events
		k.open.events++
	}
	s.remember(position, e)
	if s.early[position] {
		delete(s.early, position)
		s.mark(e)
	}
}

func (s *truthStream) remember(position streams.Position, e *truthEvent) {
	if len(s.order) < remembered {
		s.order = append(s.order, position)
	} else {
		at := &s.order[s.scored%remembered]
		delete(s.latest, *at)
		*at = position
	}
	s.latest[position] = e
}

// mark counts an anomaly once.
func (s *truthStream) mark(e *truthEvent) {
	if e.marked {
		return
	}
	e.marked = true
	s.anomalies++
	if f := e.fault; f != nil {
		s.right++
		if f.found == nil || e.number < f.found.number {
			f.found = e
		}
	}
}

// anomaly notes a detected anomaly; repetitions do not count.
func (b *truthBook) anomaly(a *streams.Anomaly) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.streams[a.Stream]
	if s == nil {
		return
	}
	if e, ok := s.latest[a.Source]; ok {
		s.mark(e)
	} else if len(s.early) < remembered {
		s.early[a.Source] = true
	}
}

// demoSummary is what the demo says about one stream at its end.
type demoSummary struct {
	Stream      string   `json:"stream"`
	Events      int64    `json:"events"`
	Scored      int64    `json:"scored"`
	Anomalies   int64    `json:"anomalies"`
	Incidents   int64    `json:"incidents"`             // That opened, a group of many counting as one.
	Recovered   int64    `json:"recovered"`             // Those that ended.
	Faults      int      `json:"faults"`                // Injected faults with scored events; 0 without ground truth.
	Found       int      `json:"faults_found"`          // Those with at least one anomaly.
	Precision   *float64 `json:"precision"`             // Share of anomalies that lie in a fault.
	Recall      *float64 `json:"recall"`                // Share of faults found.
	FalseAlarms *int64   `json:"false_alarms"`          // Anomalies outside every fault; null where nobody knows the truth.
	FalseRate   *float64 `json:"false_alarm_rate"`      // Their share of the normal scored events.
	Requested   float64  `json:"requested_rate"`        // The false-alarm rate asked for.
	Delay       *float64 `json:"median_delay_events"`   // Events of a found fault before its first anomaly.
	DelayTime   *float64 `json:"median_delay_seconds"`  // The same in event time.
	EventsPer   float64  `json:"events_per_second"`     // Over the whole run.
	FirstAfter  *float64 `json:"first_anomaly_seconds"` // Seconds from the start to the first anomaly shown.
}

// summary compares what was injected with what was found.
func (b *truthBook) summary(d *streams.Definition) demoSummary {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.streams[d.Name]
	out := demoSummary{Stream: d.Name, Events: s.events, Scored: s.scored, Anomalies: s.anomalies, Requested: d.Rate, Faults: len(s.faults)}
	if !b.known {
		return out
	}
	wrong := s.anomalies - s.right
	out.FalseAlarms = &wrong
	if s.normal > 0 {
		out.FalseRate = ratio(float64(wrong), float64(s.normal))
	}
	var delays, seconds []float64
	for _, f := range s.faults {
		if f.found != nil {
			out.Found++
			delays = append(delays, float64(f.found.number))
			seconds = append(seconds, f.found.at.Sub(f.first).Seconds())
		}
	}
	if len(s.faults) > 0 {
		out.Recall = ratio(float64(out.Found), float64(out.Faults))
		if out.Anomalies > 0 {
			out.Precision = ratio(float64(s.right), float64(out.Anomalies))
		}
	}
	out.Delay, out.DelayTime = median(delays), median(seconds)
	return out
}

func ratio(a, b float64) *float64 {
	r := a / b
	return &r
}

// median returns the median of values, or nil without any.
func median(values []float64) *float64 {
	if len(values) == 0 {
		return nil
	}
	slices.Sort(values)
	m := (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	return &m
}

// events returns how many events were written.
func (b *truthBook) events() (n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.streams {
		n += s.events
	}
	return n
}
