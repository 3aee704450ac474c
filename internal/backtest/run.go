package backtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"anomalystream/internal/evaluate"
	"anomalystream/processors"
	"anomalystream/streams"
)

// Setup is one configuration to run.
type Setup struct {
	Label      string // For example the name of its file; distinct.
	Definition *streams.Definition
}

func (s Setup) voters() (names []string) {
	for _, spec := range s.Definition.Detectors {
		names = append(names, spec.Name)
	}
	return names
}

// Options configures Run.
type Options struct {
	Setups    []Setup        // One, or several to compare.
	Sources   []Source       // Each is a stream of its own.
	Workers   int            // Sources at once; the number of processors by default.
	MaxRecord int            // Largest event in bytes; 0 for no limit.
	Scores    string         // Folder for the score files; "" for none. With several setups each has a folder of its label in it.
	Explain   bool           // Contributions and alert score of every scored event, not of anomalies and labelled rows only: about twice the work.
	RankBy    string         // What ranking measures go by: RankByScore (the default), RankBySeverity, RankByAlert (which needs Explain), or a detector's name.
	Labels    string         // Folder with label files; "" for none. A meta.json there or one above says which rows are judged.
	Report    string         // File for the report in HTML; "" for none.
	Progress  func(Progress) // Called now and then, from one goroutine at a time; may be nil.
}

// What ranking measures can go by.
const (
	RankByScore    = "score"
	RankBySeverity = "severity"
	RankByAlert    = "alert_score"
)

// Progress is how far a run is.
type Progress struct {
	Done   float64 // 0..1.
	Events int64
}

// Validate says what is wrong with the options.
func (o Options) Validate() error {
	if len(o.Setups) == 0 || len(o.Sources) == 0 {
		return errors.New("expected a configuration and at least one file")
	}
	for _, s := range o.Setups {
		if !slices.Contains(append(s.voters(), "", RankByScore, RankBySeverity, RankByAlert), o.RankBy) {
			return fmt.Errorf("ranking by %q, expected %s, %s, %s, or a detector of each configuration", o.RankBy, RankByScore, RankBySeverity, RankByAlert)
		}
	}
	labels, names := map[string]bool{}, map[string]bool{}
	for _, s := range o.Setups {
		if labels[s.Label] {
			return fmt.Errorf("two configurations are called %q", s.Label)
		}
		labels[s.Label] = true
	}
	for _, s := range o.Sources {
		if names[s.Name] {
			return fmt.Errorf("two sources are called %q, and their scores would share a file", s.Name)
		}
		names[s.Name] = true
	}
	return nil
}

// Result is the outcome of a run.
type Result struct {
	Runs []RunResult `json:"runs"` // By setup.
}

// RunResult is the outcome of one setup.
type RunResult struct {
	Label    string              `json:"label"`
	Stream   string              `json:"stream"`
	Sources  []SourceResult      `json:"sources"`
	Total    SourceResult        `json:"total"` // Sums; metrics are those of all labelled sources together.
	NAB      *evaluate.NABReport `json:"nab,omitempty"`
	Setup    *streams.Definition `json:"-"`
	counts   []evaluate.Counts
	labelled []*evaluate.Stream
}

// SourceResult is the outcome of one source.
type SourceResult struct {
	Name      string                 `json:"name"`
	Rows      int64                  `json:"rows"`
	Rejected  int64                  `json:"rejected"`
	Rejects   []Rejected             `json:"rejects,omitempty"` // The first ones.
	Entities  int                    `json:"entities"`
	Scored    int64                  `json:"scored"`
	Anomalies int64                  `json:"anomalies"`
	Regimes   int64                  `json:"regime_changes"`
	Requested float64                `json:"requested_rate"`
	Realised  evaluate.Figure        `json:"realised_rate"` // Anomalies over scored events.
	Seconds   float64                `json:"seconds"`
	PerSecond float64                `json:"events_per_second"`
	Metrics   *evaluate.Measurements `json:"metrics,omitempty"` // Where there are labels.
	Incidents *IncidentResult        `json:"incidents"`

	table *table
	view  *view
}

