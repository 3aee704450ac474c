package main

import (
	"context"
	"encoding/json"

	"anomalystream/api"
	"anomalystream/processors"
)

// addDetect adds the groups of every stream.
func (s *system) addDetect(control *control) error {
	verdicts := newObedience(s.site)
	for _, d := range s.cfg.Streams.Definitions() {
		config := processors.Config{GroupConfig: s.groupConfig(), Definition: d, Metrics: s.metrics}
		if d.Repartitioned() {
			g, err := processors.NewRepartitionGroup(config)
			if err != nil {
				return err
			}
			s.addMember("repartition of "+d.Name, g)
		}
		g, err := processors.NewDetectorGroup(config)
		if err != nil {
			return err
		}
		control.detectors[d.Name] = g
		verdicts.add(g)
		s.add(part{
			name: "detection of " + d.Name,
			run: func(ctx context.Context) error {
				if err := control.await(ctx); err != nil { // Events are judged by the rate now requested, from the first on.
					return err
				}
				return g.Run(ctx)
			},
			ready: func(context.Context) error { return g.Ready() },
		})
	}
	s.add(part{name: "verdicts", run: verdicts.run, ready: verdicts.ready})
	return nil
}

// scorer answers the API from the detectors of this process.
type scorer struct {
	detectors map[string]*processors.DetectorGroup
}

// Score implements api.Scorer.
func (s scorer) Score(_ context.Context, stream, entity string, event json.RawMessage) (api.Score, error) {
	g := s.detectors[stream]
	if g == nil {
		return api.Score{}, api.ErrUnknownEntity
	}
	scored, ok, err := g.Score(entity, event)
	if err != nil {
		return api.Score{}, err
	}
	if !ok {
		return api.Score{}, api.ErrUnknownEntity
	}
	r := scored.Result
	out := api.Score{
		Stream: stream, Entity: entity, Phase: scored.Status.Phase, Anomaly: r.Anomaly != nil, Severity: r.Severity,
		Votes: r.Votes, Voters: r.Voters, Needed: r.Needed, Detectors: r.Detectors, Why: r.Why,
	}
	if r.Scored {
		out.Score = &r.Score
	}
	return out, nil
}
