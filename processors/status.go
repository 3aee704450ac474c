package processors

import (
	"math"

	"anomalystream/detectors"
	"anomalystream/streams"
)

// Status describes a key. CheckpointAt and StateBytes are left to the caller, who knows them.
func (e *Engine) Status(s *State) streams.DetectorStatus {
	out := streams.DetectorStatus{
		Stream: e.def.Name, Entity: s.entity, Phase: streams.PhaseWarmUp, Seen: s.seen + s.watch.unlearned, Scored: s.scored, Anomalies: s.flagged,
		WarmUpHave: int(min(s.seen, int64(e.def.WarmUp))), WarmUpNeed: e.def.WarmUp, Generation: int(s.generation),
		WindowRows: int(min(s.seen-s.cut, int64(e.def.Window))), WindowSize: e.def.Window, RequestedRate: e.rateOf(s),
		Regimes: s.regimes, LastEvent: s.lastEvent, LastAnomaly: s.lastAnomaly,
		Unlearned: s.watch.unlearned, Late: s.watch.late, Ruled: s.watch.rules, Stuck: s.watch.stuck, Suppressed: s.watch.suppressed,
	}
	for _, spec := range e.specs {
		out.Detectors = append(out.Detectors, spec.Name)
	}
	if s.generation > 0 {
		out.Phase = streams.PhaseReady
		theta, at := s.calibrator.Threshold(e.rateOf(s)), s.fitTime
		out.Threshold, out.LastFit = &theta, &at
	} else if left := float64(e.def.WarmUp) - float64(s.seen); s.seen > 1 {
		seconds := max(0, s.lastEvent.Sub(s.firstEvent).Seconds()/float64(s.seen-1)*left)
		out.ReadyIn = &seconds
	}
	if s.calibrator.Voters() < len(e.specs) && s.generation > 0 {
		out.Phase = streams.PhaseDegraded
	}
	if s.models != nil {
		for _, reason := range s.models.failed {
			if reason != "" {
				out.Failures = append(out.Failures, reason)
			}
		}
	}
	if rate, ok := s.recent.rate(); ok {
		mean, top := s.scoreSum/float64(s.scored), s.scoreMax
		out.RealisedRate, out.MeanScore, out.MaxScore = &rate, &mean, &top
	}
	out.Features, out.Verdicts = e.ranges(s), s.inForce()
	return out
}

// ranges returns what the training window holds of each raw feature; during the warm-up, the events so far. A fit has noted
// it; only before the first fit, and after a restart until the first event, the rows are gone through.
func (e *Engine) ranges(s *State) []streams.FeatureRange {
	if m := s.models; m != nil {
		out := make([]streams.FeatureRange, len(s.plan.names))
		for j, name := range s.plan.names {
			out[j] = streams.FeatureRange{Name: name, Min: m.least[j], Median: m.expected[j], Max: m.most[j]}
		}
		return out
	}
	from, to := s.fitFrom, s.fitTo
	if s.generation == 0 {
		from, to = 0, s.seen
	}
	n := int(to - from)
	if n == 0 {
		return nil
	}
	column, scratch := make([]float64, n), make([]float64, n)
	var out []streams.FeatureRange
	for j, name := range s.plan.names {
		r := streams.FeatureRange{Name: name, Min: math.Inf(1), Max: math.Inf(-1)}
		for i := range n {
			v := s.rows.value(from+int64(i), s.plan.raw[j])
			column[i], r.Min, r.Max = v, min(r.Min, v), max(r.Max, v)
		}
		r.Median, _ = detectors.Median95(column, scratch)
		out = append(out, r)
	}
	return out
}
