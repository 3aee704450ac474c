package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/IBM/sarama"

	"anomalystream/api"
	"anomalystream/emitters"
	"anomalystream/streams"
	"anomalystream/views"
)

// addAPI adds the server, the view and the tails that feed it, and the publisher it ingests through. The server's health
// covers the other parts of the process too.
func (s *system) addAPI(store *store, control *control, others []part) error {
	statuses := views.NewDetectors(s.kafka.Brokers, s.topics.Detectors(), s.client(), s.log)
	publisher := &ingest{site: s.site}
	feedback := &feedback{site: s.site}
	config := s.apiConfig()
	history := int64(config.WithDefaults().FeedHistory)
	var server *api.Server
	anomalies := views.NewTail(s.kafka.Brokers, s.topics.Anomalies(), s.client(), history, func(m *sarama.ConsumerMessage) { s.deliverAnomaly(server, m) }, s.log)
	incidents := views.NewTail(s.kafka.Brokers, s.topics.Incidents(), s.client(), history, func(m *sarama.ConsumerMessage) { s.deliverIncident(server, m) }, s.log)
	server, err := api.New(config, api.Deps{
		History: store, Incidents: store, Audits: store, Statuses: statuses, Publisher: publisher, Feedback: feedback, Control: control,
		Scorer: scorer{control.detectors}, Health: s.health(others), FeedLoaded: anomalies.CaughtUp, IncidentsLoaded: incidents.CaughtUp, Registry: s.registry,
	})
	var listening *net.OpError
	if errors.As(err, &listening) {
		return err // The address is taken: nothing is wrong with the configuration.
	}
	if err != nil {
		return usageError{err}
	}
	rollups := views.NewTail(s.kafka.Brokers, s.topics.Rollups(), s.client(), 0, func(m *sarama.ConsumerMessage) { s.deliverRollup(server, m) }, s.log)
	running := func(t *views.Tail) func(context.Context) error {
		return func(context.Context) error {
			if !t.Running() {
				return errors.New("not connected to Kafka")
			}
			return nil
		}
	}
	s.add(part{name: "detectors view", run: statuses.Run, ready: func(context.Context) error {
		if !statuses.Recovered() {
			return errors.New("the detectors topic is still being read")
		}
		return nil
	}})
	s.add(part{name: "anomalies feed", run: anomalies.Run, ready: running(anomalies)})
	s.add(part{name: "incidents feed", run: incidents.Run, ready: running(incidents)})
	s.add(part{name: "rollups feed", run: rollups.Run, ready: running(rollups)})
	s.add(part{name: "publisher", run: publisher.run, ready: publisher.ready})
	s.add(part{name: "feedback", run: feedback.run, ready: feedback.ready})
	s.add(part{name: "API", run: server.Run})
	s.serving <- server
	return nil
}

// health lets the API ask every part but itself: those so far by name, those that feed the API, which come later, as one.
func (s *system) health(others []part) []api.Part {
	var out []api.Part
	for _, p := range append(others, s.parts...) {
		if p.ready != nil {
			out = append(out, api.Part{Name: p.name, Ready: p.ready})
		}
	}
	before := len(s.parts)
	return append(out, api.Part{Name: "feeds", Ready: func(ctx context.Context) error { return ready(ctx, s.parts[before:]) }})
}

// apiConfig translates the configuration.
func (s *site) apiConfig() api.Config {
	c := s.cfg.API
	out := api.Config{
		Addr: c.Addr, AdminAddr: c.AdminAddr, AllowOpen: c.AllowOpen, Origins: c.CORSOrigins, TLSCert: c.TLSCertFile, TLSKey: c.TLSKeyFile,
		RateLimit: c.RateLimit, OIDC: api.OIDC(c.OIDC), Version: version, Log: s.log,
	}
	out.Maintenance = s.cfg.Maintenance
	for _, t := range c.Tokens {
		out.Tokens = append(out.Tokens, api.Token(t))
	}
	for _, d := range s.cfg.Streams.Definitions() {
		out.Streams = append(out.Streams, *d)
	}
	return out
}

func (s *system) deliverAnomaly(server *api.Server, m *sarama.ConsumerMessage) {
	var a streams.Anomaly
	if err := json.Unmarshal(m.Value, &a); err != nil {
		s.log.Warn("skipping a record of the anomalies topic that is no anomaly", "partition", m.Partition, "offset", m.Offset, "error", err)
		return
	}
	if err := server.DeliverAnomaly(a, m.Partition, m.Offset, m.Timestamp); err != nil {
		s.log.Warn("delivering an anomaly", "id", a.ID, "error", err)
	}
}

func (s *system) deliverIncident(server *api.Server, m *sarama.ConsumerMessage) {
	if m.Value == nil {
		return // A tombstone: what clients have of the incident stays.
	}
	i, err := streams.UnmarshalIncident(m.Value)
	if err != nil || i.ID == "" {
		s.log.Warn("skipping a record of the incidents topic that is no incident", "partition", m.Partition, "offset", m.Offset, "error", err)
		return
	}
	if err := server.DeliverIncident(*i, m.Partition, m.Offset, m.Timestamp); err != nil {
		s.log.Warn("delivering an incident", "id", i.ID, "error", err)
	}
}

func (s *system) deliverRollup(server *api.Server, m *sarama.ConsumerMessage) {
	var r streams.Rollup
	if err := json.Unmarshal(m.Value, &r); err != nil {
		s.log.Warn("skipping a record of the rollups topic that is no rollup", "partition", m.Partition, "offset", m.Offset, "error", err)
		return
	}
	server.DeliverRollup(r)
}

// ingest publishes what the API takes in. It connects when Kafka is there.
type ingest struct {
	site      *site
	publisher atomic.Pointer[emitters.Publisher]
}

func (i *ingest) run(ctx context.Context) error {
	p, err := i.site.publisher(ctx)
	if err != nil {
		return err
	}
	defer p.Close()
	i.publisher.Store(p)
	<-ctx.Done()
	i.publisher.Store(nil)
	return nil
}

func (i *ingest) ready(context.Context) error {
	if i.publisher.Load() == nil {
		return errors.New("not connected to Kafka")
	}
	return nil
}

// Publish implements api.Publisher.
func (i *ingest) Publish(ctx context.Context, stream string, records []api.Record) ([]api.Published, error) {
	p := i.publisher.Load()
	if p == nil {
		return nil, errors.New("publishing: not connected to Kafka")
	}
	events := make([]emitters.Event, len(records))
	for k, r := range records {
		events[k].Value = r.Value
		if r.Key != nil {
			events[k].Key = []byte(*r.Key)
		}
	}
	outcomes, err := p.Publish(ctx, stream, events)
	if err != nil {
		return nil, fmt.Errorf("publishing: %w", err)
	}
	out := make([]api.Published, len(outcomes))
	for k, o := range outcomes {
		out[k] = api.Published(o)
	}
	return out, nil
}
