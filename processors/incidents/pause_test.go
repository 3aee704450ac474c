package incidents

import (
	"fmt"
	"testing"
	"time"

	"anomalystream/streams"
)

// day lets a day pass by ticks, from midnight; sends says who sends an event in a minute of it. The state is saved and restored once,
// for there are many days.
func (w *world) day(sends func(minute int) []string) {
	w.t.Helper()
	step := func(s Signal) { w.told = append(w.told, w.engine.Step(w.state, s)...) }
	for minute := range 24 * 60 {
		for _, e := range sends(minute) {
			step(Signal{Rollup: &streams.Rollup{Stream: "web", Entity: e, Minute: w.now.Truncate(time.Minute), Events: 1, Closed: true}})
		}
		for range 6 {
			w.now = w.now.Add(TickEvery)
			step(Signal{Tick: w.now})
		}
	}
	var err error
	if w.state, err = Restore(w.state.Append(nil)); err != nil {
		w.t.Fatal(err)
	}
}

// openings returns how many silences opened since the last call, of keys and of the stream.
func (w *world) openings() (keys, stream int) {
	for _, i := range w.told {
		if i.Kind == streams.KindSilent && i.Change == streams.ChangeOpened {
			if i.Entity == "" {
				stream++
			} else {
				keys++
			}
		}
	}
	w.told = nil
	return keys, stream
}

// TestNights tells of the first two nights of a key that sends by day only, of no further one, and when it stops by day or does
// not come in the morning.
func TestNights(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.now = start.Truncate(24 * time.Hour)
	office := func(from, to int) func(int) []string {
		return func(minute int) []string {
			if minute >= from && minute < to {
				return []string{"always", "office"}
			}
			return []string{"always"}
		}
	}
	for d, want := range []int{1, 1, 0, 0, 0} {
		w.day(office(8*60+d, 18*60-7*d)) // People are not punctual.
		if keys, stream := w.openings(); keys != want || stream != 0 {
			t.Errorf("day %d: %d silences of keys and %d of the stream, want %d and none", d+1, keys, stream, want)
		}
	}
	w.day(office(8*60, 14*60)) // It stops at two.
	if keys, _ := w.openings(); keys != 1 {
		t.Errorf("%d silences, want 1 by day", keys)
	}
	w.day(office(8*60, 18*60))
	if keys, _ := w.openings(); keys != 0 {
		t.Errorf("%d silences of a usual night", keys)
	}
	w.day(office(12*60, 18*60)) // It should have come at eight.
	if keys, _ := w.openings(); keys != 1 {
		t.Errorf("%d silences, want 1 in the morning", keys)
	}
}

// TestNightsOfTheStream is the same where every source pauses: when the first returns, the others are not silent yet.
func TestNightsOfTheStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.now = start.Truncate(24 * time.Hour)
	batch := func(minute int) (out []string) { // From two to four at night.
		for k := range 4 {
			if minute >= 120+k && minute < 240 && (minute+k)%2 == 0 {
				out = append(out, fmt.Sprint(k))
			}
		}
		return out
	}
	for d, want := range []int{1, 1, 0, 0, 0, 0, 0, 0, 0, 0} {
		w.day(batch)
		if keys, stream := w.openings(); keys != 0 || stream != want {
			t.Errorf("day %d: %d silences of keys and %d of the stream, want none and %d", d+1, keys, stream, want)
		}
	}
	w.day(func(int) []string { return nil })
	if _, stream := w.openings(); stream != 1 {
		t.Errorf("%d silences, want 1 of a night without the batch", stream)
	}
}

// TestWeekends needs two of them to know them.
func TestWeekends(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.now = start.Truncate(24 * time.Hour)
	told := map[int]int{}
	for d := range 35 {
		w.day(func(minute int) []string {
			if d%7 < 5 && minute >= 8*60 && minute < 18*60 {
				return []string{"always", "office"}
			}
			return []string{"always"}
		})
		keys, _ := w.openings()
		told[d/7] += keys
	}
	for week, want := range []int{3, 1, 0, 0, 0} {
		if told[week] != want {
			t.Errorf("week %d: %d silences, want %d", week+1, told[week], want)
		}
	}
	if n := len(w.state.byEntity["office"].Pauses); n > keptPauses {
		t.Errorf("%d pauses are kept", n)
	}
}

// TestAway ends a silence after the longest of an incident, tells of no other one until the key has returned, and expects it then
// as before.
func TestAway(t *testing.T) {
	t.Parallel()
	for _, silence := range []string{streams.SilenceLearned, "5m"} {
		w := newWorld(t, func(p *streams.IncidentPolicy) { p.MaxLength, p.Silence = time.Hour, silence })
		for range 20 {
			w.minute("a", "b")
		}
		for range 150 {
			w.minute("b")
		}
		w.want("silent opened a", "silent outlasted a")
		w.minute("a", "b")
		for range 6 {
			w.minute("b")
		}
		w.want("silent opened a")
	}
}

// TestRare remembers a key of an event every thirty hours for as long as its silence takes to be told, and ends that after the
// longest of an incident.
func TestRare(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.now = start.Truncate(24 * time.Hour)
	for d := range 25 {
		w.day(func(minute int) (out []string) {
			if minute%60 == 0 {
				out = append(out, "hourly")
			}
			if (d*24*60+minute)%(30*60) == 0 {
				out = append(out, "rare")
			}
			return out
		})
	}
	w.want()
	var told []time.Time
	for range 10 {
		w.day(func(minute int) []string {
			if n := len(w.told); n > len(told) {
				told = append(told, w.now)
			}
			if minute%60 == 0 {
				return []string{"hourly"}
			}
			return nil
		})
	}
	w.want("silent opened rare", "silent outlasted rare")
	if got := told[1].Sub(told[0]); got < 24*time.Hour-time.Minute || got > 24*time.Hour+time.Minute {
		t.Errorf("the silence lasted %s", got)
	}
}
