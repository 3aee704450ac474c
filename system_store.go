package main

import (
	"context"
	"errors"

	"anomalystream/sink"
)

// store is the database with what main adds.
type store struct{ *sink.Store }

// openStore opens the database and brings its schema up to date, waiting while it is away.
func (s *site) openStore(ctx context.Context) (*store, error) {
	password, err := secret("the database password", s.cfg.Store.PasswordFile, s.cfg.Store.PasswordEnv)
	if err != nil {
		return nil, usageError{err}
	}
	grafana, err := secret("the password of grafana_reader", s.cfg.Store.GrafanaPassFile, s.cfg.Store.GrafanaPassEnv)
	if err != nil {
		return nil, usageError{err}
	}
	config := sink.Config{
		URL: s.cfg.Store.URL, Password: password, GrafanaPassword: grafana, MaxConnections: s.cfg.Store.MaxConnections,
		Retention: s.cfg.Store.Retention, Timescale: s.cfg.Store.Timescale, Log: s.log,
	}
	if err := config.WithDefaults().Validate(); err != nil {
		return nil, usageError{err}
	}
	var opened *sink.Store
	var permanent error
	err = s.patiently(ctx, func() (err error) {
		if opened, err = sink.Open(ctx, config); sink.Permanent(err) {
			permanent = err
			return nil
		}
		return err
	})
	if err = errors.Join(permanent, err); err != nil {
		return nil, err
	}
	return &store{opened}, nil
}

// maintain drops old rows, and closes the database when the context ends.
func (s *store) maintain(ctx context.Context) error {
	return errors.Join(s.Maintain(ctx), s.Close())
}

// addSink adds the consumer that fills the store.
func (s *system) addSink(store *store) error {
	consumer, err := sink.NewConsumer(sink.ConsumerConfig{
		Brokers: s.kafka.Brokers, Sarama: s.client(), Group: s.topics.SinkGroup(), Topics: s.topics, Store: store.Store,
		BatchSize: s.cfg.Store.BatchSize, BatchWait: s.cfg.Store.BatchWait, Log: s.log, Registerer: s.registry,
	})
	if err != nil {
		return err
	}
	s.add(part{name: "sink", run: consumer.Run, ready: consumer.Ready})
	return nil
}
