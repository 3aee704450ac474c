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
	events int64
	where  map[streams.Position]truthEvent
	marked map[streams.Position]bool // Anomalies by position.
}

type truthKey struct {
	events int
	open   *truthFault
}

// truthFault is one injected fault of one key: a run of events with the same truth.
type truthFault struct {
	name   string
	events int       // Scored events so far.
	first  time.Time // Event time of the first scored one.
}

type truthEvent struct {
	fault  *truthFault // Nil for a normal event.
	number int         // Of the event within its fault, from 0.
	at     time.Time
}

func newTruthBook(definitions []*streams.Definition, known bool) *truthBook {
	b := &truthBook{known: known, warmUp: map[string]int{}, streams: map[string]*truthStream{}}
	for _, d := range definitions {
		b.warmUp[d.Name] = d.WarmUp
		b.streams[d.Name] = &truthStream{keys: map[string]*truthKey{}, where: map[streams.Position]truthEvent{}, marked: map[streams.Position]bool{}}
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
	e := truthEvent{fault: k.open, at: at}
	if k.open != nil {
		e.number = k.open.events
		k.open.events++
	}
	s.where[position] = e
}

// anomaly notes a detected anomaly; repetitions do not count.
func (b *truthBook) anomaly(a *streams.Anomaly) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.streams[a.Stream]; s != nil {
		s.marked[a.Source] = true
	}
}

// demoSummary is what the demo says about one stream at its end.
type demoSummary struct {
	Stream      string   `json:"stream"`
	Events      int64    `json:"events"`
	Scored      int64    `json:"scored"`
	Anomalies   int64    `json:"anomalies"`
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
	out := demoSummary{Stream: d.Name, Events: s.events, Scored: int64(len(s.where)), Requested: d.Rate, Faults: len(s.faults)}
	first := map[*truthFault]truthEvent{}
	var right int64
	for position := range s.marked {
		e, ok := s.where[position]
		if !ok {
			continue
		}
		out.Anomalies++
		if e.fault == nil {
			continue
		}
		right++
		if before, ok := first[e.fault]; !ok || e.number < before.number {
			first[e.fault] = e
		}
	}
	if !b.known {
		return out
	}
	wrong := out.Anomalies - right
	out.FalseAlarms, out.Found = &wrong, len(first)
	normal := out.Scored
	for _, f := range s.faults {
		normal -= int64(f.events)
	}
	if normal > 0 {
		out.FalseRate = ratio(float64(wrong), float64(normal))
	}
	if len(s.faults) > 0 {
		out.Recall = ratio(float64(out.Found), float64(out.Faults))
		if out.Anomalies > 0 {
			out.Precision = ratio(float64(right), float64(out.Anomalies))
		}
	}
	var delays, seconds []float64
	for f, e := range first {
		delays = append(delays, float64(e.number))
		seconds = append(seconds, e.at.Sub(f.first).Seconds())
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
