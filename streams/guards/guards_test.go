package guards

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

func number(v float64) *float64 { return &v }

// TestRules checks what rules add up to for a key: later ones go before earlier ones, and a rule without a field is about all.
func TestRules(t *testing.T) {
	t.Parallel()
	g, err := New(testStream, []streams.Rule{
		{Name: "hot", Field: "cpu", Max: number(95)},
		{Name: "positive", Min: number(0), Entity: "web-*"},
		{Name: "rises", Direction: streams.DirectionUp, MinDeviation: number(3)},
		{Name: "batch", Field: "cpu", Entity: "batch-?", Direction: streams.DirectionBoth, MinRelative: number(0.2)},
		{Name: "quiet", MaxAnomalies: 5},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	up := Relevance{Direction: streams.DirectionUp, Absolute: number(3)}
	for entity, want := range map[string]*Key{
		"db": {
			Ranges: []Range{{"hot", 0, math.Inf(-1), 95}}, Limits: []Limit{{"quiet", 5}}, Relevance: []Relevance{up, up},
		},
		"web-1": {
			Ranges: []Range{{"hot", 0, math.Inf(-1), 95}, {"positive", 0, 0, math.Inf(1)}, {"positive", 1, 0, math.Inf(1)}},
			Limits: []Limit{{"quiet", 5}}, Relevance: []Relevance{up, up},
		},
		"batch-1": {
			Ranges: []Range{{"hot", 0, math.Inf(-1), 95}}, Limits: []Limit{{"quiet", 5}},
			Relevance: []Relevance{{streams.DirectionBoth, number(3), number(0.2)}, up},
		},
	} {
		if diff := cmp.Diff(want, g.For(entity, []string{"cpu", "latency"}), cmp.AllowUnexported(Key{}), cmp.Comparer(func(a, b *window) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", entity, diff)
		}
	}
}

// TestProblems checks that everything wrong is named at once, each at its field.
func TestProblems(t *testing.T) {
	t.Parallel()
	daily := streams.Window{Name: "daily", Cron: "0 2 * * *", Duration: "1h"}
	change := func(f func(*streams.Window)) streams.Window {
		w := daily
		f(&w)
		return w
	}
	calendar := func(text string) streams.Window { return streams.Window{Name: "c", ICal: text} }
	for name, c := range map[string]struct {
		rules   []streams.Rule
		windows []streams.Window
		want    []string // Beginnings of the problems, in order.
	}{
		"several": {[]streams.Rule{
			{Field: "nope", Max: number(1)},
			{Name: "a", Max: number(1), Min: number(2)},
			{Name: "a", MinDeviation: number(-1), Direction: "left", Entity: strings.Repeat("a", 1001)},
			{Name: "b"}, {Name: "c", Field: "cpu", MaxAnomalies: 3}, {Name: "d", Max: number(math.NaN())}, {Name: "e", MaxAnomalies: -1},
		}, nil, []string{
			"0.name: expected a name", "0.field: found \"nope\", expected a feature", "1.max: found 1, expected at least min", "2.name: found \"a\" twice",
			"2.min_deviation: found -1", "2.direction: found \"left\"", "2.entity: expected at most", "3: says nothing", "4.max_anomalies: counts",
			"5.max: found NaN", "6.max_anomalies: found -1",
		}},
		"cron":         {nil, []streams.Window{change(func(w *streams.Window) { w.Cron = "0 25 * * *" })}, []string{"0.cron: found \"0 25 * * *\""}},
		"seconds":      {nil, []streams.Window{change(func(w *streams.Window) { w.Cron = "0 0 2 * * *" })}, []string{"0.cron: "}},
		"every":        {nil, []streams.Window{change(func(w *streams.Window) { w.Cron = "@every 5m" })}, []string{"0.cron: "}},
		"zone inside":  {nil, []streams.Window{change(func(w *streams.Window) { w.Cron = "TZ=0" })}, []string{"0.cron: "}},
		"never":        {nil, []streams.Window{change(func(w *streams.Window) { w.Cron = "0 0 31 2 *" })}, []string{"0.cron: found \"0 0 31 2 *\", which never comes"}},
		"no duration":  {nil, []streams.Window{change(func(w *streams.Window) { w.Duration = "" })}, []string{"0.duration: found \"\""}},
		"zone":         {nil, []streams.Window{change(func(w *streams.Window) { w.Timezone = "Mars/Olympus" })}, []string{"0.timezone: found \"Mars/Olympus\""}},
		"local zone":   {nil, []streams.Window{change(func(w *streams.Window) { w.Timezone = "Local" })}, []string{"0.timezone: "}},
		"two kinds":    {nil, []streams.Window{change(func(w *streams.Window) { w.From = "2026-01-01T00:00:00Z" })}, []string{"0: expected one of"}},
		"none":         {nil, []streams.Window{{Name: "n"}}, []string{"0: expected one of"}},
		"half a span":  {nil, []streams.Window{{Name: "n", From: "2026-01-01T00:00:00Z"}}, []string{"0.to: found \"\""}},
		"backwards":    {nil, []streams.Window{{Name: "n", From: "2026-01-02T00:00:00Z", To: "2026-01-01T00:00:00Z"}}, []string{"0.to: found"}},
		"twice":        {nil, []streams.Window{daily, daily}, []string{"1.name: found \"daily\" twice"}},
		"no calendar":  {nil, []streams.Window{calendar("hello")}, []string{"0.ical_file: not an iCalendar text"}},
		"cut short":    {nil, []streams.Window{calendar(strings.TrimSuffix(event("UID:a\nDTSTART:20260101T000000Z"), "END:VCALENDAR\r\n"))}, []string{"0.ical_file: not an iCalendar text: it is cut short"}},
		"no event":     {nil, []streams.Window{calendar(event())}, []string{"0.ical_file: the calendar has no event"}},
		"no start":     {nil, []streams.Window{calendar(event("UID:a"))}, []string{"0.ical_file: event \"a\": DTSTART: is missing"}},
		"bad zone":     {nil, []streams.Window{calendar(event("UID:a\nDTSTART;TZID=Nowhere:20260101T000000\nDURATION:PT1H"))}, []string{"0.ical_file: event \"a\": DTSTART: found \"Nowhere\""}},
		"no end":       {nil, []streams.Window{calendar(event("UID:a\nDTSTART:20260101T000000Z"))}, []string{"0.ical_file: event \"a\": lasts 0s"}},
		"too often":    {nil, []streams.Window{calendar(event("UID:a\nDTSTART:20260101T000000Z\nDURATION:PT1S\nRRULE:FREQ=SECONDLY"))}, []string{"0.ical_file: event \"a\": RRULE: found \"FREQ=SECONDLY\": expected FREQ=DAILY"}},
		"bad rule":     {nil, []streams.Window{calendar(event("UID:a\nDTSTART:20260101T000000Z\nDURATION:PT1H\nRRULE:FREQ=SOMETIMES"))}, []string{"0.ical_file: event \"a\": RRULE"}},
		"too many":     {nil, []streams.Window{calendar(event("UID:a\nDTSTART:19710101T000000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;BYHOUR=0,6,12,18"))}, []string{"0.ical_file: event \"a\": recurs more than 100000 times"}},
		"bad duration": {nil, []streams.Window{calendar(event("UID:a\nDTSTART:20260101T000000Z\nDURATION:1H"))}, []string{"0.ical_file: event \"a\": DURATION"}},
	} {
		_, err := New(testStream, c.rules, c.windows)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		for i, want := range c.want {
			if i >= len(e.Problems) || !strings.HasPrefix(e.Problems[i].Path+": "+e.Problems[i].Message, want) {
				t.Errorf("%s: got %v\nwant number %d to begin with %q", name, err, i, want)
				break
			}
		}
		if len(e.Problems) != len(c.want) {
			t.Errorf("%s: got %d problems, want %d: %v", name, len(e.Problems), len(c.want), err)
		}
	}
}
