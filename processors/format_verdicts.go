package processors

import (
	"slices"

	"anomalystream/streams"
)

// The section of verdicts:
//
//	list of (id bytes | kind uint8: 0 withdrawal alone, 1 real, 2 expected, 3 noise,
//	4 real that lasts | taken, withdrawn int64
//	| at, from, to, until 4 × time | alert float64 | seen: list of (name bytes | deviations: list of float64)), by at and id
//
// Before it there was one with "guilty: list of (name bytes | value float64)" in the place of seen. Those values say nothing
// about other columns, so verdicts from there are similar to nothing.

// verdictKinds are the kinds of a verdict by their number.
var verdictKinds = []string{"", streams.VerdictReal, streams.VerdictExpected, streams.VerdictNoise}

// lastingKind is the number of a verdict real whose incident has not ended.
const lastingKind = 4

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
		if v.lasting {
			w.b = append(w.b, lastingKind)
		} else {
			w.b = append(w.b, uint8(slices.Index(verdictKinds, v.kind)))
		}
		w.int(v.taken)
		w.int(v.withdrawn)
		w.time(v.at)
		w.time(v.from)
		w.time(v.to)
		w.time(v.until)
		w.float(v.alert)
		w.size(len(v.sights))
		for _, f := range v.sights {
			w.text(f.feature)
			w.floats(f.deviations)
		}
	}
}

func (r *reader) verdicts(s *State) {
	r.eachVerdict(s, func(v *verdict) {
		for range r.size(4 + 4) {
			f := sight{feature: r.text()}
			if f.deviations = make([]float64, len(s.plan.columnsOf(f.feature))); len(f.deviations) == 0 {
				r.fail()
			}
			r.fill(f.deviations)
			v.sights = append(v.sights, f)
		}
	})
}

func (r *reader) rawVerdicts(s *State) {
	r.eachVerdict(s, func(*verdict) {
		for range r.size(4 + 8) {
			r.text()
			r.float()
		}
	})
}

// eachVerdict reads the verdicts; rest reads what stands at the end of each.
func (r *reader) eachVerdict(s *State, rest func(v *verdict)) {
	if s.plan == nil {
		r.fail()
		return
	}
	for range r.size(leastVerdict) {
		v := verdict{id: r.text()}
		kind := int(r.take(1)[0])
		switch {
		case kind == lastingKind:
			v.kind, v.lasting = streams.VerdictReal, true
		case kind < len(verdictKinds):
			v.kind = verdictKinds[kind]
		default:
			r.fail()
			return
		}
		v.taken, v.withdrawn = r.int(), r.int()
		v.at, v.from, v.to, v.until, v.alert = r.time(), r.time(), r.time(), r.time(), r.float()
		rest(&v)
		s.verdicts = append(s.verdicts, v)
	}
	if len(s.verdicts) > maxVerdicts || !slices.IsSortedFunc(s.verdicts, compareVerdicts) {
		r.fail()
		return
	}
	s.relate()
}
