package incidents

import (
	"testing"
	"time"

	"anomalystream/streams"
)

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
