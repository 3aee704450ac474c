package incidents

import (
	"slices"
	"time"
)

const (
	keptPauses   = 16                  // Of a key, and of the stream: the latest.
	pauseCounts  = 15 * 24 * time.Hour // So long.
	usuallyTwice = 2                   // A pause is usual when so many earlier ones were like it.
	pauseSlack   = 8                   // It may begin and end an eighth of its length earlier or later,
	mostSlack    = time.Hour           // an hour at most: clocks change, people are late.
)

// sameTime are the days ago on which a pause at the same time of day counts: each of the last week, which finds nights, and the same
// day of the week before, which finds weekends.
var sameTime = []int{1, 2, 3, 4, 5, 6, 7, 14}

// pause is a span without events that was long enough for a silence, by the clock of the ticks: Unix seconds of its begin and of
// the return.
type pause [2]int64

// back notes that a key is heard of again, as is the stream, and remembers the pauses that end with that. before is State.Passed
// when the key was heard of last.
func (t *turn) back(k *key, before time.Duration) {
	k.Away = false
	if quiet := t.Passed - before; quiet >= shortLimit {
		if limit, _, ok := t.limits(k); ok && quiet >= limit {
			k.Pauses = t.remember(k.Pauses, quiet)
		}
	}
	if quiet := t.Passed - t.Heard; quiet >= shortLimit {
		if limit, _ := t.shortest(); limit > 0 && quiet >= limit {
			t.Pauses, t.Returned = t.remember(t.Pauses, quiet), t.Passed
		}
	}
	k.Heard, t.Heard = t.Passed, t.Passed
}

// remember adds a pause of a length that ends now.
func (t *turn) remember(pauses []pause, length time.Duration) []pause {
	now := t.Ticked.Unix()
	pauses = slices.DeleteFunc(pauses, func(p pause) bool { return now-p[1] > int64(pauseCounts/time.Second) })
	pauses = append(pauses, pause{now - int64(length/time.Second), now})
	return pauses[max(len(pauses)-keptPauses, 0):]
}

// usual reports whether a source may be quiet for so long because earlier pauses that began at this time of day were as long. expected
// is the time between its events. Where the policy says what a source may, nothing else is usual.
func (t *turn) usual(pauses []pause, quiet, expected time.Duration) bool {
	if t.silence.After > 0 {
		return false
	}
	now, like := t.Ticked.Unix(), 0
	begin := now - int64(quiet/time.Second)
	for _, p := range pauses {
		slack := int64(expected/time.Second) + min((p[1]-p[0])/pauseSlack, int64(mostSlack/time.Second))
		if slices.ContainsFunc(sameTime, func(days int) bool {
			later := int64(days) * 24 * 60 * 60
			return max(begin-p[0]-later, p[0]+later-begin) <= slack && now <= p[1]+later+slack
		}) {
			like++
		}
	}
	return like >= usuallyTwice
}
