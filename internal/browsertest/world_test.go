//go:build browser

package browsertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"anomalystream/api"
	"anomalystream/streams"
)

// hostile is a name that breaks pages which do not escape: markup, quotes, an override of the writing direction.
const hostile = "<img src=x onerror=alert(1)>\"'\u202e&amp;"

// source is one stream of the world.
type source struct {
	definition streams.Definition
	entities   []string
	perTick    int // Events of an entity in a tick.
	history    int // Events each entity has behind it when the world starts; fewer than the warm-up leave it learning.
	base       []float64
	spread     []float64
}

func worldSources() []source {
	stream := func(name, key string, features ...string) streams.Definition {
		d := streams.DefaultDefinition(name)
		d.Key = key
		for _, f := range features {
			d.Features = append(d.Features, streams.Feature{Name: f, Path: f, Direction: streams.DirectionBoth})
		}
		return d
	}
	cards := make([]string, 1500)
	for i := range cards {
		cards[i] = fmt.Sprintf("card-%05d", i*7)
	}
	return []source{
		{stream("server_metrics", streams.KeyRecord, "cpu_percent", "memory_percent", "latency_ms", "error_rate"),
			[]string{"db-1", "db-2", "web-1", "web-2", "web-3"}, 5, 9000, []float64{42, 61, 85, 0.8}, []float64{4, 2, 9, 0.2}},
		{stream("transactions", streams.KeyRecord, "amount", "hour_of_day", "tx_frequency"), cards, 1, 400, []float64{64, 13, 3}, []float64{22, 2, 1}},
		{stream("iot_sensors", streams.KeyStream, "temperature", "vibration", "pressure", "humidity"),
			[]string{""}, 1, 20, []float64{21.5, 0.4, 1013, 48}, []float64{0.4, 0.05, 1.2, 2}},
		{stream(hostile, "<b>", "<b>value</b>", "second"), []string{hostile, "z\"><script>alert(2)</script>"}, 2, 900, []float64{5, 100}, []float64{1, 6}},
	}
}

// world holds what the system would: a store, statuses and open minutes. It moves on with tick.
type world struct {
	sources []source
	random  *rand.Rand

	mu        sync.Mutex
	server    *api.Server // Nil while the server is down.
	statuses  map[string]*streams.DetectorStatus
	open      map[string]*streams.Rollup
	rollups   map[string][]streams.Rollup        // Closed minutes by detector key.
	anomalies []streams.StoredAnomaly            // In order of creation.
	faulty    map[string]bool                    // Detector keys in trouble.
	lasting   map[string]*streams.StoredIncident // The incident of a key that goes on.
	groups    map[string]*streams.StoredIncident // The same of a stream's group.
	incidents []*streams.StoredIncident          // In order of opening.
	verdicts  []streams.StoredVerdict            // In order of giving.
	written   int64                              // Revisions of incidents.
	offset    int64
	broken    atomic.Bool // The store answers with errors.
	ticks     int
}

func newWorld() *world {
	w := &world{
		sources: worldSources(), random: rand.New(rand.NewPCG(1, 2)), statuses: map[string]*streams.DetectorStatus{},
		open: map[string]*streams.Rollup{}, rollups: map[string][]streams.Rollup{},
		faulty: map[string]bool{}, lasting: map[string]*streams.StoredIncident{}, groups: map[string]*streams.StoredIncident{},
	}
	now := time.Now().UTC()
	for si := range w.sources {
		s := &w.sources[si]
		for _, entity := range s.entities {
			status := newStatus(s, entity, now)
			w.statuses[status.Key()] = status
		}
	}
	// Half an hour of past for the charts.
	for ago := 30 * time.Minute; ago > 0; ago -= 10 * time.Second {
		for _, f := range pastFaults {
			switch ago {
			case f.from:
				w.begin(f.fault, now.Add(-ago))
			case f.to:
				w.end(f.fault, now.Add(-ago))
			}
		}
		w.step(now.Add(-ago))
	}
	w.silence("iot_sensors", now.Add(-3*time.Minute))
	w.silences("transactions", now.Add(-28*time.Minute))
	first := w.incidents[0]
	w.say(streams.Feedback{ID: "maria-1", Action: streams.ActionComment, Incident: first.ID, Who: "maria", Comment: "The nightly backup ran by day.", At: now.Add(-10 * time.Minute)})
	w.say(streams.Feedback{
		ID: "maria-2", Action: streams.ActionVerdict, Verdict: streams.VerdictExpected, Stream: first.Stream, Entity: first.Entity, Incident: first.ID,
		From: first.Start, To: first.Latest, Guilty: []string{first.Features[0].Feature}, Until: now.AddDate(0, 0, 30), Who: "maria", At: now.Add(-9 * time.Minute),
		Comment: "Backups may do this.",
	})
	return w
}

func newStatus(s *source, entity string, now time.Time) *streams.DetectorStatus {
	status := &streams.DetectorStatus{
		Stream: s.definition.Name, Entity: entity, Seen: int64(s.history), RequestedRate: s.definition.Rate, WarmUpNeed: s.definition.WarmUp,
		WindowSize: s.definition.Window, Detectors: []string{"iforest", "lof", "hbos"}, LastEvent: now, StateBytes: 48000,
	}
	status.WarmUpHave, status.Phase = min(s.history, s.definition.WarmUp), streams.PhaseWarmUp
	if s.history >= s.definition.WarmUp {
		status.Phase, status.Generation = streams.PhaseReady, 1+(s.history-s.definition.WarmUp)/s.definition.Refit
	}
	for i, f := range s.definition.Features {
		status.Features = append(status.Features, streams.FeatureRange{
			Name: f.Name, Min: s.base[i] - 3*s.spread[i], Median: s.base[i], Max: s.base[i] + 3*s.spread[i],
		})
	}
	return status
}

// run moves the world on until the context ends.
func (w *world) run(ctx context.Context) {
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			w.step(now.UTC())
		}
	}
}

// step lets every entity have its events at this time; of very many entities a few at a time.
func (w *world) step(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ticks++
	for si := range w.sources {
		s := &w.sources[si]
		if s.history < s.definition.WarmUp && w.server == nil {
			continue // It learns only while somebody watches.
		}
		few := min(len(s.entities), 8)
		for n := range few {
			w.events(s, s.entities[(n*len(s.entities)/few+w.ticks/200)%len(s.entities)], at)
		}
	}
}

// attach makes the world deliver to a server, nil for none.
func (w *world) attach(s *api.Server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.server = s
}

// found returns how many anomalies there have been.
func (w *world) found() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int(w.offset)
}
