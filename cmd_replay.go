package main

import (
	"encoding/json"
	"fmt"
	"time"

	"anomalystream/emitters"
)

// replayCmd sends recorded events.
type replayCmd struct {
	Config string   `required:"" type:"path" placeholder:"FILE" help:"Configuration file."`
	Stream string   `required:"" placeholder:"NAME" help:"Stream whose topic the rows go to."`
	Rate   string   `default:"max" placeholder:"RATE" help:"max, realtime (as far apart as the rows' times), or events per second such as 1000/s. Default: ${default}."`
	Key    string   `placeholder:"FIELD" help:"Field whose value becomes the record key, for streams with key: record. Default: the file's name, one file one key."`
	Output string   `enum:"text,json" default:"text" help:"Output on standard output: text or json."`
	Files  []string `arg:"" name:"file" type:"existingfile" help:"CSV (first column the time, header names the fields) or JSON Lines; .gz is unpacked."`
}

// Run replays the files and fails if a line could not be sent.
func (c *replayCmd) Run(a *app) error {
	pace, err := emitters.ParsePace(c.Rate)
	if err != nil {
		return usagef("--rate: %w", err)
	}
	cfg, err := a.config(c.Config)
	if err != nil {
		return err
	}
	definition, err := cfg.Streams.Resolve(c.Stream)
	if err != nil {
		return usagef("--stream: %w", err)
	}
	cfg.Streams.add(definition)
	s, err := a.openCluster(cfg)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.ensureSources(a.ctx, definition.Name); err != nil {
		return err
	}
	publisher, err := s.publisher(a.ctx)
	if err != nil {
		return err
	}
	defer publisher.Close()
	bar := a.progress("replaying", 0)
	shown := 0
	out, err := emitters.Replay(a.ctx, publisher, emitters.ReplayOptions{
		Stream: definition, Files: c.Files, Pace: pace, KeyField: c.Key, Log: s.log,
		Progress: func(p emitters.Progress) { bar.set(p.Sent, p.Done) },
		Rejected: func(err error) {
			if shown++; shown <= 20 {
				bar.clear()
				fmt.Fprintf(a.stderr, "anomalystream: left out: %s\n", err)
			}
		},
	})
	bar.finish()
	if err != nil {
		return err
	}
	if c.Output == "json" {
		err = json.NewEncoder(a.stdout).Encode(map[string]any{"sent": out.Sent, "rejected": out.Rejected, "seconds": out.Elapsed.Seconds()})
	} else {
		_, err = fmt.Fprintf(a.stdout, "%d events sent to stream %s, %d lines left out, in %s\n", out.Sent, definition.Name, out.Rejected, out.Elapsed.Round(time.Millisecond))
	}
	if err == nil && out.Rejected > 0 {
		err = fmt.Errorf("%d lines could not be sent", out.Rejected)
	}
	return err
}
