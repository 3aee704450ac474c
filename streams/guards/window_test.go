package guards

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"anomalystream/streams"
)

var testStream = func() *streams.Definition {
	d := streams.DefaultDefinition("metrics")
	d.Features = []streams.Feature{{Name: "cpu"}, {Name: "latency"}}
	return &d
}()

// opened returns the window's name and learn flag at a time.
func opened(t *testing.T, w streams.Window, at string) (string, bool) {
	t.Helper()
	w.Name = "w"
	g, err := New(testStream, nil, []streams.Window{w})
	if err != nil {
		t.Fatal(err)
	}
	when, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	return g.For("e", []string{"cpu"}).Window(when.UTC())
}

// TestWindows asks windows of every kind at both sides of their edges, over both changes of the clock in two zones.
func TestWindows(t *testing.T) {
	t.Parallel()
	berlin := func(spec, d string) streams.Window {
		return streams.Window{Cron: spec, Duration: d, Timezone: "Europe/Berlin"}
	}
	york := func(spec, d string) streams.Window {
		return streams.Window{Cron: spec, Duration: d, Timezone: "America/New_York"}
	}
	for _, c := range []struct {
		name string
		w    streams.Window
		in   []string
		out  []string
	}{
		{
			"once", streams.Window{From: "2026-11-01T10:00:00+01:00", To: "2026-11-01T12:00:00+01:00"},
			[]string{"2026-11-01T09:00:00Z", "2026-11-01T10:59:59Z"}, []string{"2026-11-01T08:59:59Z", "2026-11-01T11:00:00Z"},
		},
		{
			"nightly", berlin("30 2 * * *", "1h"),
			[]string{"2026-07-01T02:30:00+02:00", "2026-07-01T03:29:59+02:00", "2026-12-01T02:30:00+01:00"},
			[]string{"2026-07-01T02:29:59+02:00", "2026-07-01T03:30:00+02:00", "2026-07-01T02:30:00+01:00"},
		},
		{ // At 02:00 the clock shows 03:00.
			"nightly, Berlin in spring", berlin("30 2 * * *", "1h"),
			[]string{"2026-03-29T01:00:00Z", "2026-03-29T01:59:59Z"}, []string{"2026-03-29T00:59:59Z", "2026-03-29T02:00:00Z", "2026-03-29T00:30:00Z"},
		},
		{ // 02:30 comes at 00:30 and at 01:30 UTC.
			"nightly, Berlin in autumn", berlin("30 2 * * *", "30m"),
			[]string{"2026-10-25T00:30:00Z", "2026-10-25T00:59:59Z"}, []string{"2026-10-25T00:29:59Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T01:45:00Z"},
		},
		{
			"nightly, New York in spring", york("30 2 * * *", "1h"),
			[]string{"2026-03-08T07:00:00Z", "2026-03-08T07:59:59Z"}, []string{"2026-03-08T06:59:59Z", "2026-03-08T08:00:00Z"},
		},
		{
			"nightly, New York in autumn", york("30 1 * * *", "45m"),
			[]string{"2026-11-01T05:30:00Z", "2026-11-01T06:14:59Z"}, []string{"2026-11-01T05:29:59Z", "2026-11-01T06:15:00Z", "2026-11-01T06:30:00Z"},
		},
		{ // Time that passes: the repeated hour has its windows too.
			"every hour, Berlin in autumn", berlin("15 * * * *", "5m"),
			[]string{"2026-10-25T00:15:00Z", "2026-10-25T01:15:00Z", "2026-10-25T02:15:00Z"}, []string{"2026-10-25T00:20:00Z", "2026-10-25T01:14:59Z"},
		},
		{
			"every hour, New York in spring", york("15 * * * *", "5m"),
			[]string{"2026-03-08T06:15:00Z", "2026-03-08T07:15:00Z"}, []string{"2026-03-08T06:20:00Z", "2026-03-08T07:20:00Z"},
		},
		{
			"longer than its period", berlin("0 0 * * *", "2d"), []string{"2026-05-05T12:00:00Z", "2026-03-29T01:00:00Z"}, nil,
		},
		{
			"a weekend", york("0 18 * * FRI", "54h"),
			[]string{"2026-10-30T22:00:00Z", "2026-11-02T03:59:59Z"}, []string{"2026-10-30T21:59:59Z", "2026-11-02T04:00:00Z"},
		},
		{
			"leap day", streams.Window{Cron: "0 0 29 2 *", Duration: "1d"},
			[]string{"2028-02-29T00:00:00Z"}, []string{"2027-03-01T00:00:00Z", "2028-03-01T00:00:00Z", "2099-01-01T00:00:00Z"},
		},
	} {
		for _, at := range c.in {
			if name, _ := opened(t, c.w, at); name != "w" {
				t.Errorf("%s: closed at %s", c.name, at)
			}
		}
		for _, at := range c.out {
			if name, _ := opened(t, c.w, at); name != "" {
				t.Errorf("%s: open at %s", c.name, at)
			}
		}
	}
}

