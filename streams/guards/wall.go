package guards

import "time"

// Schedules and calendars speak of what a clock on the wall shows. A wall time is kept as a time in UTC with the same figures,
// so that arithmetic with it knows no changes of the clock.

// wall returns what the clock of a zone shows at an instant.
func wall(at time.Time, zone *time.Location) time.Time {
	t := at.In(zone)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant returns when the clock of a zone shows a wall time: the first time where it does so twice. Where it never does,
// skipped is how far into the gap the wall time lies, and the instant is the end of the gap.
func instant(w time.Time, zone *time.Location) (at time.Time, skipped time.Duration) {
	at = time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), w.Nanosecond(), zone)
	start, end := at.ZoneBounds()
	switch d := wall(at, zone).Sub(w); {
	case d > 0: // Go took the offset before the gap.
		return start, w.Sub(wall(start, zone)) + gap(start)
	case d < 0: // Go took the offset after it.
		return end, w.Sub(wall(end, zone)) + gap(end)
	}
	if !start.IsZero() {
		if earlier := at.Add(gap(start)); earlier.Before(start) && wall(earlier, zone).Equal(w) {
			return earlier, 0
		}
	}
	return at, 0
}

// gap is by how much the clock goes forward at a change; negative where it goes back.
func gap(change time.Time) time.Duration {
	_, after := change.Zone()
	_, before := change.Add(-1).Zone()
	return time.Duration(after-before) * time.Second
}
