package api

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"anomalystream/streams"
)

// slice is what happened to one detector, or to a whole stream, between two publications of an open minute.
type slice struct {
	At        time.Time          `json:"at"` // When the second publication arrived.
	Entity    string             `json:"entity"`
	Events    int64              `json:"events"`
	Scored    int64              `json:"scored"`
	Anomalies int64              `json:"anomalies"`
	Means     map[string]float64 `json:"means" doc:"Mean of each feature over the slice's events."`
	ScoreP50  *float64           `json:"score_p50" doc:"Of the minute so far."`
	ScoreMax  *float64           `json:"score_max" doc:"Of the minute so far."`
}

// liveSeries turns the repeated publications of open minutes into a finer series: the difference of two publications is
// exact for counts and means. It keeps a short past in memory for charts that have just been opened.
type liveSeries struct {
	mu     sync.Mutex
	last   map[string]streams.Rollup // Last publication by detector key.
	slices map[string][]slice        // By stream, oldest first.
}

// Bounds of the live series.
const (
	maxSlices = 6000 // Of one stream.
	sliceAge  = 15 * time.Minute
	maxOpen   = 20000 // Detector keys whose open minute is remembered.
)

func newLiveSeries() *liveSeries {
	return &liveSeries{last: map[string]streams.Rollup{}, slices: map[string][]slice{}}
}

// add takes a rollup as it was published.
func (l *liveSeries) add(r *streams.Rollup, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := streams.DetectorKey(r.Stream, r.Entity)
	before, ok := l.last[key]
	if ok && r.Minute.Before(before.Minute) {
		return // A correction of the past is none of the present.
	}
	if len(l.last) >= maxOpen {
		clear(l.last)
	}
	l.last[key] = *r
	if !ok || !before.Minute.Equal(r.Minute) || before.Events > r.Events {
		before = streams.Rollup{}
	}
	s := slice{
		At: now.UTC(), Entity: r.Entity, Events: r.Events - before.Events, Scored: r.Scored - before.Scored,
		Anomalies: r.Anomalies - before.Anomalies, ScoreP50: r.ScoreP50, ScoreMax: r.ScoreMax, Means: map[string]float64{},
	}
	if s.Events <= 0 {
		return
	}
	for i, f := range r.Features {
		sum := f.Mean * float64(r.Events)
		if i < len(before.Features) && before.Features[i].Name == f.Name {
			sum -= before.Features[i].Mean * float64(before.Events)
		}
		s.Means[f.Name] = sum / float64(s.Events)
	}
	all := append(l.slices[r.Stream], s)
	drop := max(0, len(all)-maxSlices)
	for drop < len(all) && now.Sub(all[drop].At) > sliceAge {
		drop++
	}
	l.slices[r.Stream] = all[drop:]
}

// list returns a stream's slices since then, of one entity unless entity is nil.
func (l *liveSeries) list(stream string, entity *string, since time.Time) []slice {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []slice{}
	for _, s := range l.slices[stream] {
		if (entity == nil || s.Entity == *entity) && s.At.After(since) {
			out = append(out, s)
		}
	}
	return out
}

// point is one minute of a chart: a rollup of one detector, or all of a stream's together.
type point struct {
	Minute    time.Time               `json:"minute"`
	Events    int64                   `json:"events"`
	Scored    int64                   `json:"scored"`
	Anomalies int64                   `json:"anomalies"`
	ScoreP50  *float64                `json:"score_p50" doc:"Over several entities the mean of their quantiles, weighted by events."`
	ScoreP95  *float64                `json:"score_p95"`
	ScoreP99  *float64                `json:"score_p99"`
	ScoreMax  *float64                `json:"score_max"`
	Requested float64                 `json:"requested_rate"`
	Realised  float64                 `json:"realised_rate"`
	Features  []streams.FeatureRollup `json:"features"`
}

// merge joins rollups minute by minute, in order of time.
func merge(rollups []streams.Rollup) []point {
	sorted := slices.Clone(rollups)
	slices.SortStableFunc(sorted, func(a, b streams.Rollup) int {
		return cmp.Or(a.Minute.Compare(b.Minute), cmp.Compare(a.Entity, b.Entity))
	})
	out := []point{}
	for start := 0; start < len(sorted); {
		end := start + 1
		for end < len(sorted) && sorted[end].Minute.Equal(sorted[start].Minute) {
			end++
		}
		out = append(out, mergeMinute(sorted[start:end]))
		start = end
	}
	return out
}

