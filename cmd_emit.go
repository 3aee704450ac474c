package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"anomalystream/emitters"
)

// emitCmd writes simulated traffic.
type emitCmd struct {
	Config string   `required:"" type:"path" placeholder:"FILE" help:"Configuration file."`
	Stream []string `placeholder:"NAME" help:"Stream to simulate: server_metrics, transactions or iot_sensors. Repeat for several; default: all three."`
	Rate   string   `default:"1000/s" placeholder:"N/s" help:"Events per second over all streams, or max. Default: ${default}."`
	Count  int64    `placeholder:"N" help:"Stop after this many events over all streams. Default: go on until interrupted."`
	Seed   uint64   `default:"1" help:"The same seed gives the same events."`
	Output string   `enum:"text,json" default:"text" help:"Output on standard output: text or json."`
}

// Run emits until the count is reached or the command is interrupted.
func (c *emitCmd) Run(a *app) error {
	pace, err := emitters.ParsePace(c.Rate)
	if err != nil {
		return usagef("--rate: %w", err)
	}
	if c.Count < 0 {
		return usagef("--count: found %d, expected a positive number", c.Count)
	}
	cfg, err := a.config(c.Config)
	if err != nil {
		return err
	}
	names := c.Stream
	if len(names) == 0 {
		names = emitters.SimulatedStreams()
	}
	for _, name := range names {
		if !slices.Contains(emitters.SimulatedStreams(), name) {
			return usagef("--stream: there is no simulator of %q, there are: %v", name, emitters.SimulatedStreams())
		}
		if cfg.Streams.Get(name) == nil {
			return usagef("--stream: %s is not configured in %s", name, c.Config)
		}
	}
	s, err := a.openCluster(cfg)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.ensureSources(a.ctx, names...); err != nil {
		return err
	}
	publisher, err := s.publisher(a.ctx)
	if err != nil {
		return err
	}
	defer publisher.Close()
	bar := a.progress("emitting", c.Count)
	out, err := emitters.Emit(a.ctx, publisher, emitters.EmitOptions{
		Streams: names, Pace: pace, Count: c.Count, Seed: c.Seed, Log: s.log,
		Progress: func(p emitters.Progress) { bar.set(p.Sent, p.Done) },
	})
	bar.finish()
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return json.NewEncoder(a.stdout).Encode(map[string]any{
			"sent": out.Sent, "by_stream": out.ByStream, "by_fault": out.Faulty, "seconds": out.Elapsed.Seconds(),
		})
	}
	fmt.Fprintf(a.stdout, "%d events in %s\n", out.Sent, out.Elapsed.Round(time.Millisecond))
	for _, name := range slices.Sorted(maps.Keys(out.ByStream)) {
		fmt.Fprintf(a.stdout, "  %s: %d\n", name, out.ByStream[name])
	}
	for _, name := range slices.Sorted(maps.Keys(out.Faulty)) {
		fmt.Fprintf(a.stdout, "  of these in fault %s: %d\n", name, out.Faulty[name])
	}
	return nil
}
