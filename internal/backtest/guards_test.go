package backtest

import (
	"testing"
	"time"

	"anomalystream/emitters"
	"anomalystream/processors"
	"anomalystream/streams"
)

// TestStuckSensorsAreFound runs the simulated sensors with stuck: auto: the first times that a device's chip hangs are
// reported, once for each feature, and nothing else is.
func TestStuckSensorsAreFound(t *testing.T) {
	t.Parallel()
	d := streams.DefaultDefinition("iot_sensors")
	d.Time = "timestamp"
	for _, name := range []string{"temperature", "vibration", "pressure", "humidity"} {
		d.Features = append(d.Features, streams.Feature{Name: name, Path: name, Missing: streams.MissingReject, Direction: streams.DirectionBoth, Stuck: streams.StuckAuto})
	}
	engine, err := processors.NewEngine(&d)
	if err != nil {
		t.Fatal(err)
	}
	simulator, err := emitters.NewSimulator(emitters.SimulatorConfig{Stream: "iot_sensors", Seed: 1, Start: start, Interval: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	decoder := streams.NewDecoder(&d, 0)
	states := map[string]*processors.State{}
	running := map[string]map[string]bool{} // Features reported of the fault at hand, by entity.
	faults, found := map[string]int{}, map[string]int{}
	for i := range int64(24_000) {
		e := simulator.Next()
		ev, reject := decoder.Decode(streams.Record{Key: e.Key, Value: e.Value, Timestamp: e.Time, Source: streams.Position{Topic: "iot_sensors", Offset: i}})
		if reject != nil {
			t.Fatal(reject)
		}
		if states[ev.Entity] == nil {
			states[ev.Entity] = engine.NewState(ev.Entity)
		}
		if e.Truth != emitters.FaultStuck {
			delete(running, ev.Entity)
		} else if running[ev.Entity] == nil {
			running[ev.Entity] = map[string]bool{}
			faults[ev.Entity]++
		}
		r, reject := engine.Step(states[ev.Entity], &ev)
		if reject != nil {
			t.Fatal(reject)
		}
		if r.Anomaly == nil || r.Anomaly.Kind != streams.KindStuck {
			continue
		}
		of, feature := running[ev.Entity], r.Anomaly.Why.Contributions[0].Feature
		switch {
		case of == nil:
			t.Errorf("%s: %q, and nothing hangs", ev.Entity, r.Anomaly.Why.Sentence)
			continue
		case of[feature]:
			t.Errorf("%s: reported more than once: %q", ev.Entity, r.Anomaly.Why.Sentence)
		case len(of) == 0:
			found[ev.Entity]++
		}
		of[feature] = true
	}
	for device, n := range faults {
		if found[device] < min(n, 3) {
			t.Errorf("%s: %d of %d times were found", device, found[device], n)
		}
	}
	t.Logf("found %v of %v", found, faults)
	if len(faults) != 4 {
		t.Errorf("%d devices hung, want 4", len(faults))
	}
}

// TestRulesInABacktest holds the outcome of an event that breaks a rule to what score files promise: it is flagged, and its score
// says so.
func TestRulesInABacktest(t *testing.T) {
	t.Parallel()
	d := streams.DefaultDefinition("s")
	top := 100.0
	d.WarmUp, d.Threshold = 30, 0.7
	d.Features = []streams.Feature{{Name: "a", Path: "a", Missing: streams.MissingReject, Direction: streams.DirectionBoth, MinDeviation: 1e6}}
	d.Rules = []streams.Rule{{Name: "top", Field: "a", Max: &top}}
	engine, err := processors.NewEngine(&d)
	if err != nil {
		t.Fatal(err)
	}
	one := detector{engine, engine.NewState("")}
	for i := range 200 {
		e := streams.Event{Stream: "s", Time: start.Add(time.Duration(i) * time.Second), Names: []string{"a"}, Values: []float64{float64(i%7) + float64(i)/1000}}
		if i%50 == 49 {
			e.Values[0] = 101
		}
		out, reject := one.step(&e, false)
		if reject != nil {
			t.Fatal(reject)
		}
		if out.scored != (i >= 30) || out.scored && (out.anomaly != nil) != (out.score >= d.Threshold) || out.scored && (out.anomaly != nil) != (i%50 == 49) {
			t.Errorf("event %d: %+v", i, out)
		}
	}
}
