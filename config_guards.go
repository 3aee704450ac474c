package main

import (
	"os"
	"strconv"
	"strings"
	"time"

	"anomalystream/streams"
	"anomalystream/streams/guards"
)

// validateGuards checks a stream's rules and its policy for late events.
func validateGuards(d *configDecoder, at string, s *streams.Definition) {
	report(d, guards.CheckRules(s, s.Rules), func(i int) string { return at + ".rules." + strconv.Itoa(i) }, at+".rules")
	oneOf(d, at+".late.policy", s.Late.Policy, streams.LateScore, streams.LateScoreOnly, streams.LateTopic)
	if s.Late.After < 0 || s.Late.After > 366*24*time.Hour {
		d.invalid(at+".late.after", "found %s, expected 0 to 366d", s.Late.After)
	}
	if s.Late.After == 0 && s.Late.Policy != streams.LateScore {
		d.invalid(at+".late.after", "expected a duration such as 5m, because the policy is %s", s.Late.Policy)
	}
}

func validateStuck(d *configDecoder, at, stuck string) {
	if stuck == streams.StuckOff || stuck == streams.StuckAuto {
		return
	}
	if n, err := strconv.Atoi(stuck); err != nil || n < 2 || n > 1_000_000 {
		d.invalid(at, "found %q, expected off, auto, or a number of equal values from 2 to 1000000", stuck)
	}
}

// validateMaintenance reads the calendars, checks the windows of all streams and of each, and tells every stream of all of them:
// an engine leaves out what is not its own. Names stand in anomalies, so they are unique among all windows.
func (c *Config) validateMaintenance(d *configDecoder) {
	var all []streams.Window
	var paths []string
	add := func(at string, w streams.Window) {
		w.Origin = at
		if w.ICalFile != "" {
			b, err := os.ReadFile(w.ICalFile)
			if err != nil || len(b) == 0 {
				d.invalid(at+".ical_file", "found %q, expected an iCalendar file that can be read", w.ICalFile)
				return
			}
			w.ICal = string(b)
		}
		all, paths = append(all, w), append(paths, at)
	}
	for i, w := range c.Maintenance {
		at := "maintenance." + strconv.Itoa(i)
		for _, name := range w.Streams {
			if c.Streams.Get(name) == nil && c.Streams.Template == nil {
				d.invalid(at+".streams", "found %q, expected streams of the configuration: %s", name, strings.Join(c.Streams.Names(), ", "))
			}
		}
		add(at, w)
	}
	for _, s := range c.Streams.Definitions() {
		for i, w := range s.Maintenance {
			at := "streams." + s.Name + ".maintenance." + strconv.Itoa(i)
			if len(w.Streams) > 0 {
				d.invalid(at+".streams", "expected nothing: the window belongs to the stream it stands in")
			}
			w.Streams = []string{s.Name}
			add(at, w)
		}
	}
	report(d, guards.CheckWindows(all), func(i int) string { return paths[i] }, "maintenance")
	c.Maintenance = all
	for _, s := range c.Streams.Definitions() {
		s.Maintenance = all
	}
	if t := c.Streams.Template; t != nil {
		if len(t.Maintenance) > 0 {
			d.invalid("streams.*.maintenance", "expected nothing: a template's streams have the windows of the top level")
		}
		t.Maintenance = all
	}
}

// report adds the problems of a list; path tells where an element stands, and whole where the list does.
func report(d *configDecoder, problems []guards.Problem, path func(int) string, whole string) {
	for _, p := range problems {
		index, field, _ := strings.Cut(p.Path, ".")
		i, err := strconv.Atoi(index)
		switch {
		case err != nil:
			d.invalid(whole, "%s", p.Message)
		case field == "":
			d.invalid(path(i), "%s", p.Message)
		default:
			d.invalid(path(i)+"."+field, "%s", p.Message)
		}
	}
}
