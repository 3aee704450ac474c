package routes_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"anomalystream/processors/incidents"
	"anomalystream/processors/routes"
	"anomalystream/streams"
)

// TestFaultFromAnomalyToMessage takes faults of ten minutes through the incidents and the route with their defaults, on a manual
// clock: each is one message when it opens and one when it is over, on one host or on thirty of forty.
func TestFaultFromAnomalyToMessage(t *testing.T) {
	t.Parallel()
	for name, faulty := range map[string]int{"one host": 1, "thirty hosts": 30} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := streams.DefaultDefinition("web")
			engine, err := incidents.New(&d)
			if err != nil {
				t.Fatal(err)
			}
			state := incidents.NewState()
			route := &routes.Route{
				Name: "team", On: []string{streams.NotifyOpened, streams.NotifyWorsened, streams.NotifyRecovered},
				Wait: 30 * time.Second, Repeat: 4 * time.Hour, Limit: 30, Per: 10 * time.Minute,
			}
			told := routes.NewState()
			now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
			offset := int64(0)
			var got []string
			tell := func(s routes.Signal) {
				s.At = now
				for _, n := range route.Step(told, s) {
					got = append(got, n.Event+" "+n.Incident.Kind)
				}
			}
			step := func(s incidents.Signal) {
				for _, i := range engine.Step(state, s) {
					body, err := streams.MarshalIncident(&i)
					if err != nil {
						t.Fatal(err)
					}
					tell(routes.Signal{Incident: &i, Body: body})
				}
			}
			for minute := range 40 {
				counts := map[string]int64{}
				for tick := range 6 {
					now = now.Add(incidents.TickEvery)
					for host := range 40 {
						entity := fmt.Sprintf("host-%02d", host)
						if host < faulty && minute >= 10 && minute < 20 && (tick+host)%3 == 0 {
							offset++
							a := &streams.Anomaly{
								Stream: "web", Entity: entity, Timestamp: now, Kind: streams.KindModel, Score: 0.8, Severity: 4, AlertScore: 3.5,
								Source: streams.Position{Topic: "web", Offset: offset},
							}
							a.ID = a.Source.AnomalyID("web")
							counts[entity]++
							step(incidents.Signal{Anomaly: a})
						}
						step(incidents.Signal{Rollup: &streams.Rollup{
							Stream: "web", Entity: entity, Minute: now.Add(-time.Nanosecond).Truncate(time.Minute), Events: int64(tick + 1), Anomalies: counts[entity], Closed: tick == 5,
						}})
					}
					step(incidents.Signal{Tick: now})
					tell(routes.Signal{})
				}
			}
			want := []string{"opened model", "recovered model"}
			if faulty > 1 {
				want = []string{"opened group", "recovered group"}
			}
			if !slices.Equal(got, want) {
				t.Errorf("told %v, want %v", got, want)
			}
		})
	}
}
