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
