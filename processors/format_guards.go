package processors

// The section of rules, stuck values and late events:
//
//	late, unlearned, suppressed, rules, stuck   5 × int64
//	newest      time | behind int64
//	limits      list of (rule bytes | hour, count int64)
//	runs        empty, or by feature: value float64 | length int64 | since time | raised uint8
//	            | pairs, repeats, longest, reported 4 × int64 | seen: list of float64

func (w *writer) guards(s *State) {
	v := &s.watch
	if v.empty() {
		return
	}
	for _, n := range []int64{v.late, v.unlearned, v.suppressed, v.rules, v.stuck} {
		w.int(n)
	}
	w.time(v.newest)
	w.int(v.behind)
	w.size(len(v.limits))
	for _, l := range v.limits {
		w.text(l.rule)
		w.int(l.hour)
		w.int(l.count)
	}
	w.size(len(v.runs))
	for i := range v.runs {
		r := &v.runs[i]
		w.float(r.value)
		w.int(r.length)
		w.time(r.since)
		w.bool(r.raised)
		for _, n := range []int64{r.pairs, r.repeats, r.longest, r.reported} {
			w.int(n)
		}
		w.floats(r.seen)
	}
}

// empty reports whether there is nothing to remember.
func (v *watch) empty() bool {
	for i := range v.runs {
		if v.runs[i].length > 0 {
			return false
		}
	}
	return v.late+v.unlearned+v.suppressed+v.rules+v.stuck == 0 && v.newest.IsZero() && len(v.limits) == 0
}

// guards reads the section. What it says of features that are no longer watched is dropped.
func (r *reader) guards(s *State) {
	v := &s.watch
	for _, n := range []*int64{&v.late, &v.unlearned, &v.suppressed, &v.rules, &v.stuck} {
		*n = r.int()
	}
	v.newest, v.behind = r.time(), r.int()
	for range r.size(20) {
		v.limits = append(v.limits, limitCount{r.text(), r.int(), r.int()})
	}
	n := r.size(61)
	if n == 0 {
		return
	}
	if s.plan == nil || n != len(s.plan.names) {
		r.fail()
		return
	}
	for i := range n {
		one := run{value: r.float(), length: r.int(), since: r.time(), raised: r.bool()}
		for _, n := range []*int64{&one.pairs, &one.repeats, &one.longest, &one.reported} {
			*n = r.int()
		}
		for range r.size(8) {
			one.seen = append(one.seen, r.float())
		}
		if one.pairs < 0 || one.repeats < 0 || one.repeats > one.pairs || one.longest < 0 || one.reported < 0 || one.longest > 1<<40 || one.reported > one.pairs {
			r.fail()
			return
		}
		if v.runs != nil && s.plan.holds[i] != 0 {
			v.runs[i] = one
		}
	}
}
