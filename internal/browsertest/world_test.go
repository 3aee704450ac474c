//go:build browser

package browsertest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
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
	rollups   map[string][]streams.Rollup // Closed minutes by detector key.
	anomalies []streams.StoredAnomaly     // In order of creation.
	offset    int64
	broken    atomic.Bool // The store answers with errors.
	ticks     int
}

func newWorld() *world {
	w := &world{
		sources: worldSources(), random: rand.New(rand.NewPCG(1, 2)), statuses: map[string]*streams.DetectorStatus{},
		open: map[string]*streams.Rollup{}, rollups: map[string][]streams.Rollup{},
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
	for at := now.Add(-30 * time.Minute); at.Before(now); at = at.Add(10 * time.Second) {
		w.step(at)
	}
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

func (w *world) events(s *source, entity string, at time.Time) {
	key := streams.DetectorKey(s.definition.Name, entity)
	status := w.statuses[key]
	minute := at.Truncate(time.Minute)
	r := w.open[key]
	if r != nil && !r.Minute.Equal(minute) {
		closed := *r
		closed.Closed = true
		w.rollups[key] = append(w.rollups[key], closed)
		r = nil
	}
	if r == nil {
		r = &streams.Rollup{Stream: s.definition.Name, Entity: entity, Minute: minute, Requested: s.definition.Rate}
		for _, f := range s.definition.Features {
			r.Features = append(r.Features, streams.FeatureRollup{Name: f.Name, Min: math.Inf(1), Max: math.Inf(-1)})
		}
		w.open[key] = r
	}
	phase := float64(at.UnixMilli())/90_000 + float64(len(entity))
	odd := status.Seen >= int64(status.WarmUpNeed) && w.random.Float64() < 0.012
	values := make([]float64, len(s.base))
	for range s.perTick {
		for i := range values {
			values[i] = s.base[i] + s.spread[i]*(math.Sin(phase+float64(i))+0.5*w.random.NormFloat64())
		}
	}
	worst := w.random.IntN(len(values))
	if odd {
		values[worst] += s.spread[worst] * (6 + 10*w.random.Float64())
	}
	w.count(s, status, r, values, at)
	if odd {
		w.flag(s, status, r, values, worst, at)
	}
	// As with checkpoints: what has changed is published every two seconds.
	if w.server != nil && w.ticks%4 == 0 {
		status.CheckpointAt = at
		w.server.DeliverRollup(copyRollup(r))
	}
}

func (w *world) count(s *source, status *streams.DetectorStatus, r *streams.Rollup, values []float64, at time.Time) {
	n := int64(s.perTick)
	status.Seen, status.LastEvent = status.Seen+n, at
	r.Events += n
	for i, v := range values {
		f := &r.Features[i]
		f.Min, f.Max = min(f.Min, v), max(f.Max, v)
		f.Mean += (v - f.Mean) * float64(n) / float64(r.Events)
	}
	status.WarmUpHave = int(min(status.Seen, int64(status.WarmUpNeed)))
	if status.WarmUpHave < status.WarmUpNeed {
		left := float64(status.WarmUpNeed-status.WarmUpHave) / (2 * float64(n))
		status.Phase, status.ReadyIn = streams.PhaseWarmUp, &left
		return
	}
	status.Phase, status.ReadyIn, status.Generation = streams.PhaseReady, nil, 1+int(status.Seen-200)/500
	status.Scored += n
	r.Scored += n
	middle, high := 0.28+0.05*w.random.NormFloat64(), 0.45+0.08*w.random.Float64()
	r.ScoreP50, r.ScoreP95, r.ScoreP99 = &middle, &high, &high
	if r.ScoreMax == nil || *r.ScoreMax < high {
		r.ScoreMax = &high
	}
	realised := float64(status.Anomalies) / float64(max(1, status.Scored))
	status.RealisedRate, r.Realised = &realised, realised
}

func (w *world) flag(s *source, status *streams.DetectorStatus, r *streams.Rollup, values []float64, worst int, at time.Time) {
	w.offset++
	position := streams.Position{Topic: s.definition.Topic, Partition: int32(w.offset % 3), Offset: w.offset}
	deviation := (values[worst] - s.base[worst]) / s.spread[worst]
	score := 0.6 + 0.4*(1-math.Exp(-(deviation-4)/7))
	a := streams.Anomaly{
		ID: position.AnomalyID(s.definition.Name), Stream: s.definition.Name, Entity: status.Entity, Timestamp: at, Kind: streams.KindModel,
		Score: score, Severity: min(30, math.Pow(deviation, 1.3)/2), AlertScore: 2 + deviation/5, Features: map[string]float64{},
		Votes: 2 + w.random.IntN(2), Voters: 3, Needed: 2, Source: position,
		Why: streams.Explanation{
			RequestedRate: s.definition.Rate, Threshold: 3.1, Statistic: 3.1 + deviation/2, Generation: status.Generation, TrainedRows: 2000,
			TrainedFrom: at.Add(-2 * time.Hour), TrainedTo: at.Add(-time.Minute),
		},
	}
	left := 0.3
	for i, f := range s.definition.Features {
		share := left / float64(len(values)-1)
		if i == worst {
			share = 1 - left
		}
		a.Features[f.Name] = values[i]
		a.Why.Contributions = append(a.Why.Contributions, streams.Contribution{
			Feature: f.Name, Share: share, Value: values[i], Expected: s.base[i], Deviation: (values[i] - s.base[i]) / s.spread[i],
		})
	}
	slices.SortFunc(a.Why.Contributions, func(a, b streams.Contribution) int { return int(math.Copysign(1, b.Share-a.Share)) })
	a.Why.Sentence = fmt.Sprintf("%s was %.4g where about %.4g is usual, %.1f standard deviations above normal.",
		s.definition.Features[worst].Name, values[worst], s.base[worst], deviation)
	for i, name := range status.Detectors {
		vote := i < a.Votes
		v := score
		if !vote {
			v = 0.51
		}
		a.Detectors = append(a.Detectors, streams.DetectorVote{Name: name, Raw: deviation * float64(i+1) / 3, Score: v, Vote: vote})
	}
	status.Anomalies++
	r.Anomalies++
	r.ScoreMax = &score
	status.LastAnomaly = &streams.LastAnomaly{ID: a.ID, Timestamp: at, Score: score}
	w.anomalies = append(w.anomalies, streams.StoredAnomaly{Anomaly: a, CreatedAt: at})
	if w.server != nil {
		if err := w.server.DeliverAnomaly(a, position.Partition, position.Offset, at); err != nil {
			panic(err) // Every anomaly of the world encodes.
		}
	}
}

func copyRollup(r *streams.Rollup) streams.Rollup {
	out := *r
	out.Features = slices.Clone(r.Features)
	return out
}

// attach makes the world deliver to a server, nil for none.
func (w *world) attach(s *api.Server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.server = s
}

var errBroken = errors.New("the store is away")

// flood finds many anomalies at once in the first stream.
func (w *world) flood(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.sources[0]
	key := streams.DetectorKey(s.definition.Name, s.entities[0])
	now := time.Now().UTC()
	for i := range n {
		values := append([]float64(nil), s.base...)
		values[0] += 20 * s.spread[0]
		w.flag(s, w.statuses[key], w.open[key], values, 0, now.Add(time.Duration(i)*time.Microsecond))
	}
}

// found returns how many anomalies there have been.
func (w *world) found() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int(w.offset)
}

// The store and the view that the API reads.

func (w *world) Anomalies(_ context.Context, q streams.AnomalyQuery) (streams.AnomalyPage, error) {
	if w.broken.Load() {
		return streams.AnomalyPage{}, errBroken
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	page := streams.AnomalyPage{Total: -1}
	end := len(w.anomalies) // A cursor is the place of the last row given out.
	if q.Cursor != "" {
		var err error
		if end, err = strconv.Atoi(q.Cursor); err != nil || end < 0 || end > len(w.anomalies) {
			return page, streams.ErrBadCursor
		}
	}
	for i := end - 1; i >= 0; i-- {
		a := w.anomalies[i]
		if q.Stream != "" && a.Stream != q.Stream || q.Entity != "" && a.Entity != q.Entity || a.Score < q.MinScore || a.Severity < q.MinSeverity ||
			a.Timestamp.Before(q.From) {
			continue
		}
		if len(page.Items) == q.Limit {
			page.Next = strconv.Itoa(i + 1)
			break
		}
		page.Items = append(page.Items, a)
	}
	return page, nil
}

func (w *world) Anomaly(_ context.Context, id string) (streams.StoredAnomaly, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.anomalies {
		if a.ID == id {
			return a, nil
		}
	}
	return streams.StoredAnomaly{}, streams.ErrNotFound
}

func (w *world) Since(_ context.Context, created time.Time, id string, limit int) ([]streams.StoredAnomaly, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []streams.StoredAnomaly
	for _, a := range w.anomalies {
		if c := a.CreatedAt.Compare(created); (c > 0 || c == 0 && a.ID > id) && len(out) < limit {
			out = append(out, a)
		}
	}
	return out, nil
}

func (w *world) Delete(_ context.Context, id, _ string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.anomalies = slices.DeleteFunc(w.anomalies, func(a streams.StoredAnomaly) bool { return a.ID == id })
	return nil
}

func (w *world) Stats(context.Context) ([]streams.StreamStats, error) { return nil, nil }

func (w *world) Rollups(_ context.Context, q streams.RollupQuery) ([]streams.Rollup, error) {
	if w.broken.Load() {
		return nil, errBroken
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []streams.Rollup
	take := func(r streams.Rollup) {
		if r.Stream == q.Stream && (q.Entities || r.Entity == q.Entity) && !r.Minute.Before(q.From) && r.Minute.Before(q.To) {
			out = append(out, copyRollup(&r))
		}
	}
	for key, closed := range w.rollups {
		if key != q.Stream && !strings.HasPrefix(key, q.Stream+"/") {
			continue
		}
		for _, r := range closed {
			take(r)
		}
	}
	for _, r := range w.open {
		take(*r)
	}
	slices.SortFunc(out, func(a, b streams.Rollup) int {
		if c := a.Minute.Compare(b.Minute); c != 0 {
			return c
		}
		return strings.Compare(a.Entity, b.Entity)
	})
	return out[max(0, len(out)-q.Limit):], nil
}

func (w *world) Ping(context.Context) error { return nil }

func (w *world) List(stream string) []streams.DetectorStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []streams.DetectorStatus
	for _, s := range w.sources {
		if stream != "" && s.definition.Name != stream {
			continue
		}
		for _, entity := range s.entities {
			out = append(out, *w.statuses[streams.DetectorKey(s.definition.Name, entity)])
		}
	}
	return out
}

func (w *world) Status(stream, entity string) (streams.DetectorStatus, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.statuses[streams.DetectorKey(stream, entity)]
	if !ok {
		return streams.DetectorStatus{}, false
	}
	return *s, true
}

func (w *world) Recovered() bool { return true }

// serving is one run of the server over a world.
type serving struct {
	server *api.Server
	stop   func() error
}

// serve starts a server on this address over the world; tokens nil lets everyone in.
func serve(ctx context.Context, w *world, addr string, tokens []api.Token) (*serving, error) {
	var definitions []streams.Definition
	for _, s := range w.sources {
		definitions = append(definitions, s.definition)
	}
	server, err := api.New(api.Config{
		Addr: addr, Streams: definitions, Tokens: tokens, Heartbeat: time.Second, Log: slog.New(slog.DiscardHandler),
	}, api.Deps{History: w, Statuses: w})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	w.attach(server)
	return &serving{server: server, stop: func() error {
		w.attach(nil)
		cancel()
		return <-done
	}}, nil
}
