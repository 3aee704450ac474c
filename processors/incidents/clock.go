package incidents

import (
	"slices"
	"time"

	"anomalystream/streams"
)

// clock is the time of a detector key. Anomalies and rollups travel on different topics, so that rollups may run ahead: the
// clock goes on when as many anomalies were seen as the rollups count, or when a minute has passed in vain.
type clock struct {
	At       time.Time     `json:"at"`    // Event time up to which every anomaly was seen.
	Next     time.Time     `json:"next"`  // Event time that rollups have reached.
	Heard    time.Duration `json:"heard"` // State.Passed when it was last heard of.
	Minute   int64         `json:"minute"`
	MinuteAt time.Duration `json:"minute_at"` // State.Passed when the minute began.
	Events   int64         `json:"events"`    // Of the minute, so far.
	Flagged  int64         `json:"flagged"`   // Anomalies of the minute, as its rollup counts them so far.
	Counted  int64         `json:"counted"`   // Anomalies of the minutes before.
	Seen     int64         `json:"seen"`      // Anomalies that came.
	Missing  bool          `json:"missing"`   // Some that were counted have not come,
	Since    time.Duration `json:"since"`     // since State.Passed was this.
	Gaps     []float64     `json:"gaps"`      // The last times between events, in seconds; oldest first, at most keptGaps.
}

const (
	keptGaps = 16
	fewGaps  = 3           // Fewer say nothing of what is usual.
	patience = time.Minute // So long a clock waits for anomalies that were counted.
)

// count takes a rollup in and reports whether it tells of new events. passed is State.Passed.
func (c *clock) count(r *streams.Rollup, passed time.Duration) (news bool) {
	minute := r.Minute.Unix()
	if minute < c.Minute {
		return false // A repetition.
	}
	if minute > c.Minute {
		if c.Events > 0 {
			c.gap(minute, passed)
		}
		c.Counted += c.Flagged
		c.Minute, c.MinuteAt, c.Events, c.Flagged = minute, passed, 0, 0
	}
	news = r.Events > c.Events
	c.Events, c.Flagged = max(c.Events, r.Events), max(c.Flagged, r.Anomalies)
	if news {
		c.Heard = passed
	}
	reached := r.Minute.UTC().Add(min(max(passed-c.MinuteAt, 0), 59*time.Second))
	if r.Closed {
		reached = r.Minute.UTC().Add(time.Minute)
		if c.Flagged == 0 && c.Seen > c.Counted && c.At.Before(r.Minute) {
			c.Seen = c.Counted // Rollups from before our time were not counted.
		}
	}
	if reached.After(c.Next) {
		c.Next = reached
	}
	return news
}

// gap notes the time between events, by event time and by what has passed: the one is short where a source is read late, the
// other where it sends many events at once.
func (c *clock) gap(minute int64, passed time.Duration) {
	between := float64(minute - c.Minute)
	if between <= 60 {
		between = 60 / float64(c.Events)
	}
	if len(c.Gaps) == keptGaps {
		c.Gaps = append(c.Gaps[:0], c.Gaps[1:]...)
	}
	c.Gaps = append(c.Gaps, max(between, (passed-c.Heard-TickEvery).Seconds()))
}

// advance lets the clock go as far as it may.
func (c *clock) advance(passed time.Duration) {
	short := c.Seen < c.Counted+c.Flagged
	switch {
	case short && !c.Missing:
		c.Missing, c.Since = true, passed
		return
	case short && passed-c.Since < patience:
		return
	case short:
		c.Seen = c.Counted + c.Flagged
	}
	c.Missing = false
	if c.Next.After(c.At) {
		c.At = c.Next
	}
}

// now is the time of the key.
func (c *clock) now(passed time.Duration) time.Time {
	if c.Missing {
		return c.At
	}
	return c.At.Add(passed - c.Heard)
}

// typical is the usual time between events, zero while it is not known.
func (c *clock) typical() time.Duration {
	if len(c.Gaps) < fewGaps {
		return 0
	}
	gaps := slices.Sorted(slices.Values(c.Gaps))
	return seconds(gaps[len(gaps)/2])
}

// expected is a time between events that is seldom exceeded, zero while it is not known: the second largest of the last ones.
func (c *clock) expected() time.Duration {
	if len(c.Gaps) < keptGaps {
		return 0
	}
	var longest, second float64 // Asked at every tick of every key: sorting would cost more.
	for _, gap := range c.Gaps {
		second = max(second, min(gap, longest))
		longest = max(longest, gap)
	}
	return seconds(second)
}

func seconds(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }
