package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"anomalystream/streams"
)

// validateCmd checks a configuration.
type validateCmd struct {
	Config string `required:"" type:"path" placeholder:"FILE" help:"Configuration file."`
	Output string `enum:"text,json" default:"text" help:"Output on standard output: text or json."`
}

// Run prints what the configuration means, or fails with everything that is wrong.
func (c *validateCmd) Run(a *app) error {
	cfg, err := a.config(c.Config)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return json.NewEncoder(a.stdout).Encode(map[string]any{"valid": true, "streams": cfg.Streams.Names(), "routes": cfg.Notify.Routes.Names()})
	}
	fmt.Fprintf(a.stdout, "%s is valid.\n", c.Config)
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "stream\ttopic\tkey\tfeatures\tdetectors\tvote\trate")
	for _, d := range cfg.Streams.Definitions() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%g\n", d.Name, cfg.Kafka.TopicPrefix+d.Topic, d.Key,
			some(featureNames(d)), strings.Join(detectorNames(d), ", "), d.Vote, d.Rate)
	}
	if len(cfg.Notify.Routes.Order) > 0 {
		fmt.Fprintln(w, "\nroute\tkind\taddress from\ton\tlimit")
	}
	for _, r := range cfg.Notify.Routes.All() {
		limit := "none"
		if r.Limit.Messages > 0 {
			limit = fmt.Sprintf("%d in %s", r.Limit.Messages, short(r.Limit.Per))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Name, r.Kind, r.source(), strings.Join(r.On, ", "), limit)
	}
	return w.Flush()
}

// some names the first few.
func some(names []string) string {
	const most = 8
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

func featureNames(d *streams.Definition) []string {
	names := make([]string, len(d.Features))
	for i, f := range d.Features {
		names[i] = f.Name
	}
	return names
}

func detectorNames(d *streams.Definition) []string {
	names := make([]string, len(d.Detectors))
	for i, s := range d.Detectors {
		names[i] = s.Name
	}
	return names
}
