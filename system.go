package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"anomalystream/api"
	"anomalystream/internal/retry"
	"anomalystream/processors"
	"anomalystream/processors/checkpoint"
)

// Roles of a process.
const (
	roleDetect    = "detect"    // Scores the events of every stream.
	roleIncidents = "incidents" // Turns anomalies, silence and feedback into incidents, and tells people.
	roleSink      = "sink"      // Fills the store.
	roleAPI       = "api"       // Serves REST, WebSocket, SSE and the page.
)

// allRoles are the roles of a process that names none.
func allRoles() []string { return []string{roleDetect, roleIncidents, roleSink, roleAPI} }

// system is what runs in a process: the parts of its roles. A part that ends with an error ends them all.
type system struct {
	*site
	metrics *processors.Metrics
	groups  *checkpoint.Metrics
	parts   []part
	serving chan *api.Server // Brings the server once it listens; nobody sends without the role api.
}

// part is one thing that runs until the context ends.
type part struct {
	name  string
	run   func(context.Context) error
	ready func(context.Context) error // Nil where there is nothing to ask.
}

// layout says how the installation's topics are laid out.
func (s *site) layout() processors.Layout {
	return processors.Layout{
		Topics: s.topics, Definitions: s.cfg.Streams.Definitions(), Partitions: s.cfg.Kafka.Partitions,
		Replication: s.cfg.Kafka.Replication, MaxRecord: s.cfg.Kafka.MaxRecord,
	}
}

// newSystem creates the topics and builds the parts of the roles. While Kafka is away it waits; a database may be away, what
// needs it follows when it answers.
func newSystem(ctx context.Context, s *site, roles []string) (*system, error) {
	if err := s.layout().Ensure(ctx, s.admin()); err != nil {
		return nil, err
	}
	sys := &system{
		site: s, metrics: processors.NewMetrics(s.registry), groups: checkpoint.NewMetrics(s.registry), serving: make(chan *api.Server, 1),
	}
	control := newControl(s)
	sys.add(part{name: "control", run: control.run, ready: control.ready})
	if slices.Contains(roles, roleDetect) {
		if err := sys.addDetect(control); err != nil {
			return nil, err
		}
	}
	if slices.Contains(roles, roleIncidents) {
		if err := sys.addIncidents(control); err != nil {
			return nil, err
		}
		if err := sys.addNotify(); err != nil {
			return nil, err
		}
	}
	if slices.Contains(roles, roleSink) || slices.Contains(roles, roleAPI) {
		p, err := sys.withStore(roles, control)
		if err != nil {
			return nil, err
		}
		sys.add(p)
	}
	if !slices.Contains(roles, roleAPI) && s.cfg.API.AdminAddr != "" {
		sys.add(part{name: "admin", run: func(ctx context.Context) error { return serveAdmin(ctx, s, sys.ready) }})
	}
	return sys, nil
}

// groupConfig is what all processor groups are configured with.
func (s *system) groupConfig() processors.GroupConfig {
	return processors.GroupConfig{
		Topics: s.topics, Brokers: s.kafka.Brokers, Sarama: s.client(), MaxRecord: s.cfg.Kafka.MaxRecord,
		Interval: s.cfg.Checkpoint.Interval, Pacing: s.cfg.Checkpoint.Pacing, Log: s.log, Groups: s.groups,
	}
}

func (s *system) add(p part) { s.parts = append(s.parts, p) }

// member is this process's part in a consumer group.
type member interface {
	Run(context.Context) error
	Ready() error
}

func (s *system) addMember(name string, m member) {
	s.add(part{name: name, run: m.Run, ready: func(context.Context) error { return m.Ready() }})
}

// run runs every part until the context ends or one of them fails.
func (s *system) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range s.parts {
		group.Go(func() error {
			err := p.run(ctx)
			if err == nil && ctx.Err() == nil {
				err = errors.New("it ended although nobody asked it to")
			}
			if err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("running the %s: %w", p.name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// ready returns nil when every part is, else the first reason.
func (s *system) ready(ctx context.Context) error { return ready(ctx, s.parts) }

func ready(ctx context.Context, parts []part) error {
	for _, p := range parts {
		if p.ready == nil {
			continue
		}
		if err := p.ready(ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// awaitReady waits until every part is ready.
func (s *system) awaitReady(ctx context.Context) error {
	return retry.Until(ctx, 100*time.Millisecond, func() bool { return s.ready(ctx) == nil })
}

// parseRoles reads a list of roles.
func parseRoles(list []string) ([]string, error) {
	if len(list) == 0 {
		return allRoles(), nil
	}
	var out []string
	for _, r := range list {
		r = strings.TrimSpace(r)
		if !slices.Contains(allRoles(), r) {
			return nil, usagef("--roles: found %q, expected one or several of: %s", r, strings.Join(allRoles(), ", "))
		}
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out, nil
}
