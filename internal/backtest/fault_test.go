package backtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"anomalystream/emitters"
	"anomalystream/processors"
	"anomalystream/processors/incidents"
	"anomalystream/streams"
)

// TestOneFaultIsOneIncident lets one entity of each simulated stream have one fault of ten minutes, and runs events, detectors
// and incidents as the groups do, with ticks and rollups of open minutes: of that entity somebody is told of an opening and of
// a recovery, and of nothing else. The others have nothing but false alarms, and few incidents of those.
func TestOneFaultIsOneIncident(t *testing.T) {
	t.Parallel()
	for _, stream := range emitters.SimulatedStreams() {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s %d", stream, seed), func(t *testing.T) {
				t.Parallel()
				first, last, _ := firstFault(t, stream, seed, time.Second)
				interval := 10 * time.Minute / time.Duration(last-first+1)
				first, last, entity := firstFault(t, stream, seed, interval)
				from, to := start.Add(time.Duration(first)*interval), start.Add(time.Duration(last)*interval)
				w := &watched{t: t, d: simulatedDefinition(stream), states: map[string]*processors.State{}, incidents: incidents.NewState()}
				w.prepare()
				s := simulator(t, stream, seed, interval)
				hour := int(time.Hour / interval)
				for n := range last + hour {
					w.event(s.Next(), n < first-hour) // What comes long before the fault only teaches the detectors.
				}
				var told []string
				others := 0
				for _, i := range w.told {
					if i.Group != "" || i.Change != streams.ChangeOpened && i.End == nil {
						continue
					}
					if i.Entity != entity {
						others++
						continue
					}
					told = append(told, i.Change+" "+i.Entity)
					if i.Start.Before(from.Add(-time.Minute)) || i.Start.After(to) {
						t.Errorf("the fault lasts from %s to %s, the incident starts at %s", from, to, i.Start)
					}
				}
				if diff := cmp.Diff([]string{"opened " + entity, "recovered " + entity}, told); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				if others > 6 {
					t.Errorf("%d openings and recoveries of the others", others)
				}
			})
		}
	}
}

func simulator(t *testing.T, stream string, seed uint64, interval time.Duration) *emitters.Simulator {
	t.Helper()
	s, err := emitters.NewSimulator(emitters.SimulatorConfig{Stream: stream, Seed: seed, Start: start, Interval: interval, Calm: 1200, Gap: 4000})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// firstFault returns the first and last event of the first fault, and whose it is.
func firstFault(t *testing.T, stream string, seed uint64, interval time.Duration) (first, last int, entity string) {
	t.Helper()
	s := simulator(t, stream, seed, interval)
	for n := 0; ; n++ {
		e := s.Next()
		switch {
		case e.Truth != "" && entity == "":
			first, last, entity = n, n, string(e.Key)
		case e.Truth != "" && string(e.Key) == entity:
			last = n
		case entity == string(e.Key):
			return first, last, entity
		}
	}
}

// watched runs detectors and incidents of a stream, as the groups do.
type watched struct {
	t         *testing.T
	d         *streams.Definition
	decoder   *streams.Decoder
	engine    *processors.Engine
	maker     *incidents.Engine
	states    map[string]*processors.State
	order     []string // Of the states.
	incidents *incidents.State
	told      []streams.Incident
	ticked    time.Time
	n         int64
}

func (w *watched) prepare() {
	w.t.Helper()
	var err error
	if w.engine, err = processors.NewEngine(w.d); err != nil {
		w.t.Fatal(err)
	}
	if w.maker, err = incidents.New(w.d); err != nil {
		w.t.Fatal(err)
	}
	w.decoder = streams.NewDecoder(w.d, 0)
}

// event applies an event to its detector, and what comes of it to the incidents unless the detector still learns.
func (w *watched) event(e emitters.Event, learning bool) {
	w.t.Helper()
	w.n++
	event, reject := w.decoder.Decode(streams.Record{Key: e.Key, Value: e.Value, Timestamp: e.Time, Source: streams.Position{Topic: w.d.Topic, Offset: w.n}})
	if reject != nil {
		w.t.Fatal(reject)
	}
	s := w.states[event.Entity]
	if s == nil {
		s = w.engine.NewState(event.Entity)
		w.states[event.Entity] = s
		w.order = append(w.order, event.Entity)
	}
	r, reject := w.engine.Step(s, &event)
	if reject != nil {
		w.t.Fatal(reject)
	}
	if learning {
		return
	}
	for i := range r.Closed {
		w.step(incidents.Signal{Rollup: &r.Closed[i]})
	}
	if r.Anomaly != nil {
		w.step(incidents.Signal{Anomaly: r.Anomaly})
	}
	for w.ticked.IsZero() || e.Time.Sub(w.ticked) >= incidents.TickEvery {
		if w.ticked.IsZero() {
			w.ticked = e.Time
		}
		for _, entity := range w.order { // A checkpoint.
			if open, ok := w.engine.Rollup(w.states[entity]); ok {
				w.step(incidents.Signal{Rollup: &open})
			}
		}
		w.ticked = w.ticked.Add(incidents.TickEvery)
		w.step(incidents.Signal{Tick: w.ticked})
	}
}

func (w *watched) step(s incidents.Signal) { w.told = append(w.told, w.maker.Step(w.incidents, s)...) }
