package processors

import (
	"slices"

	"anomalystream/streams"
)

// The section of verdicts:
//
//	list of (id bytes | kind uint8: 0 withdrawal alone, 1 real, 2 expected, 3 noise | taken, withdrawn int64
//	| at, from, to, until 4 × time | alert float64 | guilty: list of (name bytes | value float64)), by at and id

// verdictKinds are the kinds of a verdict by their number.
var verdictKinds = []string{"", streams.VerdictReal, streams.VerdictExpected, streams.VerdictNoise}

// leastVerdict is the size of the smallest verdict.
const leastVerdict = 4 + 1 + 7*8 + 4

func (w *writer) verdicts(s *State) {
	if len(s.verdicts) == 0 {
		return
	}
	w.size(len(s.verdicts))
	for i := range s.verdicts {
		v := &s.verdicts[i]
		w.text(v.id)
		w.b = append(w.b, uint8(slices.Index(verdictKinds, v.kind)))
		w.int(v.taken)
		w.int(v.withdrawn)
		w.time(v.at)
		w.time(v.from)
		w.time(v.to)
		w.time(v.until)
		w.float(v.alert)
		w.size(len(v.guilty))
		for j, name := range v.guilty {
			w.text(name)
			w.float(v.values[j])
		}
	}
}

func (r *reader) verdicts(s *State) {
	for range r.size(leastVerdict) {
		v := verdict{id: r.text()}
		kind := int(r.take(1)[0])
		if kind >= len(verdictKinds) {
			r.fail()
			return
		}
		v.kind, v.taken, v.withdrawn = verdictKinds[kind], r.int(), r.int()
		v.at, v.from, v.to, v.until, v.alert = r.time(), r.time(), r.time(), r.time(), r.float()
		for range r.size(4 + 8) {
			v.guilty, v.values = append(v.guilty, r.text()), append(v.values, r.float())
		}
		s.verdicts = append(s.verdicts, v)
	}
	known := func(v verdict) bool {
		return !slices.ContainsFunc(v.guilty, func(name string) bool { return !slices.Contains(s.plan.names, name) })
	}
	if len(s.verdicts) > maxVerdicts || !slices.IsSortedFunc(s.verdicts, compareVerdicts) || s.plan == nil ||
		slices.ContainsFunc(s.verdicts, func(v verdict) bool { return !slices.IsSorted(v.guilty) || !known(v) }) {
		r.fail()
	}
}
