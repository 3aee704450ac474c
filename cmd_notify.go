package main

import (
	"fmt"
	"strings"
	"time"

	"anomalystream/sink/notify"
	"anomalystream/streams"
)

// notifyCmd holds the commands about notifications.
type notifyCmd struct {
	Test notifyTestCmd `cmd:"" help:"Send a sample opening and its recovery through a route now, and say what came of it."`
}

// notifyTestCmd tries a route.
type notifyTestCmd struct {
	Config string `required:"" type:"path" placeholder:"FILE" help:"Configuration file."`
	Route  string `arg:"" help:"Name of the route."`
}

// Run sends the samples past Kafka, with the route's address, templates and timeout; waits and limits do not apply.
func (c *notifyTestCmd) Run(a *app) error {
	cfg, err := a.config(c.Config)
	if err != nil {
		return err
	}
	route := cfg.Notify.Routes.ByName[c.Route]
	if route == nil {
		if len(cfg.Notify.Routes.Order) == 0 {
			return usagef("there is no route %q: the configuration has no routes", c.Route)
		}
		return usagef("there is no route %q; there are: %s", c.Route, strings.Join(cfg.Notify.Routes.Order, ", "))
	}
	target, err := cfg.Notify.target(route)
	if err != nil {
		return err
	}
	for _, n := range notify.Samples(c.Route, time.Now()) {
		if n.Incident.Kind != streams.KindModel {
			continue
		}
		started := time.Now()
		if err := target.Send(a.ctx, &n); err != nil {
			return fmt.Errorf("sending the sample %q by route %s (%s): %w", n.Event, c.Route, route.Kind, err)
		}
		if _, err := fmt.Fprintf(a.stdout, "%s: taken after %s, key %s\n", n.Event, time.Since(started).Round(time.Millisecond), n.Key); err != nil {
			return err
		}
	}
	return nil
}
