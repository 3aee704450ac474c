package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"anomalystream/emitters"
	"anomalystream/streams"
)

// demoCmd runs everything in one process.
type demoCmd struct {
	Duration time.Duration `placeholder:"DURATION" help:"Stop after this long, for example 60s. Default: until interrupted."`
	Seed     uint64        `default:"1" help:"The same seed simulates the same events."`
	Addr     string        `default:"127.0.0.1:8000" placeholder:"HOST:PORT" help:"Address of API and page; port 0 takes a free one. Default: ${default}."`
	Rate     string        `default:"300/s" placeholder:"N/s" help:"Simulated events per second over all streams, or of the replayed files: N/s, max or realtime. Default: ${default}."`
	Data     []string      `type:"existingfile" placeholder:"FILE" help:"Replay these CSV or JSON Lines files instead of simulating; each is a stream of its own, with every numeric column."`
	Output   string        `enum:"text,json" default:"text" help:"Summary on standard output: text or json."`
}

// Run starts the broker, the database, every role and the simulators, shows what happens, and sums up at the end.
func (c *demoCmd) Run(a *app) error {
	pace, err := emitters.ParsePace(c.Rate)
	if err != nil {
		return usagef("--rate: %w", err)
	}
	if c.Duration < 0 {
		return usagef("--duration: found %s, expected a positive duration", c.Duration)
	}
	dir, err := os.MkdirTemp("", "anomalystream-demo-")
	if err != nil {
		return fmt.Errorf("making a folder for the demo's database: %w", err)
	}
	defer os.RemoveAll(dir)
	cfg, err := c.configure(dir)
	if err != nil {
		return err
	}
	if a.cli.LogLevel == "" {
		cfg.Log.Level = "warn" // What happens is shown by the demo itself.
	}
	s, err := a.openSite(cfg)
	if err != nil {
		return err
	}
	defer s.close()
	started := time.Now()
	sys, err := newSystem(a.ctx, s, allRoles())
	if a.ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	show := newDemoShow(a, sys, started, len(c.Data) == 0)

	ctx, stop := context.WithCancel(a.ctx)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return sys.run(ctx) })
	group.Go(func() error { return show.follow(ctx) })
	group.Go(func() error {
		defer stop()
		return c.drive(ctx, sys, pace, show)
	})
	err = group.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return show.summary(c.Output)
}

// configure makes the configuration of the demo: embedded broker, a database in the folder, the API on loopback.
func (c *demoCmd) configure(dir string) (*Config, error) {
	cfg := DefaultConfig()
	cfg.Kafka.Brokers = []string{"embedded"}
	cfg.Store.URL = "sqlite:" + filepath.Join(dir, "demo.db")
	cfg.API.Addr = c.Addr
	cfg.Checkpoint.Interval = time.Second
	if len(c.Data) == 0 {
		for _, d := range BuiltinStreams() {
			demoPolicy(d)
			cfg.Streams.add(d)
		}
	}
	for _, file := range c.Data {
		name := streamNameOf(emitters.Stem(file))
		if cfg.Streams.Get(name) != nil {
			return nil, usagef("--data: two files are called %s", name)
		}
		d := streams.DefaultDefinition(name)
		d.Key, d.Time = streams.KeyStream, "timestamp"
		d.Features = []streams.Feature{newFeature("*")}
		cfg.Streams.add(&d)
	}
	check := &configDecoder{positions: map[string]position{}}
	cfg.validate(check)
	if len(check.problems) > 0 {
		return nil, &ConfigError{Problems: check.problems}
	}
	return cfg, nil
}

// streamNameOf makes a stream name of a file name.
func streamNameOf(stem string) string {
	out := []byte(stem)
	for i, b := range out {
		switch {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '_', b == '-', b == '.':
		default:
			out[i] = '_'
		}
	}
	return string(out[:min(len(out), 100)])
}

// drive waits until everything runs, feeds it, and returns when the demo is over.
func (c *demoCmd) drive(ctx context.Context, sys *system, pace emitters.Pace, show *demoShow) error {
	select {
	case server := <-sys.serving:
		show.hello(c, server.URL())
	case <-ctx.Done():
		return nil // Interrupted, or a part failed and says so.
	}
	if err := sys.awaitReady(ctx); err != nil {
		return nil
	}
	show.ready()
	publisher, err := sys.publisher(ctx)
	if err != nil {
		return err
	}
	defer publisher.Close()
	feed, cancel := context.WithCancel(ctx)
	defer cancel()
	if c.Duration > 0 {
		time.AfterFunc(c.Duration, cancel)
	}
	var written int64
	if len(c.Data) == 0 {
		// Calm long enough for every entity's warm-up, then faults close together: a demonstration is short.
		var sent emitters.Emitted
		sent, err = emitters.Emit(feed, publisher, emitters.EmitOptions{Pace: pace, Seed: c.Seed, Calm: 230, Gap: 400, Log: sys.log})
		written = sent.Sent
	}
	for i, file := range c.Data {
		if feed.Err() != nil {
			break
		}
		var sent emitters.Replayed
		sent, err = emitters.Replay(feed, publisher, emitters.ReplayOptions{
			Stream: sys.cfg.Streams.Definitions()[i], Files: []string{file}, Pace: pace, Log: sys.log,
			Rejected: func(err error) { show.line("left out: %s", err) },
		})
		written += sent.Sent
		if err != nil {
			break
		}
	}
	if err != nil {
		return err
	}
	show.drain(ctx, written)
	return nil
}
