package incidents

import (
	"testing"
	"time"

	"anomalystream/streams"
)

// opened lets anomalies of these severities come, one at each event of a source that sends at an interval, and returns at which one an
// incident opens, from 1; 0 for none.
func opened(t *testing.T, change func(*streams.Definition), interval time.Duration, severities ...float64) int {
	t.Helper()
	d := streams.DefaultDefinition("web")
	if change != nil {
		change(&d)
	}
	engine, err := New(&d)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, engine: engine, state: NewState(), now: start, counts: map[string]int64{}}
	for range max(fewGaps+1, 5*int(time.Minute/interval)) { // How often it sends is learned.
		minute := w.now.Truncate(time.Minute)
		events := max(int64(time.Minute/interval), 1)
		w.step(Signal{Rollup: &streams.Rollup{Stream: "web", Entity: "a", Minute: minute, Events: events, Closed: true}})
		w.now = w.now.Add(max(interval, time.Minute))
	}
	for n, severity := range severities {
		if severity > 0 {
			w.step(Signal{Anomaly: w.anomaly("a", func(a *streams.Anomaly) { a.Severity = severity })})
		}
		if len(w.told) > 0 {
			if w.told[0].Change != streams.ChangeOpened {
				t.Fatalf("got %+v", w.told[0])
			}
			return n + 1
		}
		w.now = w.now.Add(interval)
	}
	return 0
}

// TestOpening opens by one anomaly of high severity or three of any that is not low; what a source needs follows from how many false
// alarms a day are asked for.
func TestOpening(t *testing.T) {
	t.Parallel()
	after := func(n int) func(*streams.Definition) {
		return func(d *streams.Definition) { d.Incidents.OpenAfter = n }
	}
	rate := func(rate float64) func(*streams.Definition) { return func(d *streams.Definition) { d.Rate = rate } }
	for name, c := range map[string]struct {
		change     func(*streams.Definition)
		interval   time.Duration
		severities []float64
		want       int
	}{
		"one high":                             {nil, 5 * time.Minute, []float64{5.3}, 1},
		"one not high":                         {nil, 5 * time.Minute, []float64{5}, 0},
		"two":                                  {nil, 5 * time.Minute, []float64{3, 3}, 2},
		"three":                                {nil, 5 * time.Minute, []float64{2, 2, 2}, 3},
		"four of low severity":                 {nil, 5 * time.Minute, []float64{0.1, 0.1, 0.1, 0.1, 0.1}, 4},
		"too far from each other":              {nil, 5 * time.Minute, []float64{2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2}, 0},
		"an event an hour needs less":          {nil, time.Hour, []float64{3}, 1},
		"an event a minute needs more":         {nil, time.Minute, []float64{3, 3, 3}, 3},
		"one high in a minute":                 {nil, time.Minute, []float64{7}, 1},
		"an event a second needs more still":   {nil, time.Second, []float64{7, 7}, 2},
		"a lower rate needs less":              {rate(0.002), 5 * time.Minute, []float64{3.6}, 1},
		"a higher rate needs more":             {rate(0.1), 5 * time.Minute, []float64{5.3, 5.3}, 2},
		"every anomaly opens":                  {after(1), time.Second, []float64{0.1}, 1},
		"every anomaly of a slow source opens": {after(1), 6 * time.Hour, []float64{0.1}, 1},
		"ten":                                  {after(10), 5 * time.Minute, []float64{16, 0}, 0},
		"ten of one":                           {after(10), 5 * time.Minute, []float64{18}, 1},
	} {
		if got := opened(t, c.change, c.interval, c.severities...); got != c.want {
			t.Errorf("%s: opened at anomaly %d, want %d", name, got, c.want)
		}
	}
}

// TestOpeningAtOnce opens by an alert score, rules and stuck sensors whatever the severity.
func TestOpeningAtOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*streams.Anomaly)
		want   bool
	}{
		"alert score":          {func(a *streams.Anomaly) { a.AlertScore = 6.5 }, true},
		"not for each second":  {func(a *streams.Anomaly) { a.AlertScore = 6.4 }, false}, // 864 false alarms a day are asked for.
		"rule":                 {func(a *streams.Anomaly) { a.Kind = streams.KindRule }, true},
		"stuck":                {func(a *streams.Anomaly) { a.Kind = streams.KindStuck }, true},
		"nothing of the sort":  {func(*streams.Anomaly) {}, false},
		"severity of a second": {func(a *streams.Anomaly) { a.Severity = 11.3 }, true},
	} {
		w := newWorld(t, nil)
		for range 5 {
			w.minute("a")
		}
		w.see("a", c.change)
		if got := len(w.told) > 0; got != c.want {
			t.Errorf("%s: opened %v, want %v", name, got, c.want)
		}
	}
}

// TestOpeningLate makes one that comes late but counts still, for example of a rule, part of the incident it opens.
func TestOpeningLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for range 5 {
		w.minute("a")
	}
	w.see("a")
	late := w.anomaly("a", func(a *streams.Anomaly) { a.Kind, a.Timestamp = streams.KindRule, w.now.Add(-2*time.Minute) })
	got := w.step(Signal{Anomaly: late})
	if len(got) != 1 || got[0].Anomalies != 2 || !got[0].Start.Equal(late.Timestamp) {
		t.Errorf("got %+v", got)
	}
}
