package guards

import (
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"anomalystream/streams"
)

// maxDuration bounds how long a window stays open each time.
const maxDuration = 366 * 24 * time.Hour

// idle is how far around a time a schedule that never comes again is known to be closed; it is looked through for five years.
const idle = 365 * 24 * time.Hour

// recurring opens a window at the times of a cron expression, each time for a span.
//
// An expression for every hour follows the time that passes. Any other follows the clock on the wall: a start in the hour that
// is skipped in spring is at the change, and one in the hour that comes twice in autumn is at its first coming.
type recurring struct {
	spec    *cron.SpecSchedule
	zone    *time.Location
	open    time.Duration
	elapsed bool // Follows the time that passes.
}

// everyHour is how the cron package marks a field that is a star.
const everyHour = 1 << 63

func (c *checker) cron(w *streams.Window, zone *time.Location) schedule {
	open, err := ParseDuration(w.Duration)
	if err != nil || open < time.Minute || open > maxDuration {
		c.bad("duration", "found "+strconv.Quote(w.Duration)+", expected a duration from 1m to 366d such as 90m")
	}
	const five = cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor
	var spec *cron.SpecSchedule
	if !strings.Contains(w.Cron, "TZ=") { // The time zone has a field of its own.
		parsed, err := cron.NewParser(five).Parse(w.Cron)
		if err == nil {
			spec, _ = parsed.(*cron.SpecSchedule) // Not "@every": it has no fixed times.
		}
	}
	if spec == nil || len(w.Cron) > 1000 {
		c.bad("cron", "found "+strconv.Quote(w.Cron)+", expected five fields: minute, hour, day of month, month, day of week, such as 30 2 * * SUN")
		return nil
	}
	r := &recurring{spec: spec, zone: zone, open: open, elapsed: spec.Hour&everyHour != 0}
	if spec.Location = time.UTC; r.elapsed {
		spec.Location = zone
	}
	if spec.Next(streams.MinTime).IsZero() {
		c.bad("cron", "found "+strconv.Quote(w.Cron)+", which never comes")
	}
	return r
}

// next returns the first start after a time, and the zero time where none follows within some years.
func (r *recurring) next(after time.Time) time.Time {
	if r.elapsed {
		return r.spec.Next(after)
	}
	// Starts that the clock has shown before are past ones, so the search begins at what the clock shows. In the hour that comes
	// twice, starts of its first coming are passed over.
	for w := r.spec.Next(wall(after, r.zone)); !w.IsZero(); w = r.spec.Next(w) {
		if start, _ := instant(w, r.zone); start.After(after) {
			return start
		}
	}
	return time.Time{}
}

func (r *recurring) around(at time.Time) stretch {
	start := r.next(at.Add(-r.open))
	switch {
	case start.IsZero():
		return stretch{at, at.Add(idle), false}
	case start.After(at):
		return stretch{at, start, false}
	}
	return stretch{start, start.Add(r.open), true}
}
