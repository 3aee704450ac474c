package processors

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"anomalystream/streams"
)

// byHistory is the limit of a feature that goes by the runs its key has had.
const byHistory = -1

// holdOf reads how many equal values in a row are an anomaly of a feature.
func holdOf(f streams.Feature) (int64, error) {
	switch f.Stuck {
	case "", streams.StuckOff:
		return 0, nil
	case streams.StuckAuto:
		return byHistory, nil
	}
	n, err := strconv.ParseInt(f.Stuck, 10, 64)
	if err != nil || n < 2 {
		return 0, fmt.Errorf("feature %s: stuck %q is neither off, auto nor a number of at least 2", f.Name, f.Stuck)
	}
	return n, nil
}

// run follows how a feature repeats its values.
type run struct {
	value  float64
	length int64     // Values of the run at hand; 0 before any.
	since  time.Time // Event time of its first.
	raised bool      // It was reported: what follows are reminders, until the value moves.

	pairs    int64     // Values that followed another, of runs that ended.
	repeats  int64     // Those that were equal to it.
	longest  int64     // Longest run that ended without being reported.
	reported int64     // Runs reported lately.
	seen     []float64 // The first different values, in order of their coming: few for what is no measurement.
}

const (
	leastHistory = 200    // Values before a feature's runs tell anything.
	mostHistory  = 20_000 // Values after which the past counts half.
	leastHold    = 8      // Fewer equal values in a row are no matter on any feature.
	fewValues    = 16     // What has had no more different values counts or switches, and does not measure.
	chance       = 1e-9   // So seldom may a run be as long as the limit, were each value independent of the run before it.
	longer       = 3      // Times the longest run so far.
)

// limit returns how many equal values in a row are an anomaly. A feature that mostly repeats its value or has few of them is
// never stuck. Runs reported lately raise the limit, the more the faster: what happens again and again is how the feature is.
func (r *run) limit(hold int64) int64 {
	if hold != byHistory {
		return hold
	}
	if r.pairs < leastHistory || 2*r.repeats > r.pairs || len(r.seen) <= fewValues {
		return math.MaxInt64
	}
	share := float64(r.repeats+1) / float64(r.pairs+2)
	n := int64(1)
	for p := 1.0; p > chance; p *= share {
		n++
	}
	n = max(n, leastHold, longer*r.longest)
	again := min(r.reported, 1000)
	return n + n*again*again/32
}

// next takes in a value and reports whether it makes the feature stuck. It says so once for each run.
func (r *run) next(v float64, at time.Time, hold int64) bool {
	if r.length == 0 || v != r.value {
		r.end()
		r.value, r.length, r.since, r.raised = v, 1, at, false
		if len(r.seen) <= fewValues && !slices.Contains(r.seen, v) {
			r.seen = append(r.seen, v)
		}
		return false
	}
	r.length++
	if r.raised || r.length < leastHold && hold == byHistory || r.length < r.limit(hold) {
		return false
	}
	r.raised = true
	return true
}

// reminds reports whether an event that goes on with a reported run says so once more: the first in each span since the run began.
// before is the time of the newest event so far.
func (r *run) reminds(before, at time.Time, span time.Duration) bool {
	return r.raised && span > 0 && at.Sub(r.since)/span > before.Sub(r.since)/span
}

// end learns the run that a new value ends. One that was reported is a fault: only that there was one is kept.
func (r *run) end() {
	if r.length == 0 {
		return
	}
	r.pairs++
	if r.raised {
		r.reported++
	} else {
		r.pairs, r.repeats, r.longest = r.pairs+r.length-1, r.repeats+r.length-1, max(r.longest, r.length)
	}
	if r.pairs >= mostHistory {
		r.pairs, r.repeats, r.reported = r.pairs/2, r.repeats/2, r.reported/2
	}
}

// follow takes the event's values into the runs, and adds the features that have just become stuck, or still are: an incident must
// not recover while its sensor hangs, so a reminder comes twice in the span after which it would. A value held in place of a
// missing one is no repetition.
func (s *State) follow(ev *streams.Event, quiet time.Duration, v *sure) {
	for j := range s.watch.runs {
		r, hold := &s.watch.runs[j], s.plan.holds[j]
		if hold == 0 || math.IsNaN(ev.Values[j]) {
			continue
		}
		if r.next(ev.Values[j], ev.Time, hold) || r.reminds(s.lastEvent, ev.Time, quiet/2) {
			v.hold(j, s.plan.names[j], r)
		}
	}
}
