package main

import (
	"strings"
	"testing"
	"time"

	"anomalystream/streams"
)

// TestDemoIncidents shows an opening and an end each once, and nothing of the members of a group.
func TestDemoIncidents(t *testing.T) {
	t.Parallel()
	d := newDemoIncidents()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	incident := func(revision int64, change, group string) *streams.Incident {
		i := &streams.Incident{ID: "a" + group, Revision: revision, Change: change, Stream: "s", Group: group, Latest: at, Sentence: "s/a misbehaves."}
		if change == streams.ChangeRecovered {
			i.End = &at
		}
		return i
	}
	for n, c := range []struct {
		i    *streams.Incident
		want string
	}{
		{incident(1, streams.ChangeOpened, ""), "  INCIDENT   s/a misbehaves."},
		{incident(1, streams.ChangeOpened, ""), ""},
		{incident(2, streams.ChangeExtended, ""), ""},
		{incident(3, streams.ChangeRecovered, ""), "  RECOVERED  s/a misbehaves."},
		{incident(3, streams.ChangeRecovered, ""), ""},
		{incident(1, streams.ChangeOpened, "group"), ""},
		{incident(2, streams.ChangeRecovered, "group"), ""},
	} {
		if got := d.note(c.i); !strings.HasSuffix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%d: got %q, want %q", n, got, c.want)
		}
	}
	if d.opened["s"] != 1 || d.ended["s"] != 1 {
		t.Errorf("%d opened and %d ended, want 1 and 1", d.opened["s"], d.ended["s"])
	}
}
