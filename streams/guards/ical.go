package guards

import (
	"errors"
	"fmt"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"

	"anomalystream/streams"
)

// Bounds of a calendar: what people keep in one is far smaller.
const (
	maxCalendar    = 1 << 20 // Bytes.
	maxOccurrences = 100_000
)

// readCalendar returns when the events of an iCalendar text take place. Times without a zone are those of the zone given.
//
// Recurrences are computed on the wall clock and placed in time then, as RFC 5545 asks: an event in the hour skipped in spring
// is placed by the offset before, one in the hour that comes twice in autumn at its first coming. An event that lasts whole
// days or has a DURATION of days ends at the same figure of the clock; DTEND gives the time that passes.
func readCalendar(text string, zone *time.Location) (spans, error) {
	if len(text) > maxCalendar {
		return nil, fmt.Errorf("the calendar has %d bytes, expected at most %d", len(text), maxCalendar)
	}
	calendar, err := ics.ParseCalendarWithOptions(strings.NewReader(text), ics.WithUnknownPropertyHandler(ics.AcceptUnknownPropertyHandler))
	if err != nil {
		return nil, fmt.Errorf("not an iCalendar text: %w", err)
	}
	if !strings.Contains(strings.ToUpper(text), "END:VCALENDAR") {
		return nil, errors.New("not an iCalendar text: it is cut short")
	}
	moved := map[string][]time.Time{} // Recurrences, by UID, that an event of their own replaces.
	var events []*entry
	for _, e := range calendar.Events() {
		v, err := readEntry(e, zone)
		if err != nil {
			return nil, fmt.Errorf("event %q: %w", e.Id(), err)
		}
		if v.replaces != nil {
			moved[v.uid] = append(moved[v.uid], *v.replaces)
		}
		if !v.cancelled {
			events = append(events, v)
		}
	}
	if len(events)+len(moved) == 0 {
		return nil, errors.New("the calendar has no event")
	}
	var out []span
	for _, v := range events {
		if v.replaces == nil {
			v.without = append(v.without, moved[v.uid]...)
		}
		if out, err = v.place(out); err != nil {
			return nil, fmt.Errorf("event %q: %w", v.uid, err)
		}
	}
	return tidy(out), nil
}

// moment is a DATE or DATE-TIME of a calendar.
type moment struct {
	wall time.Time
	zone *time.Location
	date bool
}

// at returns when a wall time of the moment's zone is.
func (m *moment) at(w time.Time) time.Time {
	at, skipped := instant(w, m.zone)
	return at.Add(skipped)
}

// in returns the moment as a wall time of another zone. A date is the same everywhere.
func (m *moment) in(zone *time.Location) time.Time {
	if m.date || m.zone.String() == zone.String() {
		return m.wall
	}
	return wall(m.at(m.wall), zone)
}

// readMoments reads the values of a property: DATE or DATE-TIME, with TZID, in UTC, or of the zone given.
func readMoments(p *ics.BaseProperty, zone *time.Location) (out []moment, err error) {
	if id := parameter(p, "TZID"); id != "" {
		if zone, err = zoneOf(id); err != nil {
			return nil, fmt.Errorf("%s: %w", p.IANAToken, err)
		}
	}
	for text := range strings.SplitSeq(p.Value, ",") {
		text, _, _ = strings.Cut(text, "/") // The end of a period is that of the event.
		m := moment{zone: zone, date: len(text) == len("20060102")}
		layout := "20060102T150405"
		if m.date {
			layout = "20060102"
		}
		if rest, ok := strings.CutSuffix(text, "Z"); ok {
			text, m.zone = rest, time.UTC
		}
		if m.wall, err = time.Parse(layout, text); err != nil {
			return nil, fmt.Errorf("%s: found %q, expected a date or time such as 20260102T150405", p.IANAToken, p.Value)
		}
		if m.wall.Before(streams.MinTime) || m.wall.After(streams.MaxTime) {
			return nil, fmt.Errorf("%s: found %q, expected a year from 1971 to 2099", p.IANAToken, p.Value)
		}
		out = append(out, m)
	}
	return out, nil
}

func parameter(p *ics.BaseProperty, name string) string {
	if v := p.ICalParameters[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}
