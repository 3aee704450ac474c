//go:build browser

package browsertest

import (
	"fmt"
	"math"
	"slices"
	"time"

	"anomalystream/streams"
)

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
	odd := status.Seen >= int64(status.WarmUpNeed) && (w.faulty[key] || w.random.Float64() < 0.012)
	values := make([]float64, len(s.base))
	for range s.perTick {
		for i := range values {
			values[i] = s.base[i] + s.spread[i]*(math.Sin(phase+float64(i))+0.5*w.random.NormFloat64())
		}
	}
	worst := w.random.IntN(len(values))
	if w.faulty[key] {
		worst = min(2, len(values)-1)
	}
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
	if w.offset%5 == 0 && !w.faulty[status.Key()] {
		a.Suppressed = "window:night"
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
	if w.faulty[status.Key()] {
		w.trouble(&a)
	}
}

func copyRollup(r *streams.Rollup) streams.Rollup {
	out := *r
	out.Features = slices.Clone(r.Features)
	return out
}

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
