package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"anomalystream/emitters"
	"anomalystream/internal/backtest"
	"anomalystream/internal/evaluate"
	"anomalystream/streams"
)

// backtestCmd scores recorded events with the production code.
type backtestCmd struct {
	Config  string   `required:"" type:"path" placeholder:"FILE" help:"Configuration file."`
	Compare string   `type:"existingfile" placeholder:"FILE" help:"A second configuration to run beside the first."`
	Stream  string   `required:"" placeholder:"NAME" help:"Stream of the configuration whose settings are used; others are made from the template \"*\"."`
	Topic   bool     `help:"Read the stream's topic instead of files."`
	From    string   `placeholder:"TIME" help:"With --topic: only records from this time on (RFC 3339)."`
	To      string   `placeholder:"TIME" help:"With --topic: only records before this time (RFC 3339)."`
	Scores  string   `type:"path" placeholder:"DIR" help:"Write a score file per source: DIR/NAME.csv."`
	Explain bool     `help:"Contributions of every event in the score files, not of anomalies only."`
	RankBy  string   `enum:"score,severity,alert_score" default:"score" help:"What ranking metrics go by: score, severity or alert_score."`
	Labels  string   `type:"path" placeholder:"DIR" help:"Folder with label files (start,end[,metrics,note] by row) named as the sources: prints metrics."`
	Report  string   `type:"path" placeholder:"FILE.html" help:"Write a self-contained report with plots."`
	Rate    float64  `placeholder:"RATE" help:"Requested false-alarm rate, instead of the configuration's."`
	Seed    *uint64  `placeholder:"N" help:"Seed, instead of the configuration's."`
	Workers int      `placeholder:"N" help:"Sources at once. Default: the number of processors."`
	Output  string   `enum:"text,json" default:"text" help:"Output on standard output: text or json."`
	Files   []string `arg:"" optional:"" name:"file" type:"existingfile" help:"CSV (first column the time, header names the fields) or JSON Lines; .gz is unpacked. Each is a source of its own."`
}

// Run runs the backtest and prints what came of it.
func (c *backtestCmd) Run(a *app) error {
	if (len(c.Files) > 0) == c.Topic {
		return usagef("expected either files or --topic")
	}
	cfg, err := a.config(c.Config)
	if err != nil {
		return err
	}
	options := backtest.Options{
		Workers: c.Workers, MaxRecord: cfg.Kafka.MaxRecord, Scores: c.Scores, Explain: c.Explain || c.RankBy == backtest.RankByAlert,
		RankBy: c.RankBy, Labels: c.Labels, Report: c.Report,
	}
	for i, path := range []string{c.Config, c.Compare} {
		if path == "" {
			continue
		}
		d, err := c.definition(a, path)
		if err != nil {
			return err
		}
		label := emitters.Stem(path)
		if i == 1 && label == emitters.Stem(c.Config) {
			label += "-2"
		}
		options.Setups = append(options.Setups, backtest.Setup{Label: label, Definition: d})
	}
	for _, f := range c.Files {
		options.Sources = append(options.Sources, backtest.FileSource(f))
	}
	if c.Topic {
		source, closing, err := c.topic(a, cfg, options.Setups[0].Definition)
		if err != nil {
			return err
		}
		defer closing()
		options.Sources = append(options.Sources, source)
	}
	bar := a.progress("scoring", 0)
	options.Progress = func(p backtest.Progress) { bar.set(p.Events, p.Done) }
	result, err := backtest.Run(a.ctx, options)
	bar.finish()
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return json.NewEncoder(a.stdout).Encode(result)
	}
	for i := range result.Runs {
		c.print(a, &result.Runs[i])
	}
	if c.Report != "" {
		fmt.Fprintf(a.stdout, "report: %s\n", c.Report)
	}
	return nil
}

