package routes

import (
	"testing"

	"anomalystream/streams"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	i := streams.Incident{Stream: "payments-eu", Entity: "shop/7", Kind: streams.KindModel, PeakSeverity: 4, PeakAlert: 3}
	silence := streams.Incident{Stream: "payments-eu", Entity: "shop/7", Kind: streams.KindSilent}
	labels := map[string]map[string]string{"payments-eu": {"team": "pay", "tier": "1"}}
	for name, c := range map[string]struct {
		match         Match
		want, silence bool
	}{
		"everything":        {Match{}, true, true},
		"stream":            {Match{Streams: []string{"x", "payments-*"}}, true, true},
		"other stream":      {Match{Streams: []string{"payments"}}, false, false},
		"entity":            {Match{Entities: []string{"shop/*"}}, true, true},
		"other entity":      {Match{Entities: []string{"shop"}}, false, false},
		"kind":              {Match{Kinds: []string{streams.KindRule, streams.KindModel}}, true, false},
		"severity":          {Match{MinSeverity: 4}, true, true},
		"too low":           {Match{MinSeverity: 4.1}, false, true},
		"alert score":       {Match{MinAlert: 3}, true, true},
		"alert too low":     {Match{MinAlert: 3.1}, false, true},
		"label":             {Match{Labels: map[string]string{"team": "p*"}}, true, true},
		"one label differs": {Match{Labels: map[string]string{"team": "p*", "tier": "2"}}, false, false},
		"no such label":     {Match{Labels: map[string]string{"site": "*"}}, false, false},
	} {
		r := Route{Match: c.match, Labels: labels}
		if got := r.Matches(&i); got != c.want {
			t.Errorf("%s: an incident matches: %v, want %v", name, got, c.want)
		}
		if got := r.Matches(&silence); got != c.silence {
			t.Errorf("%s: a silence matches: %v, want %v", name, got, c.silence)
		}
	}
}

// TestMatchGroup proves that a group is told where one of its members would be, and goes on being told once it was.
func TestMatchGroup(t *testing.T) {
	t.Parallel()
	member := func(entities ...string) (out []streams.IncidentMember) {
		for _, e := range entities {
			out = append(out, streams.IncidentMember{Entity: e})
		}
		return out
	}
	mild := streams.Incident{Kind: streams.KindGroup, PeakSeverity: 2, PeakAlert: 2, Members: member("a-1", "a-2", "b-1"), MemberCount: 3}
	silent := streams.Incident{Kind: streams.KindGroup, Interval: 10, Members: member("a-1", "a-2", "b-1"), MemberCount: 3}
	mixed := silent
	mixed.PeakSeverity, mixed.PeakAlert = 2, 2
	large := mild
	large.MemberCount = 51
	for name, c := range map[string]struct {
		match                      Match
		mild, silent, mixed, large bool
	}{
		"a member":           {Match{Entities: []string{"b-*"}}, true, true, true, true},
		"no member":          {Match{Entities: []string{"c-*"}}, false, false, false, true},
		"the kind":           {Match{Kinds: []string{streams.KindGroup}}, true, true, true, true},
		"a kind of member":   {Match{Kinds: []string{streams.KindModel, streams.KindSilent}}, false, false, false, false},
		"severity":           {Match{MinSeverity: 3}, false, true, true, false},
		"alert score":        {Match{MinAlert: 3}, false, true, true, false},
		"severity that does": {Match{MinSeverity: 2, Entities: []string{"a-1"}}, true, true, true, true},
	} {
		r := Route{Match: c.match}
		got := [...]bool{r.Matches(&mild), r.Matches(&silent), r.Matches(&mixed), r.Matches(&large)}
		if want := [...]bool{c.mild, c.silent, c.mixed, c.large}; got != want {
			t.Errorf("%s: mild, silent, mixed and large groups match: %v, want %v", name, got, want)
		}
	}
}
