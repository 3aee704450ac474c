package main

import (
	"context"

	"anomalystream/processors"
)

// addIncidents adds the groups that turn anomalies, silence and feedback into incidents.
func (s *system) addIncidents() error {
	config := processors.IncidentConfig{
		Definitions: s.cfg.Streams.Definitions(), Topics: s.topics, Brokers: s.kafka.Brokers, Sarama: s.client(), MaxRecord: s.cfg.Kafka.MaxRecord,
		Interval: s.cfg.Checkpoint.Interval, Pacing: s.cfg.Checkpoint.Pacing, Log: s.log, Metrics: s.metrics, Groups: s.groups,
	}
	journals, err := processors.NewJournalGroups(config)
	if err != nil {
		return err
	}
	for _, j := range journals {
		s.add(part{name: "journal of " + j.Topic(), run: j.Run, ready: func(context.Context) error { return j.Ready() }})
	}
	g, err := processors.NewIncidentGroup(config)
	if err != nil {
		return err
	}
	s.add(part{name: "incidents", run: g.Run, ready: func(context.Context) error { return g.Ready() }})
	ticker, err := processors.NewIncidentTicker(config, journals)
	if err != nil {
		return err
	}
	s.add(part{name: "ticker of the incidents", run: ticker.Run})
	return nil
}
