package main

import (
	"context"

	"anomalystream/processors"
)

// addIncidents adds the groups that turn anomalies, silence and feedback into incidents.
func (s *system) addIncidents(control *control) error {
	config := processors.IncidentConfig{
		GroupConfig: s.groupConfig(), Definitions: s.cfg.Streams.Definitions(), Windows: control.OpenWindows, Metrics: s.metrics,
	}
	journals, err := processors.NewJournalGroups(config)
	if err != nil {
		return err
	}
	for _, j := range journals {
		s.addMember("journal of "+j.Topic(), j)
	}
	g, err := processors.NewIncidentGroup(config)
	if err != nil {
		return err
	}
	s.addMember("incidents", g)
	ticker, err := processors.NewIncidentTicker(config, journals)
	if err != nil {
		return err
	}
	s.add(part{name: "ticker of the incidents", run: func(ctx context.Context) error {
		if err := control.await(ctx); err != nil { // Ticks tell which windows are open, by those set at run time too.
			return err
		}
		return ticker.Run(ctx)
	}})
	return nil
}
