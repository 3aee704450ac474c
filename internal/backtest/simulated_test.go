package backtest

import (
	"strings"
	"testing"
	"time"

	"anomalystream/emitters"
	"anomalystream/processors"
	"anomalystream/streams"
)

// TestSimulatedFaultsAreFound runs the simulated streams, as a demonstration does, through decoder and detectors: most
// faults of every kind are found, soon after the warm-up, and false alarms stay near the requested rate, with the
// default detectors and, for metrics, with a fourth.
func TestSimulatedFaultsAreFound(t *testing.T) {
	t.Parallel()
	run := func(stream string, more ...string) {
		t.Run(strings.Join(append([]string{stream}, more...), " + "), func(t *testing.T) {
			t.Parallel()
			d := simulatedDefinition(stream)
			for _, name := range more {
				d.Detectors = append(d.Detectors, streams.DetectorSpec{Name: name, Weight: 1})
			}
			simulator, err := emitters.NewSimulator(emitters.SimulatorConfig{Stream: stream, Seed: 1, Start: start, Interval: 10 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			s := watch(t, d, simulator, 12_000)
			if s.first < 0 || s.first > 2500 {
				t.Errorf("the first anomaly came at event %d", s.first)
			}
			if far := float64(s.falseRows) / float64(s.normal); far > 0.02 {
				t.Errorf("false-alarm rate %.4f", far)
			}
			events, found := 0, 0
			for name, kind := range s.kinds {
				events, found = events+kind.events, found+kind.found
				if kind.found == 0 {
					t.Errorf("none of %d faults %s was found", kind.events, name)
				}
			}
			if len(s.kinds) < 2 || float64(found) < 0.7*float64(events) {
				t.Errorf("%d of %d faults of %d kinds were found", found, events, len(s.kinds))
			}
			t.Logf("%d of %d faults found, false-alarm rate %.4f", found, events, float64(s.falseRows)/float64(s.normal))
		})
	}
	for _, stream := range emitters.SimulatedStreams() {
		run(stream)
		if stream != "transactions" { // What suggest proposes for a few metrics.
			run(stream, "mahalanobis")
		}
	}
}

// simulatedDefinition is the definition of a simulated stream, as it is built in.
func simulatedDefinition(stream string) *streams.Definition {
	fields := map[string][]string{
		"server_metrics": {"cpu_percent", "memory_percent", "latency_ms", "error_rate"},
		"transactions":   {"amount", "hour_of_day", "tx_frequency"},
		"iot_sensors":    {"temperature", "vibration", "pressure", "humidity"},
	}
	d := streams.DefaultDefinition(stream)
	d.Time = "timestamp"
	for _, name := range fields[stream] {
		f := streams.Feature{Name: name, Path: name, Missing: streams.MissingReject, Direction: streams.DirectionBoth}
		if stream == "transactions" {
			f.Transforms = []string{"value"}
		}
		d.Features = append(d.Features, f)
	}
	return &d
}

// sighting is what a detector saw of a simulated stream.
type sighting struct {
	first             int // Event of the first anomaly, -1 for none.
	normal, falseRows int
	kinds             map[string]*struct{ events, found int }
}

func watch(t *testing.T, d *streams.Definition, simulator *emitters.Simulator, events int) sighting {
	t.Helper()
	engine, err := processors.NewEngine(d)
	if err != nil {
		t.Fatal(err)
	}
	decoder := streams.NewDecoder(d, 0)
	states := map[string]*processors.State{}
	running := map[string]bool{} // Whether the fault at hand has been found, by entity.
	out := sighting{first: -1, kinds: map[string]*struct{ events, found int }{}}
	for i := range events {
		e := simulator.Next()
		event, reject := decoder.Decode(streams.Record{Key: e.Key, Value: e.Value, Timestamp: e.Time})
		if reject != nil {
			t.Fatal(reject)
		}
		state, ok := states[event.Entity]
		if !ok {
			state = engine.NewState(event.Entity)
			states[event.Entity] = state
		}
		r, reject := engine.Step(state, &event)
		if reject != nil {
			t.Fatal(reject)
		}
		if r.Flag && out.first < 0 {
			out.first = i
		}
		if e.Truth == "" {
			delete(running, event.Entity)
			if r.Scored {
				out.normal++
			}
			if r.Flag {
				out.falseRows++
			}
			continue
		}
		if out.kinds[e.Truth] == nil {
			out.kinds[e.Truth] = &struct{ events, found int }{}
		}
		found, known := running[event.Entity]
		if !known {
			out.kinds[e.Truth].events++
		}
		if r.Flag && !found {
			out.kinds[e.Truth].found++
		}
		running[event.Entity] = found || r.Flag
	}
	return out
}