// Run runs every setup over every source. It stops at the first source that cannot be read; rows that are no events are
// counted and told, and do not stop it.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("configuring the backtest: %w", err)
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	r := &runner{options: o, progress: make([]float64, len(o.Setups)*len(o.Sources))}
	labels, err := readLabels(o.Labels, o.Sources)
	if err != nil {
		return nil, fmt.Errorf("backtest: %w", err)
	}
	r.labels = labels
	out := &Result{Runs: make([]RunResult, len(o.Setups))}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(o.Workers)
	for i, setup := range o.Setups {
		out.Runs[i] = RunResult{Label: setup.Label, Stream: setup.Definition.Name, Setup: setup.Definition, Sources: make([]SourceResult, len(o.Sources))}
		for k := range o.Sources {
			group.Go(func() error {
				s, err := r.source(ctx, i, k)
				if err != nil {
					return fmt.Errorf("backtest of %s: %w", o.Sources[k].Name, err)
				}
				out.Runs[i].Sources[k] = *s
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i := range out.Runs {
		r.sum(&out.Runs[i])
	}
	if o.Report != "" {
		if err := writeReport(o.Report, out); err != nil {
			return nil, fmt.Errorf("backtest: %w", err)
		}
	}
	return out, nil
}

type runner struct {
	options  Options
	labels   *labels
	mu       sync.Mutex // Guards what follows.
	progress []float64  // By setup and source.
	events   int64
}

// source runs one setup over one source.
func (r *runner) source(ctx context.Context, setup, source int) (*SourceResult, error) {
	began := time.Now()
	d := *r.options.Setups[setup].Definition
	in, err := r.options.Sources[source].Open(&d)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	engine, err := processors.NewEngine(&d)
	if err != nil {
		return nil, err
	}
	t := &table{notes: map[int]*streams.Anomaly{}, voters: r.options.Setups[setup].voters(), raw: make([][]float64, len(d.Detectors))}
	explain := r.explained(r.options.Sources[source].Name)
	entities, err := r.score(ctx, setup*len(r.options.Sources)+source, &d, in, engine, t, explain)
	if err != nil {
		return nil, err
	}
	out := &SourceResult{
		Name: r.options.Sources[source].Name, Rows: int64(t.rows()), Rejected: int64(t.refused), Rejects: t.rejects,
		Entities: entities, Regimes: t.regimes, Requested: d.Rate, table: t,
	}
	for row, v := range t.score {
		if v == v {
			out.Scored++
		}
		if t.flag[row] {
			out.Anomalies++
		}
	}
	out.finish(time.Since(began).Seconds())
	if out.Incidents, err = measureIncidents(&d, &t.incidents, r.labels.stream(out.Name, t, r.options.RankBy)); err != nil {
		return nil, err
	}
	if dir := r.options.Scores; dir != "" {
		if len(r.options.Setups) > 1 {
			dir = filepath.Join(dir, r.options.Setups[setup].Label)
		}
		if err := t.write(filepath.Join(dir, out.Name+".csv")); err != nil {
			return nil, err
		}
	}
	if r.options.Report != "" {
		out.view = newView(t, d.Rate, d.Threshold, r.labels.segments(out.Name))
	}
	t.values = nil // The rest is kept for the measurement; this is the largest part.
	return out, nil
}

func (s *SourceResult) finish(seconds float64) {
	s.Realised = evaluate.Figure(float64(s.Anomalies) / float64(s.Scored)) // NaN for nothing scored.
	s.Seconds = seconds
	if seconds > 0 {
		s.PerSecond = float64(s.Rows) / seconds
	}
}

// reportEvery is the number of events between two reports of progress.
const reportEvery = 2000

// score runs the events of a source through the detectors of their entities and returns how many there were.
func (r *runner) score(ctx context.Context, slot int, d *streams.Definition, in Input, engine *processors.Engine, t *table, explain func(row int) bool) (int, error) {
	decoder := streams.NewDecoder(d, r.options.MaxRecord)
	detectors := map[string]*detector{}
	for n := 0; ; n++ {
		if n%reportEvery == 0 {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			r.report(slot, in.Progress(), reportEvery)
		}
		rec, err := in.Next()
		if err == io.EOF {
			r.report(slot, 1, n%reportEvery)
			return len(detectors), nil
		}
		var reject *streams.Reject
		var event streams.Event
		if err == nil {
			event, reject = decoder.Decode(rec)
		} else if !errors.As(err, &reject) {
			return 0, err
		}
		row := t.grow()
		if reject == nil {
			own, ok := detectors[event.Entity]
			if !ok {
				own = &detector{engine, engine.NewState(event.Entity)}
				detectors[event.Entity] = own
			}
			var o outcome
			if o, reject = own.step(&event, explain(row)); reject == nil {
				t.record(row, &event, o)
				t.incidents.record(row, o)
			}
		}
		if reject != nil {
			t.refuse(row, reject)
		}
	}
}

// explained tells which rows of a source are explained whether they are anomalies or not: all where that is asked for, else the
// labelled ones, whose contributions the measurement compares with the labels.
func (r *runner) explained(source string) func(row int) bool {
	segments := r.labels.segments(source)
	return func(row int) bool {
		return r.options.Explain || slices.ContainsFunc(segments, func(s evaluate.Segment) bool { return len(s.Metrics) > 0 && s.Start <= row && row <= s.End })
	}
}

func (r *runner) report(slot int, done float64, events int) {
	if r.options.Progress == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress[slot] = done
	r.events += int64(events)
	var sum float64
	for _, p := range r.progress {
		sum += p
	}
	r.options.Progress(Progress{Done: sum / float64(len(r.progress)), Events: r.events})
}

// sum adds up the sources of a run and measures it where there are labels.
func (r *runner) sum(run *RunResult) {
	total := SourceResult{Name: "all", Requested: run.Setup.Rate, Incidents: &IncidentResult{}}
	options := evaluate.Options{Epsilon: run.Setup.Rate, Threshold: run.Setup.Threshold}
	var seconds float64
	for i := range run.Sources {
		s := &run.Sources[i]
		total.Rows += s.Rows
		total.Rejected += s.Rejected
		total.Entities += s.Entities
		total.Scored += s.Scored
		total.Anomalies += s.Anomalies
		total.Regimes += s.Regimes
		total.Incidents.plus(s.Incidents)
		seconds += s.Seconds
		stream := r.labels.stream(s.Name, s.table, r.options.RankBy)
		if stream == nil {
			continue
		}
		counts := evaluate.Measure(stream, options)
		m := evaluate.Summarize([]evaluate.Counts{counts}, run.Setup.Rate)
		s.Metrics = &m
		run.counts = append(run.counts, counts)
		run.labelled = append(run.labelled, stream)
	}
	total.finish(seconds) // Of all workers together: what one processor does.
	if len(run.counts) > 0 {
		m := evaluate.Summarize(run.counts, run.Setup.Rate)
		total.Metrics = &m
	}
	if slices.ContainsFunc(run.labelled, func(s *evaluate.Stream) bool { return s.Probation > 0 }) {
		nab := evaluate.MeasureNAB(run.labelled, evaluate.EpisodeSpan, run.Setup.Threshold)
		run.NAB = &nab
	}
	run.Total = total
}
