package processors

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

// TestStatusRanges checks that the ranges a fit noted are those of the rows themselves, which a restored state goes through.
func TestStatusRanges(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{streams.ProfileStandard, streams.ProfileCompact} {
		e := newTestEngine(t, testDefinition(func(d *streams.Definition) {
			d.Profile, d.WarmUp, d.Refit, d.Window = profile, 50, 100, 120
		}))
		s, g := e.NewState("e"), newTraffic(9)
		for range 300 {
			step(t, e, s, g.next())
		}
		got := e.Status(s).Features
		s.models = nil
		want := e.Status(s).Features
		if diff := cmp.Diff(want, got); len(got) != 3 || diff != "" {
			t.Errorf("%s: -of the rows +of the fit:\n%s", profile, diff)
		}
	}
}

// BenchmarkStatus measures the status that is written with each snapshot.
func BenchmarkStatus(b *testing.B) {
	e := newTestEngine(b, testDefinition(nil))
	s, g := e.NewState("e"), newTraffic(1)
	for range 2300 {
		step(b, e, s, g.next())
	}
	b.ReportAllocs()
	for b.Loop() {
		e.Status(s)
	}
}
