package incidents

import (
	"strings"
	"testing"
	"time"

	"anomalystream/streams"
)

// TestSentenceOfGroups says who of a group goes on.
func TestSentenceOfGroups(t *testing.T) {
	t.Parallel()
	for lasting, want := range map[int]string{
		3: "3 of 8 entities of web are in trouble at the same time: they have fallen silent.",
		2: "3 of 8 entities of web are in trouble at the same time: they have fallen silent. 2 of them go on.",
		1: "3 of 8 entities of web are in trouble at the same time: they have fallen silent. One of them goes on.",
	} {
		i := streams.Incident{Kind: streams.KindGroup, Stream: "web", MemberCount: 3, EntityCount: 8, Members: make([]streams.IncidentMember, 3)}
		for j := range lasting {
			i.Members[j].Open = true
		}
		if got := sentence(&i); got != want {
			t.Errorf("%d go on\ngot  %s\nwant %s", lasting, got, want)
		}
		i.MemberCount = 51
		if got := sentence(&i); strings.Contains(got, "of them") {
			t.Errorf("with members that are not named: %s", got)
		}
	}
}

// TestSentenceOfEnds tells how an incident ended, also one that ended at the event time at which it began.
func TestSentenceOfEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, change string
		lasted       time.Duration
		want         string
	}{
		{streams.KindRule, streams.ChangeRecovered, 3 * time.Minute, "web/a breaks a rule: one anomaly. Recovered after 3 min."},
		{streams.KindRule, streams.ChangeResolved, 3 * time.Minute, "web/a breaks a rule: one anomaly. Resolved after 3 min."},
		{streams.KindRule, streams.ChangeResolved, 0, "web/a breaks a rule: one anomaly. Resolved."},
		{streams.KindRule, streams.ChangeOutlasted, time.Hour, "web/a breaks a rule: one anomaly. It has lasted for 60 min, as long as an incident may; more of it is a new one."},
		{streams.KindSilent, streams.ChangeRecovered, 3 * time.Minute, "web/a was silent for 3 min."},
		{streams.KindSilent, streams.ChangeRecovered, 0, "web/a was silent and sends again."},
		{streams.KindSilent, streams.ChangeResolved, 3 * time.Minute, "web/a has sent nothing since 10:00 UTC; an event is expected every 5 s. Resolved after 3 min."},
		{streams.KindSilent, streams.ChangeOutlasted, 24 * time.Hour, "web/a has sent nothing since 10:00 UTC; an event is expected every 5 s. After 24 h it is no longer expected until it returns."},
	} {
		end := start.Add(c.lasted)
		i := streams.Incident{Kind: c.kind, Change: c.change, Stream: "web", Entity: "a", Start: start, Latest: start, End: &end}
		if c.kind == streams.KindSilent {
			i.Interval = 5
		} else {
			i.Anomalies = 1
		}
		if got := sentence(&i); got != c.want {
			t.Errorf("%s %s after %s\ngot  %s\nwant %s", c.kind, c.change, c.lasted, got, c.want)
		}
	}
}
