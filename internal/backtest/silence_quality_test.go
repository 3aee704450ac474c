//go:build fixtures

package backtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"anomalystream/emitters"
	"anomalystream/processors/incidents"
	"anomalystream/streams"
)

const (
	longPause    = 10              // So many intervals without an event are a pause that should be told,
	shortestStop = 5 * time.Minute // and so much time at least, as for a stop: nobody is silent after two minutes.
	stopsPerKey  = 5               // At most, evenly spread.
	silenceDays  = 60              // Of each source, at most.
)

// TestSilenceQuality prints the table of docs/incidents.md about sources that fall silent: the events of the sets with real times
// come when they came, ticks between them, and each source stops a few times. All sources of a set are keys of one stream and begin
// on the same day. Only times matter, so there are no detectors: the rollups are counted here. It holds that sources with a fixed
// interval are heard to stop, and that no set has a false silence a week of a key.
func TestSilenceQuality(t *testing.T) {
	root := os.Getenv("EVAL_DIR")
	if root == "" {
		t.Fatal("EVAL_DIR is not set")
	}
	t.Log("| set | keys | key days | false silences | a key and week | long pauses in the data told | intervals a stop lasts | stops found | delay, median in intervals | delay, median |")
	t.Log("|---|---|---|---|---|---|---|---|---|---|")
	file := func(set, by string, most int) func(*testing.T) []*arrival {
		return func(t *testing.T) []*arrival { return arrivals(t, filepath.Join(root, "data", set), by, most) }
	}
	for _, c := range []struct {
		name    string
		keys    func(*testing.T) []*arrival
		stop    int  // Intervals that a source misses when it stops.
		regular bool // Events come at a fixed interval: a long pause in the data is a real one.
	}{
		{"nab", file("nab", "", 0), 10, true},
		{"cloud", file("cloud", "", 0), 10, true},
		{"batadal", file("batadal", "", 0), 10, true},
		{"fraud, all payments", file("fraud", "", 0), 10, false},
		{"fraud, 200 customers", file("fraud", "customer_id", 200), 10, false},
		{"fraud, 200 customers", file("fraud", "customer_id", 200), 40, false},
		{"fraud, 200 terminals", file("fraud", "terminal_id", 200), 40, false},
		{"simulated: office hours", officeHours, 10, false},
		{"simulated: nightly batch", nightlyBatch, 10, false},
	} {
		t.Run(fmt.Sprint(c.name, c.stop), func(t *testing.T) {
			keys := c.keys(t)
			stops := stopsOf(keys, c.stop)
			r := silenceResult{regular: c.regular}
			r.judge(keys, stops, listenTo(t, keys, nil), listenTo(t, keys, stops))
			found := "-"
			if r.regular {
				found = fmt.Sprintf("%d of %d", r.realFound, r.real)
			}
			t.Logf("| %s | %d | %.0f | %d | %.3f | %s | %d | %d of %d | %.1f | %s |", c.name, len(keys), r.days, r.untrue, 7*float64(r.untrue)/r.days,
				found, c.stop, r.found, r.stops, median(r.intervals), time.Duration(float64(time.Minute)*median(r.minutes)).Round(time.Second))
			if r.stops == 0 || r.regular && 20*r.found < 19*r.stops {
				t.Errorf("%d of %d stops are found", r.found, r.stops)
			}
			if 7*float64(r.untrue) >= r.days {
				t.Errorf("%d false silences in %.0f days", r.untrue, r.days)
			}
		})
	}
}

// arrival is a key and when its events come, in order.
type arrival struct {
	entity string
	times  []time.Time
}

// interval is the usual time between two events.
func (a *arrival) interval() time.Duration {
	var gaps []time.Duration
	for i := range a.times[1:] {
		gaps = append(gaps, a.times[i+1].Sub(a.times[i]))
	}
	slices.Sort(gaps)
	return max(gaps[len(gaps)/2], time.Second)
}