// TestCronAgreesWithMinutes compares windows, minute by minute around the changes of the clock, with what a person would
// write down who watches the clock: the window opens when the clock first shows a start, or skips it.
func TestCronAgreesWithMinutes(t *testing.T) {
	t.Parallel()
	for _, zoneName := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns"} {
		zone, err := time.LoadLocation(zoneName)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"30 2 * * *", "*/20 2 * * *", "0 0-3 * * *", "45 1,2 * * 0", "10 */2 * * *", "0 2 * * *", "59 1 * * *", "30 1 * * *"} {
			for _, open := range []time.Duration{7 * time.Minute, 90 * time.Minute} {
				c := &checker{}
				times := c.cron(&streams.Window{Cron: text, Duration: open.String()}, zone)
				if c.problems != nil {
					t.Fatal(c.problems)
				}
				for at := time.Date(2026, 1, 1, 0, 0, 0, 0, zone); at.Year() == 2026; {
					_, change := at.ZoneBounds()
					if change.IsZero() || change.Year() != 2026 {
						break
					}
					watch(t, fmt.Sprintf("%s %q for %s", zoneName, text, open), text, times, zone, open, change.Add(-5*time.Hour), change.Add(5*time.Hour))
					at = change
				}
			}
		}
	}
}

func watch(t *testing.T, name, text string, times schedule, zone *time.Location, open time.Duration, from, to time.Time) {
	t.Helper()
	parsed, err := cron.ParseStandard(text)
	if err != nil {
		t.Fatal(err)
	}
	matches := func(w time.Time) bool { return parsed.Next(w.Add(-time.Second)).Equal(w) }
	var closes time.Time
	shown := wall(from.Add(-6*time.Hour), zone) // The latest figure of the clock so far.
	for at := from.Add(-6 * time.Hour); at.Before(to); at = at.Add(time.Minute) {
		for now := wall(at, zone); shown.Before(now); {
			if shown = shown.Add(time.Minute); matches(shown) {
				closes = at.Add(open)
			}
		}
		if at.Before(from) {
			continue
		}
		if got, want := times.around(at), at.Before(closes); got.open != want || at.Before(got.from) || !at.Before(got.to) {
			t.Fatalf("%s: at %s got %+v, want open %v", name, at.In(zone), got, want)
		}
	}
}

// TestSelection checks patterns, streams, learning, and that the first window gives its name.
func TestSelection(t *testing.T) {
	t.Parallel()
	no := false
	always := func(name, entity string, learn *bool, names ...string) streams.Window {
		return streams.Window{Name: name, Streams: names, Entity: entity, Learn: learn, From: "2000-01-01T00:00:00Z", To: "2050-01-01T00:00:00Z"}
	}
	g, err := New(testStream, nil, []streams.Window{
		always("other", "", &no, "transactions"), always("web", "web-*", nil, "metrics", "transactions"), always("rack", "*/1", &no),
	})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for entity, want := range map[string]struct {
		name  string
		learn bool
	}{"web-7": {"web", true}, "web-7/1": {"web", false}, "db/rack/1": {"rack", false}} {
		if name, learn := g.For(entity, []string{"cpu"}).Window(at); name != want.name || learn != want.learn {
			t.Errorf("%s: got %q, %v, want %+v", entity, name, learn, want)
		}
	}
	if k := g.For("db", nil); k != nil {
		t.Errorf("db: got %+v, want nothing", k)
	}
}

// TestOpen lists the windows of the stream that are open at a time.
func TestOpen(t *testing.T) {
	t.Parallel()
	g, err := New(testStream, nil, []streams.Window{
		{Name: "once", Entity: "web-*", From: "2026-01-01T00:00:00Z", To: "2026-01-02T00:00:00Z"},
		{Name: "daily", Cron: "0 1 * * *", Duration: "1h"},
		{Name: "others", Streams: []string{"other"}, Cron: "0 1 * * *", Duration: "1h"},
	})
	if err != nil {
		t.Fatal(err)
	}
	once, daily := streams.OpenWindow{Name: "once", Entity: "web-*"}, streams.OpenWindow{Name: "daily"}
	for at, want := range map[string][]streams.OpenWindow{
		"2026-01-01T00:30:00Z": {once}, "2026-01-01T01:30:00Z": {once, daily}, "2026-01-02T01:59:59Z": {daily}, "2026-01-02T02:00:00Z": nil,
	} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.Open(when); !slices.Equal(got, want) {
			t.Errorf("at %s: got %v, want %v", at, got, want)
		}
	}
	if !once.Covers("web-1") || once.Covers("db-1") || once.Covers("") || !daily.Covers("") {
		t.Error("a window covers others than its own")
	}
}
