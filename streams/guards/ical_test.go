package guards

import (
	"strings"
	"testing"
	"time"

	"anomalystream/streams"
)

// event is an iCalendar text of events, each given by its lines.
func event(bodies ...string) string {
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\n")
	for _, body := range bodies {
		b.WriteString("BEGIN:VEVENT\r\nDTSTAMP:20260101T000000Z\r\n" + strings.ReplaceAll(body, "\n", "\r\n") + "\r\nEND:VEVENT\r\n")
	}
	b.WriteString("END:VCALENDAR\r\n")
	return b.String()
}

// TestCalendars compares when the events of a calendar take place, as written out, with what is read.
func TestCalendars(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		zone string
		want string // Spans in the order of time, in UTC.
	}{
		"once, in UTC":  {event("UID:a\nDTSTART:20261101T100000Z\nDTEND:20261101T113000Z"), "", "2026-11-01 10:00 - 2026-11-01 11:30"},
		"of Outlook":    {event("UID:a\nDTSTART;TZID=W. Europe Standard Time:20260701T100000\nDURATION:PT90M"), "", "2026-07-01 08:00 - 2026-07-01 09:30"},
		"with TZID":     {event("UID:a\nDTSTART;TZID=America/New_York:20260701T100000\nDURATION:PT90M"), "Europe/Berlin", "2026-07-01 14:00 - 2026-07-01 15:30"},
		"without one":   {event("UID:a\nDTSTART:20260701T100000\nDURATION:PT1H"), "Europe/Berlin", "2026-07-01 08:00 - 2026-07-01 09:00"},
		"a day":         {event("UID:a\nDTSTART;VALUE=DATE:20260701"), "Europe/Berlin", "2026-06-30 22:00 - 2026-07-01 22:00"},
		"the short day": {event("UID:a\nDTSTART;VALUE=DATE:20260329\nDTEND;VALUE=DATE:20260330"), "Europe/Berlin", "2026-03-28 23:00 - 2026-03-29 22:00"},
		"the long day":  {event("UID:a\nDTSTART;VALUE=DATE:20261101\nDURATION:P1D"), "America/New_York", "2026-11-01 04:00 - 2026-11-02 05:00"},
		"over the change in Berlin": {
			event("UID:a\nDTSTART;TZID=Europe/Berlin:20261024T030000\nDTEND;TZID=Europe/Berlin:20261024T040000\nRRULE:FREQ=DAILY;COUNT=3"), "",
			"2026-10-24 01:00 - 2026-10-24 02:00, 2026-10-25 02:00 - 2026-10-25 03:00, 2026-10-26 02:00 - 2026-10-26 03:00",
		},
		"the hour that comes twice": {
			event("UID:a\nDTSTART;TZID=Europe/Berlin:20261024T023000\nDURATION:PT10M\nRRULE:FREQ=DAILY;COUNT=2"), "",
			"2026-10-24 00:30 - 2026-10-24 00:40, 2026-10-25 00:30 - 2026-10-25 00:40",
		},
		"the hour that is skipped": { // By the offset before: 02:30 is 03:30 summer time.
			event("UID:a\nDTSTART;TZID=America/New_York:20260307T023000\nDURATION:PT10M\nRRULE:FREQ=DAILY;COUNT=3"), "",
			"2026-03-07 07:30 - 2026-03-07 07:40, 2026-03-08 07:30 - 2026-03-08 07:40, 2026-03-09 06:30 - 2026-03-09 06:40",
		},
		"until, in UTC": { // 22:00 UTC is midnight: the third is out.
			event("UID:a\nDTSTART;TZID=Europe/Berlin:20260701T230000\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL=20260702T220000Z"), "",
			"2026-07-01 21:00 - 2026-07-01 22:00, 2026-07-02 21:00 - 2026-07-02 22:00",
		},
		"until, a date": {
			event("UID:a\nDTSTART:20260701T230000\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL=20260702"), "",
			"2026-07-01 23:00 - 2026-07-02 00:00, 2026-07-02 23:00 - 2026-07-03 00:00",
		},
		"exceptions": {
			event("UID:a\nDTSTART;TZID=Europe/Berlin:20260323T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE;COUNT=4\nEXDATE;TZID=Europe/Berlin:20260325T090000\nEXDATE:20260330T070000Z"), "",
			"2026-03-23 08:00 - 2026-03-23 09:00, 2026-04-01 07:00 - 2026-04-01 08:00",
		},
		"further dates": {
			event("UID:a\nDTSTART:20260101T000000Z\nDURATION:PT1H\nRDATE:20260105T000000Z,20260103T120000Z"), "",
			"2026-01-01 00:00 - 2026-01-01 01:00, 2026-01-03 12:00 - 2026-01-03 13:00, 2026-01-05 00:00 - 2026-01-05 01:00",
		},
		"a moved recurrence": {
			event("UID:a\nDTSTART:20260101T000000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3", "UID:a\nRECURRENCE-ID:20260102T000000Z\nDTSTART:20260102T060000Z\nDURATION:PT2H"), "",
			"2026-01-01 00:00 - 2026-01-01 01:00, 2026-01-02 06:00 - 2026-01-02 08:00, 2026-01-03 00:00 - 2026-01-03 01:00",
		},
		"a cancelled recurrence": {
			event("UID:a\nDTSTART:20260101T000000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2", "UID:a\nRECURRENCE-ID:20260102T000000Z\nSTATUS:CANCELLED\nDTSTART:20260102T000000Z\nDURATION:PT1H"), "",
			"2026-01-01 00:00 - 2026-01-01 01:00",
		},
		"overlaps": {
			event("UID:a\nDTSTART:20260101T000000Z\nDURATION:PT2H", "UID:b\nDTSTART:20260101T010000Z\nDURATION:PT2H", "UID:c\nDTSTART:20260101T030000Z\nDURATION:PT1H"), "",
			"2026-01-01 00:00 - 2026-01-01 04:00",
		},
		"last Sunday": {
			event("UID:a\nDTSTART;VALUE=DATE:20260125\nRRULE:FREQ=MONTHLY;BYDAY=-1SU;COUNT=3"), "",
			"2026-01-25 00:00 - 2026-01-26 00:00, 2026-02-22 00:00 - 2026-02-23 00:00, 2026-03-29 00:00 - 2026-03-30 00:00",
		},
	} {
		zone, err := zoneOf(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readCalendar(c.text, zone)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var parts []string
		for _, s := range got {
			parts = append(parts, s.from.UTC().Format("2006-01-02 15:04")+" - "+s.to.UTC().Format("2006-01-02 15:04"))
		}
		if text := strings.Join(parts, ", "); text != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, text, c.want)
		}
	}
}