// arrivals reads the times of a set: each file is a key, or each value of a column.
func arrivals(t *testing.T, dir, by string, most int) []*arrival {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.csv.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no file in %s: %v", dir, err)
	}
	byKey := map[string]*arrival{}
	var out []*arrival
	for _, path := range files {
		f, err := emitters.OpenFile(path, emitters.FileOptions{Time: "timestamp"})
		if err != nil {
			t.Fatal(err)
		}
		var shift time.Duration
		for n := 0; ; n++ {
			row, err := f.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				shift = start.Truncate(24 * time.Hour).Sub(row.Time.Truncate(24 * time.Hour))
			}
			at := row.Time.Add(shift)
			if at.Sub(start) > silenceDays*24*time.Hour {
				continue
			}
			entity := f.Stem()
			if by != "" {
				var value map[string]any
				if err := json.Unmarshal(row.Value, &value); err != nil {
					t.Fatal(err)
				}
				entity = fmt.Sprint(value[by])
			}
			a := byKey[entity]
			if a == nil {
				if most > 0 && len(out) == most {
					continue
				}
				a = &arrival{entity: entity}
				byKey[entity] = a
				out = append(out, a)
			}
			if k := len(a.times); k > 0 && at.Before(a.times[k-1]) {
				at = a.times[k-1] // It comes when it comes, whatever it says.
			}
			a.times = append(a.times, at)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return slices.DeleteFunc(out, func(a *arrival) bool { return len(a.times) < 20 })
}

// officeHours are three keys with an event a minute from eight to six on weekdays, more or less, and one that never pauses.
func officeHours(*testing.T) []*arrival {
	random := rand.New(rand.NewPCG(1, 1))
	out := []*arrival{{entity: "always"}}
	for at := start.Truncate(24 * time.Hour); at.Sub(start) < 6*7*24*time.Hour; at = at.Add(time.Minute) {
		out[0].times = append(out[0].times, at)
	}
	for k := range 3 {
		a := &arrival{entity: fmt.Sprint("office ", k)}
		for day := range 6 * 7 {
			if day%7 >= 5 {
				continue
			}
			from := start.Truncate(24 * time.Hour).Add(time.Duration(24*day+8)*time.Hour + time.Duration(random.IntN(30))*time.Minute)
			for n := range 60 * (10 + random.IntN(2)) {
				a.times = append(a.times, from.Add(time.Duration(n)*time.Minute))
			}
		}
		out = append(out, a)
	}
	return out
}

// nightlyBatch is one key with an event every ten seconds from two o'clock for an hour or two.
func nightlyBatch(*testing.T) []*arrival {
	random := rand.New(rand.NewPCG(1, 1))
	a := &arrival{entity: "batch"}
	for day := range 6 * 7 {
		from := start.Truncate(24 * time.Hour).Add(time.Duration(24*day+2)*time.Hour + time.Duration(random.IntN(10))*time.Minute)
		for n := range 360 + random.IntN(360) {
			a.times = append(a.times, from.Add(time.Duration(n)*10*time.Second))
		}
	}
	return []*arrival{a}
}

// stretch is when a source sends nothing: from its last event to its next one.
type stretch struct {
	entity   string
	from, to time.Time
}

// stopsOf spreads stops over each key, far enough from each other.
func stopsOf(keys []*arrival, intervals int) (out []stretch) {
	random := rand.New(rand.NewPCG(1, 1)) // Stops come at any time of day.
	for _, a := range keys {
		length := max(time.Duration(intervals)*a.interval(), shortestStop)
		free := a.times[0].Add(a.times[len(a.times)-1].Sub(a.times[0]) / 5) // Until then what is expected is learned.
		for n := range stopsPerKey {
			i := len(a.times) / 5 * (n + 1) * 4 / stopsPerKey
			i += random.IntN(len(a.times)/8 + 1)
			if i >= len(a.times) || a.times[i].Before(free) {
				continue
			}
			s := stretch{a.entity, a.times[i], a.times[i].Add(length)}
			back, _ := slices.BinarySearchFunc(a.times, s.to, time.Time.Compare)
			if back >= len(a.times) || a.times[back].Sub(s.to) >= length {
				continue // Nothing comes after it, or it pauses anyway.
			}
			s.to = a.times[back]
			out = append(out, s)
			free = s.to.Add(3 * length)
		}
	}
	return out
}

// silence is one that was told.
type silence struct {
	entity string
	at     time.Time // When it was told.
}

