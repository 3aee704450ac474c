package guards

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"
	"github.com/teambition/rrule-go"

	"anomalystream/streams"
)

// entry is one event of a calendar.
type entry struct {
	uid       string
	cancelled bool
	start     moment
	days      int           // How long it lasts: days on the wall clock,
	passing   time.Duration // and time that passes.
	rules     []*rrule.RRule
	also      []time.Time // Further starts, as wall times of the start's zone.
	without   []time.Time // Starts left out.
	replaces  *time.Time  // The start, of a recurring event, that this one stands for.
}

func readEntry(e *ics.VEvent, zone *time.Location) (*entry, error) {
	v := &entry{uid: e.Id()}
	if p := e.GetProperty(ics.ComponentPropertyStatus); p != nil {
		v.cancelled = strings.EqualFold(p.Value, "CANCELLED")
	}
	p := e.GetProperty(ics.ComponentPropertyDtStart)
	if p == nil {
		return nil, errors.New("DTSTART: is missing")
	}
	starts, err := readMoments(&p.BaseProperty, zone)
	if err != nil {
		return nil, err
	}
	v.start = starts[0]
	if err := v.readEnd(e); err != nil {
		return nil, err
	}
	if v.also, err = v.starts(e, ics.ComponentPropertyRdate); err != nil {
		return nil, err
	}
	if v.without, err = v.starts(e, ics.ComponentPropertyExdate); err != nil {
		return nil, err
	}
	replaced, err := v.starts(e, ics.ComponentPropertyRecurrenceId)
	if err != nil {
		return nil, err
	}
	if len(replaced) > 0 {
		v.replaces = &replaced[0]
	}
	for _, p := range e.GetProperties(ics.ComponentPropertyRrule) {
		r, err := v.readRule(p.Value)
		if err != nil {
			return nil, fmt.Errorf("RRULE: found %q: %w", p.Value, err)
		}
		v.rules = append(v.rules, r)
	}
	return v, nil
}

// starts reads a property that names starts, as wall times of the start's zone.
func (v *entry) starts(e *ics.VEvent, name ics.ComponentProperty) (out []time.Time, err error) {
	for _, p := range e.GetProperties(name) {
		list, err := readMoments(&p.BaseProperty, v.start.zone)
		if err != nil {
			return nil, err
		}
		for i := range list {
			out = append(out, list[i].in(v.start.zone))
		}
	}
	return out, nil
}

// readEnd reads how long the event lasts: a date without an end lasts one day.
func (v *entry) readEnd(e *ics.VEvent) error {
	if p := e.GetProperty(ics.ComponentPropertyDtEnd); p != nil {
		list, err := readMoments(&p.BaseProperty, v.start.zone)
		if err != nil {
			return err
		}
		end := list[0]
		if end.date != v.start.date {
			return fmt.Errorf("DTEND: found %q, expected a date exactly where DTSTART is one", p.Value)
		}
		if v.start.date {
			v.days = int(end.wall.Sub(v.start.wall) / (24 * time.Hour))
		} else {
			v.passing = end.at(end.wall).Sub(v.start.at(v.start.wall))
		}
	} else if p := e.GetProperty(ics.ComponentPropertyDuration); p != nil {
		var err error
		if v.days, v.passing, err = readDuration(p.Value); err != nil {
			return err
		}
	} else if v.start.date {
		v.days = 1
	}
	if total := time.Duration(v.days)*24*time.Hour + v.passing; v.days > 366 || total <= 0 || total > maxDuration {
		return fmt.Errorf("lasts %s, expected an end after the start, and at most 366 days after it", total)
	}
	return nil
}

var durationPattern = regexp.MustCompile(`^\+?P(?:(\d{1,3})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?$`)

// readDuration reads a DURATION such as P1DT2H30M.
func readDuration(text string) (days int, passing time.Duration, err error) {
	m := durationPattern.FindStringSubmatch(text)
	if m == nil {
		return 0, 0, fmt.Errorf("DURATION: found %q, expected one such as PT1H30M", text)
	}
	number := func(i int) int { n, _ := strconv.Atoi(m[i]); return n } // Digits or nothing.
	passing = time.Duration(number(3))*time.Hour + time.Duration(number(4))*time.Minute + time.Duration(number(5))*time.Second
	return 7*number(1) + number(2), passing, nil
}

// readRule reads a recurrence, on the wall clock of the start.
func (v *entry) readRule(text string) (*rrule.RRule, error) {
	option, err := rrule.StrToROption(text)
	if err != nil {
		return nil, err
	}
	if option.Freq > rrule.DAILY {
		return nil, errors.New("expected FREQ=DAILY, WEEKLY, MONTHLY or YEARLY; cron serves what recurs more often")
	}
	option.Dtstart = v.start.wall
	last := streams.MaxTime
	for part := range strings.SplitSeq(strings.ToUpper(text), ";") {
		value, ok := strings.CutPrefix(part, "UNTIL=")
		switch {
		case !ok:
		case len(value) == len("20060102"): // The whole day, whatever the time of the start is.
			last = option.Until.Add(24*time.Hour - time.Second)
		case strings.HasSuffix(value, "Z"):
			last = wall(option.Until, v.start.zone)
		default:
			last = option.Until
		}
	}
	option.Until = last
	return rrule.NewRRule(*option)
}

// place appends when the event takes place.
func (v *entry) place(out []span) ([]span, error) {
	without := map[time.Time]bool{}
	for _, w := range v.without {
		without[w] = true
	}
	add := func(w time.Time) {
		if without[w] {
			return
		}
		without[w] = true // Each start counts once.
		from := v.start.at(w)
		to := from
		if v.days > 0 {
			to = v.start.at(w.AddDate(0, 0, v.days))
		}
		out = append(out, span{from, to.Add(v.passing)})
	}
	add(v.start.wall)
	for _, w := range v.also {
		add(w)
	}
	for _, r := range v.rules {
		for next, n := r.Iterator(), 0; ; n++ {
			w, ok := next()
			if !ok {
				break
			}
			if n == maxOccurrences || len(out) > maxOccurrences {
				return nil, fmt.Errorf("recurs more than %d times until 2100; give it an UNTIL or a COUNT", maxOccurrences)
			}
			add(w)
		}
	}
	return out, nil
}
