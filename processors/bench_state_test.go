package processors

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"anomalystream/streams"
)

// BenchmarkKey reports what a detector key costs once its window is full, as the mean over KEYS keys (40 by default): heap with
// models, heap without them, and bytes saved.
func BenchmarkKey(b *testing.B) {
	for _, profile := range []string{streams.ProfileStandard, streams.ProfileCompact} {
		b.Run(profile, func(b *testing.B) {
			e := newTestEngine(b, testDefinition(func(d *streams.Definition) {
				d.Profile = profile
				if profile == streams.ProfileCompact {
					d.Window, d.Buffer = 256, 1000
				}
				d.Features = append(d.Features, streams.Feature{Name: "d", Path: "d", Missing: "0", Direction: streams.DirectionBoth})
			}))
			keys := 40
			if s := os.Getenv("KEYS"); s != "" {
				keys, _ = strconv.Atoi(s)
			}
			heap := func() float64 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				return float64(m.HeapAlloc)
			}
			before := heap()
			states := make([]*State, keys)
			for k := range states {
				states[k] = e.NewState(fmt.Sprint(k))
				g := newTraffic(uint64(k))
				for range e.def.WarmUp + e.def.Window + 2*e.def.Refit {
					ev := g.next()
					ev.Names, ev.Values = []string{"a", "b", "c", "d"}, append(ev.Values, ev.Values[0]*ev.Values[1])
					step(b, e, states[k], ev)
				}
			}
			full := heap()
			saved := len(e.AppendState(nil, states[0]))
			for _, s := range states {
				s.models = nil
			}
			without := heap()
			for b.Loop() {
				runtime.KeepAlive(states)
			}
			perKey := func(bytes float64) float64 { return (bytes - before) / float64(keys) / 1024 }
			b.ReportMetric(perKey(full), "KB/key")
			b.ReportMetric(perKey(without), "KB/key-without-models")
			b.ReportMetric(float64(saved)/1024, "KB/saved")
		})
	}
}