// listenTo lets the events come, but for those within stops, and returns the silences.
func listenTo(t *testing.T, keys []*arrival, stops []stretch) (out []silence) {
	t.Helper()
	d := streams.DefaultDefinition("x")
	engine, err := incidents.New(&d)
	if err != nil {
		t.Fatal(err)
	}
	type event struct {
		at     time.Time
		entity string
	}
	var events []event
	for _, a := range keys {
		own := slices.DeleteFunc(slices.Clone(stops), func(s stretch) bool { return s.entity != a.entity })
		for _, at := range a.times {
			if !slices.ContainsFunc(own, func(s stretch) bool { return at.After(s.from) && at.Before(s.to) }) {
				events = append(events, event{at, a.entity})
			}
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	state := incidents.NewState()
	now := events[0].at
	step := func(s incidents.Signal) {
		for _, i := range engine.Step(state, s) {
			if i.Kind == streams.KindSilent && i.Change == streams.ChangeOpened {
				out = append(out, silence{i.Entity, now})
			}
		}
	}
	open := map[string]*streams.Rollup{} // The minutes that are not over.
	var changed []string                 // Entities heard since the last tick, each once.
	for _, e := range events {
		for !now.After(e.at) { // Checkpoints come before ticks.
			for _, entity := range changed {
				r := *open[entity]
				step(incidents.Signal{Rollup: &r})
			}
			changed = changed[:0]
			step(incidents.Signal{Tick: now})
			now = now.Add(incidents.TickEvery)
		}
		r := open[e.entity]
		if minute := e.at.Truncate(time.Minute); r == nil || minute.After(r.Minute) {
			if r != nil {
				closed := *r
				closed.Closed = true
				step(incidents.Signal{Rollup: &closed})
			}
			r = &streams.Rollup{Stream: d.Name, Entity: e.entity, Minute: minute}
			open[e.entity] = r
		}
		r.Events++
		if !slices.Contains(changed, e.entity) {
			changed = append(changed, e.entity)
		}
	}
	return out
}

type silenceResult struct {
	regular            bool
	days               float64
	untrue             int // Silences of sources that had not stopped.
	real, realFound    int // Pauses in the data as long as a stop.
	stops, found       int
	intervals, minutes []float64 // From the last event of a source that stopped to its silence.
}

func (r *silenceResult) judge(keys []*arrival, stops []stretch, calm, stopped []silence) {
	last, pauses := map[string]time.Time{}, map[string][]stretch{}
	for _, a := range keys {
		length := max(longPause*a.interval(), shortestStop)
		last[a.entity] = a.times[len(a.times)-1]
		r.days += last[a.entity].Sub(a.times[0]).Hours() / 24
		for i := range a.times[1:] {
			if r.regular && a.times[i+1].Sub(a.times[i]) >= length {
				pauses[a.entity] = append(pauses[a.entity], stretch{a.entity, a.times[i], a.times[i+1]})
			}
		}
		r.real += len(pauses[a.entity])
	}
	for _, s := range calm {
		entity := s.entity
		if len(keys) == 1 {
			entity = keys[0].entity // A stream of one key is silent as a whole.
		}
		switch end, ok := last[entity]; {
		case ok && s.at.After(end): // It has stopped for good.
		case within(s, pauses[entity]):
			r.realFound++
		default:
			r.untrue++
		}
	}
	for _, s := range stops {
		r.stops++
		for _, told := range stopped {
			if (told.entity == s.entity || told.entity == "") && within(told, []stretch{s}) {
				r.found++
				interval := keys[slices.IndexFunc(keys, func(a *arrival) bool { return a.entity == s.entity })].interval()
				r.intervals = append(r.intervals, float64(told.at.Sub(s.from))/float64(interval))
				r.minutes = append(r.minutes, told.at.Sub(s.from).Minutes())
				break
			}
		}
	}
}

// within reports whether a silence was told in one of the stretches.
func within(s silence, list []stretch) bool {
	return slices.ContainsFunc(list, func(p stretch) bool { return s.at.After(p.from) && s.at.Before(p.to.Add(2*incidents.TickEvery)) })
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	values = slices.Clone(values)
	slices.SortFunc(values, cmp.Compare)
	return values[len(values)/2]
}
