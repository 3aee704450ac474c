package backtest

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"os"
	"strconv"
	"strings"

	"anomalystream/internal/evaluate"
	"anomalystream/streams"
)

//go:embed report.html.tmpl
var reportTemplate string

// reportPage is what the template shows.
type reportPage struct {
	Stream   string
	Runs     []RunResult
	Compared bool // There are several.
	Summary  reportTable
	Metrics  reportTable // Without rows where nothing is labelled.
	Sources  []reportSource
	Rejects  bool
	Width    float64
	Height   float64
	Left     float64
	Right    float64
}

// reportTable is a table of text.
type reportTable struct {
	Head []string
	Rows [][]string
}

// reportSource is a source, with what each setup made of it.
type reportSource struct {
	Name    string
	Runs    []reportRun
	Rejects []Rejected
}

type reportRun struct {
	Label  string
	Result SourceResult
	View   *view
}

// writeReport writes the report as one HTML file that needs nothing else.
func writeReport(path string, r *Result) (err error) {
	page := reportPage{Stream: r.Runs[0].Stream, Runs: r.Runs, Compared: len(r.Runs) > 1, Width: plotLeft + plotWidth + 16, Height: plotHeight, Left: plotLeft, Right: plotLeft + plotWidth}
	page.Summary, page.Metrics = summaryTable(r), metricsTable(r)
	for k, first := range r.Runs[0].Sources {
		s := reportSource{Name: first.Name, Rejects: first.Rejects}
		page.Rejects = page.Rejects || len(s.Rejects) > 0
		for _, run := range r.Runs {
			s.Runs = append(s.Runs, reportRun{run.Label, run.Sources[k], run.Sources[k].view})
		}
		page.Sources = append(page.Sources, s)
	}
	t, err := template.New("report").Funcs(template.FuncMap{"voters": func(d *streams.Definition) string { return strings.Join(Setup{Definition: d}.voters(), ", ") }, "features": featureList}).Parse(reportTemplate)
	if err != nil {
		return fmt.Errorf("reading the template of the report: %w", err)
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	w := bufio.NewWriter(f)
	if err := errors.Join(t.Execute(w, page), w.Flush(), f.Close()); err != nil {
		return fmt.Errorf("writing the report %s: %w", path, err)
	}
	return nil
}

// summaryTable has a row per source and setup, and one per setup for all.
func summaryTable(r *Result) reportTable {
	t := reportTable{Head: []string{"source", "rows", "refused", "entities", "scored", "anomalies", "new regimes", "realised rate", "requested", "events/s", "incidents", "notifications"}}
	for _, run := range r.Runs {
		list := run.Sources
		if len(list) > 1 {
			list = append(append([]SourceResult{}, list...), run.Total)
		}
		for _, s := range list {
			name := s.Name
			if len(r.Runs) > 1 {
				name = run.Label + ": " + name
			}
			t.Rows = append(t.Rows, []string{name, whole(s.Rows), whole(s.Rejected), whole(int64(s.Entities)), whole(s.Scored), whole(s.Anomalies), whole(s.Regimes),
				percent(s.Realised), percent(evaluate.Figure(s.Requested)), whole(int64(s.PerSecond)),
				whole(s.Incidents.Incidents), whole(s.Incidents.Notifications)})
		}
	}
	return t
}

// metricsTable has a row per labelled source and setup, and one per setup for all.
func metricsTable(r *Result) reportTable {
	t := reportTable{Head: []string{"source", "ROC", "AP", "VUS\u2011PR", "FAR", "FAR / requested", "false episodes / 1000", "events", "found", "delay", "precision", "event F1", "row F1", "hits\u00a0150\u00a0%", "false incidents", "a day", "found by incidents"}}
	for _, run := range r.Runs {
		list := run.Sources
		if len(list) > 1 {
			list = append(append([]SourceResult{}, list...), run.Total)
		}
		for _, s := range list {
			m := s.Metrics
			if m == nil {
				continue
			}
			name := s.Name
			if len(r.Runs) > 1 {
				name = run.Label + ": " + name
			}
			t.Rows = append(t.Rows, []string{name, m.ROC.Format(3), m.AP.Format(3), m.VUS.Format(3), percent(m.FAR), m.FAREpsilon.Format(2), m.PerK.Format(2),
				strconv.Itoa(m.Events), percent(m.Recall), m.Delay.Format(0), percent(m.Precision), m.F1.Format(3), m.RowF1.Format(3), percent(m.HR150), whole(s.Incidents.False), s.Incidents.FalsePerDay.Format(2), percent(s.Incidents.Recall)})
		}
	}
	return t
}

func percent(f evaluate.Figure) string {
	if !f.Known() {
		return "-"
	}
	return (100 * f).Format(2) + " %"
}

// whole writes an integer with thin spaces between thousands.
func whole(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u2009" + s[i:]
	}
	return s
}

func featureList(d *streams.Definition) string {
	var names []string
	for _, f := range d.Features {
		name := f.Name
		if d.Wildcard() {
			name = "every numeric field"
		}
		if len(f.Transforms) > 0 {
			name += " (" + strings.Join(f.Transforms, ", ") + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, "; ")
}
