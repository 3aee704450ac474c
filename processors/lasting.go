package processors

import (
	"time"

	"anomalystream/streams"
)

// prolong lets verdicts on real trouble that lasts go on to an anomaly of this time, as the incident does: until it was quiet
// for as long as ends incidents, or for the longest that one may be. It ends before it covers more rows than verdicts may leave
// out: then the models would learn all of it. It reports whether the models rest on rows that are trouble now. The anomaly
// itself must not have been learned yet.
func (s *State) prolong(at time.Time, policy *streams.IncidentPolicy) (stale bool) {
	for i := range s.verdicts {
		v := &s.verdicts[i]
		if !v.lasting || v.withdrawn >= 0 || !at.After(v.to) {
			continue
		}
		if at.Sub(v.to) >= policy.Quiet && s.rowsSince(v.to) >= streams.QuietEvents || at.Sub(v.from) > policy.MaxLength {
			v.lasting = false
			continue
		}
		// The rows in between are trouble, too. Those that nothing was learned of yet change nothing.
		learned := s.fitTo
		if s.models != nil && s.models.learners() {
			learned = s.seen
		}
		before := *v
		if v.to = sensible(at); s.share(v) > mostLeftOut {
			*v = before
			v.lasting = false
			continue
		}
		for n := s.fitFrom; n < learned && !stale; n++ {
			stale = v.covers(s.timeOf(n)) && !before.covers(s.timeOf(n))
		}
	}
	return stale
}

// share is that of the rows held which a verdict is about.
func (s *State) share(v *verdict) float64 {
	n := 0
	for i := range s.times {
		if v.covers(s.timeOf(int64(i))) {
			n++
		}
	}
	return float64(n) / float64(len(s.times))
}

// rowsSince counts the newest rows that are later than a time, to the second; as many as streams.QuietEvents matter.
func (s *State) rowsSince(at time.Time) (n int) {
	for n < streams.QuietEvents && n < len(s.times) && s.timeOf(s.seen-1-int64(n)).Unix() > at.Unix() {
		n++
	}
	return n
}
