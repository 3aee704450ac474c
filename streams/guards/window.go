package guards

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	_ "time/tzdata" // Time zones for systems that bring none.

	"anomalystream/streams"
)

// window is a streams.Window that can be asked.
type window struct {
	name    string
	streams []string
	entity  string
	learn   bool
	times   schedule
	newest  atomic.Pointer[stretch] // The last answer, since one mostly serves the next event too.
}

// schedule says when a window is open.
type schedule interface {
	// around returns a stretch that holds the time.
	around(at time.Time) stretch
}

// stretch is a span [from, to) in which a window is open or not.
type stretch struct {
	from, to time.Time
	open     bool
}

// contains reports whether the window is open at a time.
func (w *window) contains(at time.Time) bool {
	if s := w.newest.Load(); s != nil && !at.Before(s.from) && at.Before(s.to) {
		return s.open
	}
	s := w.times.around(at)
	w.newest.Store(&s)
	return s.open
}

func compileWindows(list []streams.Window) ([]*window, []Problem) {
	if len(list) > maxWindows {
		return nil, []Problem{{"", "expected at most 1000 windows"}}
	}
	c := &checker{}
	var out []*window
	for i := range list {
		c.at = i
		v := &list[i]
		c.name(v.Name)
		c.pattern(v.Entity)
		out = append(out, &window{name: v.Name, streams: v.Streams, entity: v.Entity, learn: v.Learns(), times: c.times(v)})
	}
	return out, c.problems
}

// times reads what says when the window is open. After a problem what it returns is not to be used.
func (c *checker) times(w *streams.Window) schedule {
	zone, err := zoneOf(w.Timezone)
	if err != nil {
		c.bad("timezone", err.Error())
		zone = time.UTC
	}
	given := 0
	for _, text := range []string{w.Cron, w.From + w.To, w.ICal} {
		if text != "" {
			given++
		}
	}
	if given != 1 {
		c.bad("", "expected one of: cron with duration, from and to, or ical_file")
		return nil
	}
	if w.Cron == "" && w.Duration != "" {
		c.bad("duration", "belongs to cron")
	}
	switch {
	case w.Cron != "":
		return c.cron(w, zone)
	case w.ICal != "":
		spans, err := readCalendar(w.ICal, zone)
		if err != nil {
			c.bad("ical_file", err.Error())
		}
		return spans
	}
	from, to := c.moment("from", w.From), c.moment("to", w.To)
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		c.bad("to", "found "+strconv.Quote(w.To)+", expected a time after from")
	}
	return spans{{from, to}}
}

func (c *checker) moment(field, text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Before(streams.MinTime) || t.After(streams.MaxTime) {
		c.bad(field, "found "+strconv.Quote(text)+", expected a time such as 2026-01-02T15:04:05Z")
		return time.Time{}
	}
	return t
}

// zoneOf returns a time zone by its IANA name, or by the name that Windows has for it, which calendars of Outlook use. The zone of
// the machine is none: windows would depend on where they are asked.
func zoneOf(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if iana, ok := windowsZones[name]; ok {
		name = iana
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("found %q, expected a time zone such as Europe/Berlin", name)
	}
	return zone, nil
}

// ParseDuration reads a duration such as 90m or 1h30m, or days as 2d.
func ParseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(n >= -36500 && n <= 36500) {
			return 0, fmt.Errorf("reading duration %q", text)
		}
		return time.Duration(n * 24 * float64(time.Hour)), nil
	}
	return time.ParseDuration(text)
}