// TestEndlessCalendar asks a recurrence without an end far in the future and between its occurrences.
func TestEndlessCalendar(t *testing.T) {
	t.Parallel()
	w := streams.Window{ICal: event("UID:a\nDTSTART;TZID=Europe/Berlin:20200101T020000\nDURATION:PT1H\nRRULE:FREQ=DAILY")}
	for at, want := range map[string]string{
		"2095-07-01T00:30:00Z": "w", "2095-07-01T01:00:00Z": "", "2095-12-01T01:30:00Z": "w", "2019-12-31T01:30:00Z": "", "2020-01-01T01:00:00Z": "w",
	} {
		if name, _ := opened(t, w, at); name != want {
			t.Errorf("%s: got %q, want %q", at, name, want)
		}
	}
}

// FuzzCalendar checks that no text makes reading panic, and that what is read is in order.
func FuzzCalendar(f *testing.F) {
	f.Add(event("UID:a\nDTSTART;TZID=Europe/Berlin:20261024T030000\nDTEND;TZID=Europe/Berlin:20261024T040000\nRRULE:FREQ=DAILY;COUNT=3"))
	f.Add(event("UID:a\nDTSTART;VALUE=DATE:20260329\nEXDATE;VALUE=DATE:20260330\nRRULE:FREQ=WEEKLY;BYDAY=-1MO"))
	f.Add("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := readCalendar(text, time.UTC)
		if err != nil {
			return
		}
		for i, s := range list {
			if !s.from.Before(s.to) || i > 0 && !list[i-1].to.Before(s.from) {
				t.Fatalf("got %v", list)
			}
		}
	})
}

// TestWindowsZones knows every time zone that Windows has a name for.
func TestWindowsZones(t *testing.T) {
	t.Parallel()
	for name, iana := range windowsZones {
		zone, err := zoneOf(name)
		if err != nil || zone.String() != iana {
			t.Errorf("%s: got %v, %v, want %s", name, zone, err, iana)
		}
	}
}
