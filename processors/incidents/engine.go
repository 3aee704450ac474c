package incidents

import (
	"time"

	"anomalystream/streams"
)

// Engine makes the incidents of one stream. It has no state of its own and is safe for concurrent use.
type Engine struct {
	stream  string
	policy  streams.IncidentPolicy
	rate    float64 // Of false alarms that is asked for.
	silence streams.Silence
}

// New returns the engine of a stream. The error says what is wrong with its policy.
func New(d *streams.Definition) (*Engine, error) {
	silence, err := d.Incidents.ParseSilence()
	if err != nil {
		return nil, err
	}
	return &Engine{stream: d.Name, policy: d.Incidents, rate: d.Rate, silence: silence}, nil
}

// Signal is one thing that happens to a stream. Exactly one of the first four members is set.
type Signal struct {
	Anomaly  *streams.Anomaly
	Rollup   *streams.Rollup
	Feedback *streams.Feedback
	Tick     time.Time // What time it is where the tick was made.

	Windows []streams.OpenWindow // With Tick: the maintenance windows that are open then.
}

// clockOff is how far a source may be ahead of the ticks. What is further ahead makes no incident: nobody could say when it ends.
const clockOff = 24 * time.Hour

// Step applies a signal to the state of the stream and returns the revisions of incidents it causes, in order. They share
// nothing with the state that changes later. A signal that was applied before changes nothing.
func (e *Engine) Step(s *State, signal Signal) []streams.Incident {
	t := turn{Engine: e, State: s}
	switch {
	case t.absurd(signal):
	case signal.Anomaly != nil:
		t.anomaly(signal.Anomaly)
	case signal.Rollup != nil:
		t.rollup(signal.Rollup)
	case signal.Feedback != nil:
		t.feedback(signal.Feedback)
	default:
		t.tick(signal.Tick, signal.Windows)
	}
	return t.told
}

// turn is one signal at work.
type turn struct {
	*Engine
	*State
	told []streams.Incident
}

// absurd reports whether a signal is of a time that nothing can be.
func (t *turn) absurd(signal Signal) bool {
	at := signal.Tick
	switch {
	case signal.Anomaly != nil:
		at = signal.Anomaly.Timestamp
	case signal.Rollup != nil:
		at = signal.Rollup.Minute
	case signal.Feedback != nil:
		at = signal.Feedback.At
	}
	ahead := (signal.Anomaly != nil || signal.Rollup != nil) && !t.Ticked.IsZero() && at.Sub(t.Ticked) >= clockOff
	return ahead || at.Before(streams.MinTime) || at.After(streams.MaxTime)
}

// TickEvery is how often a stream should be ticked: what passes is known that closely.
const TickEvery = 10 * time.Second

// longestTick is the most that one tick can say has passed. Where nobody ticked for longer, nobody was there to read the
// stream either, and what its sources did meanwhile is still to be read.
const longestTick = 3 * TickEvery

// tick lets time pass. Several processes tick, so only what is newer than every tick before counts.
func (t *turn) tick(at time.Time, windows []streams.OpenWindow) {
	if !t.Ticked.IsZero() && at.After(t.Ticked) {
		t.Passed += min(at.Sub(t.Ticked), longestTick)
	}
	if at.After(t.Ticked) {
		t.Ticked = at
	}
	for _, k := range t.Keys {
		k.advance(t.Passed)
		t.settle(k)
	}
	for _, g := range t.Groups {
		if g.outdated() {
			t.tell(g, streams.ChangeExtended)
		}
	}
	t.listen(windows)
	t.forget()
}

// rollup moves the time of a key.
func (t *turn) rollup(r *streams.Rollup) {
	k := t.key(r.Entity)
	before := k.Heard
	news := k.count(r, t.Passed)
	k.advance(t.Passed)
	if news {
		t.heard(k, before, r.Minute.UTC())
	}
	t.settle(k)
}

// settle ends the burst of a key that has been quiet for long enough.
func (t *turn) settle(k *key) {
	if b := k.Burst; b != nil {
		if quiet := t.quiet(k, b); k.now(t.Passed).Sub(b.Incident.Latest) >= quiet {
			t.end(k, b, b.Incident.Latest.Add(quiet), streams.ChangeRecovered)
		}
	}
}

// Open returns the number of incidents that last, by kind.
func (s *State) Open() map[string]int {
	open := map[string]int{}
	s.each(func(_ *key, b *burst) { open[b.Incident.Kind]++ })
	return open
}