// definition returns the stream's settings of one configuration file.
func (c *backtestCmd) definition(a *app, path string) (*streams.Definition, error) {
	cfg, err := a.config(path)
	if err != nil {
		return nil, err
	}
	d, err := cfg.Streams.Resolve(c.Stream)
	if err != nil {
		return nil, usagef("--stream: %w", err)
	}
	if c.Rate != 0 {
		if !(c.Rate > 0 && c.Rate < 0.5) {
			return nil, usagef("--rate: found %v, expected a share above 0 and below 0.5", c.Rate)
		}
		d.Rate = c.Rate
	}
	if c.Seed != nil {
		d.Seed = *c.Seed
	}
	return d, nil
}

// topic returns the stream's topic as a source.
func (c *backtestCmd) topic(a *app, cfg *Config, d *streams.Definition) (backtest.Source, func(), error) {
	var times [2]time.Time
	for i, text := range []string{c.From, c.To} {
		if text == "" {
			continue
		}
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return backtest.Source{}, nil, usagef("reading a time: found %q, expected for example 2026-01-02T15:04:05Z", text)
		}
		times[i] = t
	}
	s, err := a.openCluster(cfg)
	if err != nil {
		return backtest.Source{}, nil, err
	}
	if err := s.awaitTopic(a.ctx, s.topics.Source(d)); err != nil {
		s.close()
		return backtest.Source{}, nil, err
	}
	return backtest.TopicSource(a.ctx, d.Name, emitters.TopicOptions{
		Brokers: s.kafka.Brokers, Sarama: s.client(), Topic: s.topics.Source(d), From: times[0], To: times[1],
	}), s.close, nil
}

// print writes the tables of one run.
func (c *backtestCmd) print(a *app, r *backtest.RunResult) {
	fmt.Fprintf(a.stdout, "%s: stream %s, detectors %s, requested rate %g\n", r.Label, r.Stream, strings.Join(detectorNames(r.Setup), ", "), r.Setup.Rate)
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "source\trows\trejected\tscored\tanomalies\trealised\tevents/s\tROC\tAP\tevents found\tfalse alarms\tepisodes/1000\tdelay\tincidents\tnotifications\tfalse/day\tfound by incidents")
	for i := range r.Sources {
		printSource(w, &r.Sources[i])
	}
	if len(r.Sources) > 1 {
		printSource(w, &r.Total)
	}
	_ = w.Flush()
	for i := range r.Sources {
		printRejects(a.stdout, &r.Sources[i])
	}
	if r.NAB != nil {
		fmt.Fprintf(a.stdout, "NAB: %+v\n", *r.NAB)
	}
	if c.Scores != "" {
		fmt.Fprintf(a.stdout, "scores: %s\n", filepath.Join(c.Scores, "*.csv"))
	}
	fmt.Fprintln(a.stdout)
}

func printSource(w *tabwriter.Writer, s *backtest.SourceResult) {
	fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\t%.0f", s.Name, s.Rows, s.Rejected, s.Scored, s.Anomalies, figure(s.Realised, 4), s.PerSecond)
	if m := s.Metrics; m != nil {
		fmt.Fprintf(w, "\t%s\t%s\t%s\t%s\t%s\t%s", figure(m.ROC, 3), figure(m.AP, 3), figure(m.Recall, 2), figure(m.FAR, 4), figure(m.PerK, 1), figure(m.Delay, 0))
	} else {
		fmt.Fprint(w, "\t-\t-\t-\t-\t-\t-")
	}
	i := s.Incidents
	fmt.Fprintf(w, "\t%d\t%d\t%s\t%s\n", i.Incidents, i.Notifications, figure(i.FalsePerDay, 2), figure(i.Recall, 2))
}

// printRejects says why rows of a source are no events of the stream.
func printRejects(w io.Writer, s *backtest.SourceResult) {
	const most = 3
	for _, r := range s.Rejects[:min(len(s.Rejects), most)] {
		fmt.Fprintf(w, "%s: row %d was rejected: %s\n", s.Name, r.Row, r.Reason)
	}
	if more := s.Rejected - most; more > 0 {
		fmt.Fprintf(w, "%s: %d more rows were rejected\n", s.Name, more)
	}
}

// figure shows a figure that may be unknown.
func figure(f evaluate.Figure, digits int) string {
	text := fmt.Sprintf("%.*f", digits, float64(f))
	if text == "NaN" {
		return "-"
	}
	return text
}
