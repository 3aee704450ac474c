package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"anomalystream/emitters"
	"anomalystream/internal/embedded"
	"anomalystream/internal/retry"
	"anomalystream/processors/checkpoint"
	"anomalystream/streams"
)

// site is what every command that needs Kafka stands on: the configuration, the way to the brokers, and the names of topics.
type site struct {
	cfg      *Config
	log      *slog.Logger
	kafka    checkpoint.Kafka
	topics   streams.Topics
	registry *prometheus.Registry
	broker   *embedded.Broker // The in-process broker, or nil.
}

// openSite reads the secrets and, where the configuration says so, starts the in-process broker. It does not connect.
func (a *app) openSite(cfg *Config) (*site, error) {
	s := &site{cfg: cfg, log: a.logger(cfg.Log), topics: streams.Topics{Prefix: cfg.Kafka.TopicPrefix}, registry: prometheus.NewRegistry()}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	password, err := secret("the Kafka password", cfg.Kafka.SASL.PasswordFile, cfg.Kafka.SASL.PasswordEnv)
	if err != nil {
		return nil, usageError{err}
	}
	s.kafka = checkpoint.Kafka{
		Brokers: cfg.Kafka.Brokers, ClientID: cfg.Kafka.ClientID, InstanceID: cfg.Kafka.InstanceID,
		Hasher: streams.NewHasher, TLS: checkpoint.TLS(cfg.Kafka.TLS),
		SASL: checkpoint.SASL{Mechanism: cfg.Kafka.SASL.Mechanism, Username: cfg.Kafka.SASL.Username, Password: password},
	}
	if cfg.Kafka.Embedded() {
		s.broker, err = embedded.Start(embedded.Config{Partitions: cfg.Kafka.Partitions, Log: s.log})
		if err != nil {
			return nil, err
		}
		s.kafka.Brokers = s.broker.Brokers()
	}
	if _, err := s.kafka.Sarama(); err != nil {
		return nil, usageError{err}
	}
	return s, nil
}

// openCluster opens a site for a command that writes or reads and then ends: Kafka must be there before it and after it.
func (a *app) openCluster(cfg *Config) (*site, error) {
	if cfg.Kafka.Embedded() {
		return nil, usagef("kafka.brokers is embedded, and that broker would end with this command: name the brokers of a running Kafka, or use run or demo, which hold one")
	}
	return a.openSite(cfg)
}

func (s *site) close() {
	if s.broker != nil {
		s.broker.Close()
	}
}

// client returns a fresh client configuration; openSite has checked that there is one.
func (s *site) client() *sarama.Config {
	c, err := s.kafka.Sarama()
	if err != nil {
		panic(err)
	}
	return c
}

// admin creates and checks topics.
func (s *site) admin() checkpoint.Topics {
	return checkpoint.Topics{Brokers: s.kafka.Brokers, Sarama: s.client(), Log: s.log}
}

// ensureSources creates the source topics of streams where they do not exist.
func (s *site) ensureSources(ctx context.Context, names ...string) error {
	layout := s.layout()
	layout.Definitions = nil
	for _, name := range names {
		layout.Definitions = append(layout.Definitions, s.cfg.Streams.Get(name))
	}
	return s.admin().Ensure(ctx, layout.Sources()...)
}

// awaitTopic waits while the brokers are away and fails where the topic does not exist.
func (s *site) awaitTopic(ctx context.Context, topic string) error {
	n, err := s.admin().Partitions(ctx, topic)
	if err == nil && n == 0 {
		err = fmt.Errorf("reading topic %s on %s: it does not exist", topic, strings.Join(s.kafka.Brokers, ","))
	}
	return err
}

// publisher connects a publisher, waiting while the brokers are away.
func (s *site) publisher(ctx context.Context) (*emitters.Publisher, error) {
	config := emitters.PublisherConfig{
		Brokers: s.kafka.Brokers, Sarama: s.client(), Topics: s.topics,
		Streams: s.cfg.Streams.Definitions(), MaxRecord: s.cfg.Kafka.MaxRecord,
	}
	var p *emitters.Publisher
	err := s.patiently(ctx, func() (err error) {
		p, err = emitters.NewPublisher(config)
		return err
	})
	return p, err
}

// patiently repeats what needs a server that may be away, with growing pauses and a warning each time.
func (s *site) patiently(ctx context.Context, connect func() error) error {
	for pause := 250 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		err := connect()
		if err == nil {
			return nil
		}
		s.log.Warn("waiting for a server", "error", err, "pause", pause.String())
		if ended := retry.Sleep(ctx, pause); ended != nil {
			return fmt.Errorf("%w (last: %w)", ended, err)
		}
	}
}
