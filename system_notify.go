package main

import (
	"anomalystream/processors"
	"anomalystream/processors/routes"
	"anomalystream/sink/notify"
)

// addNotify adds what brings incidents to people: the groups that plan messages, and a consumer for each route. Nothing of it
// runs where there are no routes.
func (s *system) addNotify() error {
	configured := s.cfg.Notify.Routes.All()
	if len(configured) == 0 {
		return nil
	}
	metrics := notify.NewMetrics(s.registry)
	var planned []*routes.Route
	for _, r := range configured {
		target, err := s.cfg.Notify.target(r)
		if err != nil {
			return err
		}
		consumer, err := notify.NewConsumer(notify.Config{
			Target: target, Topics: s.topics, Brokers: s.kafka.Brokers, Sarama: s.client(), Log: s.log, Metrics: metrics,
		})
		if err != nil {
			return err
		}
		s.addMember("route "+r.Name, consumer)
		planned = append(planned, s.cfg.planned(r))
	}
	config := processors.NotifyConfig{GroupConfig: s.groupConfig(), Routes: planned, Metrics: processors.NewNotifyMetrics(s.registry)}
	journal, err := processors.NewNotifyJournalGroup(config)
	if err != nil {
		return err
	}
	group, err := processors.NewNotifyGroup(config)
	if err != nil {
		return err
	}
	ticker, err := processors.NewNotifyTicker(config)
	if err != nil {
		return err
	}
	s.addMember("journal of the routes", journal)
	s.addMember("planning of notifications", group)
	s.add(part{name: "ticker of the routes", run: ticker.Run})
	return nil
}

// planned is what planning needs to know of a route.
func (c *Config) planned(r *RouteConfig) *routes.Route {
	out := &routes.Route{
		Name: r.Name, Match: routes.Match(r.Match), On: r.On, Wait: r.GroupWait, Repeat: r.Repeat, Limit: r.Limit.Messages, Per: r.Limit.Per,
		Labels: map[string]map[string]string{},
	}
	for _, d := range c.Streams.Definitions() {
		out.Labels[d.Name] = d.Labels
	}
	return out
}
