package main

import "fmt"

// runCmd runs roles against real servers.
type runCmd struct {
	Config string   `required:"" type:"path" placeholder:"FILE" help:"Configuration file."`
	Roles  []string `placeholder:"ROLE" help:"Roles of this process, separated by commas: detect (scores events), incidents (turns anomalies into incidents and tells people), sink (fills the store), api (REST, WebSocket, page). Default: all."`

	ResetState []string `name:"reset-state" sep:"none" placeholder:"STREAM[/ENTITY]" help:"Before starting, delete the saved state of a stream's detectors, or of one entity's; repeatable. No other process may be detecting on the stream."`
}

// Run runs the roles until the process is asked to stop.
func (c *runCmd) Run(a *app) error {
	roles, err := parseRoles(c.Roles)
	if err != nil {
		return err
	}
	cfg, err := a.config(c.Config)
	if err != nil {
		return err
	}
	resets, err := parseResets(cfg, c.ResetState)
	if err != nil {
		return err
	}
	s, err := a.openSite(cfg)
	if err != nil {
		return err
	}
	defer s.close()
	sys, err := newSystem(a.ctx, s, roles)
	if a.ctx.Err() != nil {
		return nil // Asked to stop while a server was away.
	}
	if err != nil {
		return err
	}
	if err := s.resetState(a.ctx, resets); err != nil {
		return err
	}
	go func() {
		select {
		case server := <-sys.serving:
			fmt.Fprintf(a.stderr, "anomalystream: serving on %s\n", server.URL())
		case <-a.ctx.Done():
		}
	}()
	s.log.Info("running", "roles", roles, "brokers", s.kafka.Brokers, "streams", cfg.Streams.Names())
	err = sys.run(a.ctx)
	s.log.Info("stopped")
	return err
}
