package backtest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"anomalystream/emitters"
	"anomalystream/processors"
	"anomalystream/processors/incidents"
	"anomalystream/streams"
)

// TestStuckSensorIsOneIncident lets a sensor hang for an hour and a half: that is one incident, and it does not recover before the
// sensor measures again.
func TestStuckSensorIsOneIncident(t *testing.T) {
	t.Parallel()
	for _, every := range []time.Duration{5 * time.Second, 8 * time.Minute} { // Several events between two reminders, and the other way round.
		t.Run(every.String(), func(t *testing.T) {
			t.Parallel()
			d := streams.DefaultDefinition("sensors")
			d.Time = "at"
			d.Features = []streams.Feature{{Name: "a", Path: "a", Missing: streams.MissingReject, Direction: streams.DirectionBoth, Stuck: streams.StuckAuto}}
			w := &watched{t: t, d: &d, states: map[string]*processors.State{}, incidents: incidents.NewState()}
			w.prepare()
			rng := rand.New(rand.NewPCG(1, 2))
			const calm = 600
			hangs := max(int(90*time.Minute/every), 30)
			moves := start.Add(time.Duration(calm+hangs) * every)
			for n := range calm + hangs + int(2*time.Hour/every) {
				v := rng.NormFloat64()
				if n >= calm && n < calm+hangs {
					v = 0.25
				}
				at := start.Add(time.Duration(n) * every)
				w.event(emitters.Event{Key: []byte("s"), Value: fmt.Appendf(nil, `{"a":%v,"at":%q}`, v, at.Format(time.RFC3339)), Time: at}, false)
			}
			var told []streams.Incident
			for _, i := range w.told {
				if i.Kind == streams.KindStuck && (i.Change == streams.ChangeOpened || i.End != nil) {
					told = append(told, i)
				}
			}
			if len(told) != 2 || told[0].Change != streams.ChangeOpened || told[1].Change != streams.ChangeRecovered {
				t.Fatalf("got %+v, want an opening and a recovery", told)
			}
			if end := *told[1].End; end.Before(moves) || end.Sub(moves) > max(d.Incidents.Quiet, 5*every) {
				t.Errorf("it recovered at %s, and the sensor moves again at %s", end, moves)
			}
		})
	}
}