func mergeMinute(rollups []streams.Rollup) point {
	p := point{Minute: rollups[0].Minute.UTC(), Requested: rollups[0].Requested, Features: []streams.FeatureRollup{}}
	var realised, weight float64
	quantiles := []struct {
		of  func(*streams.Rollup) *float64
		out **float64
		max bool
	}{
		{func(r *streams.Rollup) *float64 { return r.ScoreP50 }, &p.ScoreP50, false},
		{func(r *streams.Rollup) *float64 { return r.ScoreP95 }, &p.ScoreP95, false},
		{func(r *streams.Rollup) *float64 { return r.ScoreP99 }, &p.ScoreP99, false},
		{func(r *streams.Rollup) *float64 { return r.ScoreMax }, &p.ScoreMax, true},
	}
	for i := range rollups {
		r := &rollups[i]
		p.Events, p.Scored, p.Anomalies = p.Events+r.Events, p.Scored+r.Scored, p.Anomalies+r.Anomalies
		w := float64(max(r.Scored, 1))
		realised, weight = realised+w*r.Realised, weight+w
	}
	p.Realised = realised / weight
	for _, q := range quantiles {
		var sum, n, top float64
		for i := range rollups {
			if v := q.of(&rollups[i]); v != nil {
				w := float64(max(rollups[i].Scored, 1))
				sum, n, top = sum+w**v, n+w, max(top, *v)
			}
		}
		switch {
		case n == 0:
		case q.max:
			*q.out = &top
		default:
			mean := sum / n
			*q.out = &mean
		}
	}
	at := map[string]int{}
	weights := map[string]float64{}
	for i := range rollups {
		w := float64(max(rollups[i].Events, 1))
		for _, f := range rollups[i].Features {
			j, ok := at[f.Name]
			if !ok {
				at[f.Name], weights[f.Name] = len(p.Features), w
				p.Features = append(p.Features, f)
				continue
			}
			g := &p.Features[j]
			g.Min, g.Max = min(g.Min, f.Min), max(g.Max, f.Max)
			g.Mean += (f.Mean - g.Mean) * w / (weights[f.Name] + w)
			weights[f.Name] += w
		}
	}
	return p
}

type seriesInput struct {
	StreamInput
	Entity  string    `query:"entity" maxLength:"1000" doc:"Only this entity; - is the stream's own detector. Without it all entities together."`
	Minutes int       `query:"minutes" minimum:"1" maximum:"1440" default:"60" doc:"How far back from the newest event, or from to."`
	To      time.Time `query:"to" doc:"Event time, RFC 3339, exclusive: a span of the past instead of the newest minutes."`
}

type seriesOutput struct {
	Body struct {
		Stream string  `json:"stream"`
		Points []point `json:"points" doc:"Minutes of event time, oldest first; the last may still be open."`
		Live   []slice `json:"live" doc:"The newest minutes in finer steps, by entity and time of arrival, oldest first; empty with to."`
	}
}

func (s *Server) readSeries(ctx context.Context, in *seriesInput) (*seriesOutput, error) {
	if _, err := s.stream(ctx, in.Stream); err != nil {
		return nil, err
	}
	back := time.Duration(in.Minutes) * time.Minute
	q := streams.RollupQuery{Stream: in.Stream, Entities: in.Entity == "", Entity: ownEntity(in.Entity), Limit: 20000}
	if in.To.IsZero() {
		// Minutes are event time, and a replay's are long past: count back from the newest event, not from now.
		newest := s.config.Now()
		if last := summarise(s.deps.Statuses.List(in.Stream)).LastEvent; last != nil && last.Before(newest) {
			newest = *last
		}
		q.From, q.To = newest.Add(-back).UTC().Truncate(time.Minute), newest.Add(time.Hour).UTC()
	} else {
		q.To = clamp(in.To)
		q.From = q.To.Add(-back).Truncate(time.Minute)
	}
	rollups, err := s.deps.History.Rollups(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &seriesOutput{}
	out.Body.Stream, out.Body.Points, out.Body.Live = in.Stream, merge(rollups), []slice{}
	if !in.To.IsZero() {
		return out, nil
	}
	var entity *string
	if in.Entity != "" {
		e := ownEntity(in.Entity)
		entity = &e
	}
	out.Body.Live = s.series.list(in.Stream, entity, s.config.Now().Add(-min(back, sliceAge)))
	return out, nil
}
