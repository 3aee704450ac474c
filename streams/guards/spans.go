package guards

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"anomalystream/streams"
)

// span is [from, to).
type span struct{ from, to time.Time }

// spans are when a window is open: in order, without overlaps.
type spans []span

// tidy sorts spans and joins those that overlap or touch.
func tidy(list []span) spans {
	slices.SortFunc(list, func(a, b span) int { return cmp.Or(a.from.Compare(b.from), a.to.Compare(b.to)) })
	var out spans
	for _, s := range list {
		if n := len(out); n > 0 && !s.from.After(out[n-1].to) {
			if s.to.After(out[n-1].to) {
				out[n-1].to = s.to
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

func (l spans) around(at time.Time) stretch {
	i := sort.Search(len(l), func(i int) bool { return l[i].to.After(at) }) // The first that is not over.
	if i < len(l) && !at.Before(l[i].from) {
		return stretch{l[i].from, l[i].to, true}
	}
	s := stretch{from: time.Time{}, to: streams.MaxTime.Add(time.Second)}
	if i > 0 {
		s.from = l[i-1].to
	}
	if i < len(l) {
		s.to = l[i].from
	}
	return s
}
