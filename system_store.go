package main

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"anomalystream/sink"
)

// store is the database with what main adds.
type store struct{ *sink.Store }

// storeConfig translates the configuration and reads the secrets.
func (s *site) storeConfig() (sink.Config, error) {
	password, err := secret("the database password", s.cfg.Store.PasswordFile, s.cfg.Store.PasswordEnv)
	if err != nil {
		return sink.Config{}, usageError{err}
	}
	grafana, err := secret("the password of grafana_reader", s.cfg.Store.GrafanaPassFile, s.cfg.Store.GrafanaPassEnv)
	if err != nil {
		return sink.Config{}, usageError{err}
	}
	config := sink.Config{
		URL: s.cfg.Store.URL, Password: password, GrafanaPassword: grafana, MaxConnections: s.cfg.Store.MaxConnections,
		Retention: s.cfg.Store.Retention, Timescale: s.cfg.Store.Timescale, Log: s.log,
	}
	if err := config.WithDefaults().Validate(); err != nil {
		return sink.Config{}, usageError{err}
	}
	return config, nil
}

// openStore opens the database and brings its schema up to date, waiting while it is away.
func (s *site) openStore(ctx context.Context, config sink.Config) (*store, error) {
	var opened *sink.Store
	var permanent error
	err := s.patiently(ctx, func() (err error) {
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

// withStore is the part of the roles that need the database: it opens the database and then runs their parts. What does not
// need it, detection above all, works meanwhile.
func (s *system) withStore(roles []string, control *control) (part, error) {
	config, err := s.storeConfig()
	if err != nil {
		return part{}, err
	}
	if slices.Contains(roles, roleAPI) {
		if err := s.apiConfig().WithDefaults().Validate(); err != nil {
			return part{}, usageError{err}
		}
	}
	var asked atomic.Pointer[func(context.Context) error] // Readiness, once the database has answered for the first time.
	others := slices.Clone(s.parts)
	return part{
		name: "store",
		run: func(ctx context.Context) error {
			store, err := s.openStore(ctx, config)
			if err != nil {
				return err
			}
			inner := &system{site: s.site, serving: s.serving}
			inner.add(part{name: "retention", run: store.maintain})
			if slices.Contains(roles, roleSink) {
				err = inner.addSink(store)
			}
			if err == nil && slices.Contains(roles, roleAPI) {
				err = inner.addAPI(store, control, others)
			}
			if err != nil {
				return errors.Join(err, store.Close())
			}
			ready := func(ctx context.Context) error {
				if err := store.Ping(ctx); err != nil {
					return err
				}
				return inner.ready(ctx)
			}
			asked.Store(&ready)
			return inner.run(ctx)
		},
		ready: func(ctx context.Context) error {
			ready := asked.Load()
			if ready == nil {
				return errors.New("waiting for the database")
			}
			return (*ready)(ctx)
		},
	}, nil
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
