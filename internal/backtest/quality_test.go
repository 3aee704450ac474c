//go:build fixtures

package backtest

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"anomalystream/internal/evaluate"
	"anomalystream/streams"
)

// TestQuality runs the labelled streams through the production path and holds them to the gates of their protocol. It prints
// the rows of docs/detection-quality.md.
//
// EVAL_DIR names the folder with data/. SEEDS lists the seeds, 0 by default; gates hold for the means, and where one seed says
// little beside a gate there are always five. QUALITY=full takes five seeds everywhere and configurations without a gate
// too. Others than the default can be compared: VOTERS, VOTE, COMBINE and TRANSFORMS replace what a stream is configured as,
// and with ALERT (depth or forest) the Numenta score is ranked by that alert score too.
func TestQuality(t *testing.T) {
	root := os.Getenv("EVAL_DIR")
	if root == "" {
		t.Fatal("EVAL_DIR is not set")
	}
	list, five := domains(), strings.Fields("0 1 2 3 4")
	seeds := strings.Fields(cmp.Or(os.Getenv("SEEDS"), "0"))
	if os.Getenv("QUALITY") == "full" {
		list, seeds = append(list, ungated()...), five
	}
	for _, d := range list {
		t.Run(d.name(), func(t *testing.T) {
			own := seeds
			if d.noisy && len(own) < len(five) {
				own = five
			}
			dir := filepath.Join(root, "data", d.set)
			var f findings
			for _, text := range own {
				seed, err := strconv.ParseUint(text, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				o := d.options(t, dir, seed)
				r, err := Run(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				run := &r.Runs[0]
				d.hold(t, run, seed)
				f.add(t, run, o)
			}
			f.print(t, d)
			d.judge(t, &f)
		})
	}
}

// options are those of a run over all files of the domain.
func (d domain) options(t *testing.T, dir string, seed uint64) Options {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, cmp.Or(d.files, "*")+".csv.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no file %q in %s: %v", d.files, dir, err)
	}
	def := streams.DefaultDefinition(d.set)
	def.Rate, def.Seed = d.rate, seed
	def.Vote, def.Combine = cmp.Or(os.Getenv("VOTE"), def.Vote), cmp.Or(os.Getenv("COMBINE"), def.Combine)
	def.Alert = cmp.Or(os.Getenv("ALERT"), def.Alert)
	if names := strings.Fields(os.Getenv("VOTERS")); len(names) > 0 {
		def.Detectors = nil
		for _, name := range names {
			def.Detectors = append(def.Detectors, streams.DetectorSpec{Name: name, Weight: 1})
		}
	}
	transforms := d.transforms
	if names := strings.Fields(os.Getenv("TRANSFORMS")); len(names) > 0 {
		transforms = names
	}
	for _, f := range d.features {
		def.Features = append(def.Features, streams.Feature{Name: f, Path: f, Missing: streams.MissingHold, Transforms: transforms})
	}
	if len(d.features) == 0 {
		def.Features = []streams.Feature{{Name: "*", Path: "*", Missing: streams.MissingHold, Transforms: transforms}}
	}
	o := Options{Setups: []Setup{{Definition: &def}}, Labels: filepath.Join(dir, "labels"), Explain: os.Getenv("ALERT") != ""}
	for _, f := range files {
		o.Sources = append(o.Sources, FileSource(f))
	}
	return o
}

// changed reports whether the environment asks for another than the default configuration.
func changed() bool {
	return slices.ContainsFunc([]string{"VOTERS", "VOTE", "COMBINE", "TRANSFORMS"}, func(name string) bool { return os.Getenv(name) != "" })
}

// hold checks what must hold of every run.
func (d domain) hold(t *testing.T, run *RunResult, seed uint64) {
	t.Helper()
	var problems []string
	if run.Total.Rejected > 0 {
		problems = append(problems, fmt.Sprintf("%d rows were refused", run.Total.Rejected))
	}
	if run.Total.Metrics.Bad > 0 {
		problems = append(problems, fmt.Sprintf("%d rows with a score outside [0, 1] or a flag that does not fit", run.Total.Metrics.Bad))
	}
	if d.regimes {
		problems = append(problems, fewRegimes(run)...)
	}
	if d.each != nil {
		problems = append(problems, d.each(run)...)
	}
	for _, problem := range problems {
		t.Errorf("seed %d: %s", seed, problem)
	}
}

// findings are what the seeds of a domain came to.
type findings struct {
	figures []evaluate.Measurements
	best    []evaluate.Figure               // Numenta, episodes, best cut; by seed.
	fixed   []evaluate.Figure               // The same at the threshold.
	alert   []evaluate.Figure               // The same at the best cut of the alert score.
	ranks   []string                        // What the streams were ranked by,
	ranked  map[string][2][]evaluate.Figure // with the ROC and AP of each seed.
	shifts  []evaluate.Shift
	regimes []evaluate.Figure // Changes in 10 000 rows.
	speed   []evaluate.Figure
}

func (f *findings) add(t *testing.T, run *RunResult, o Options) {
	t.Helper()
	total := run.Total
	f.figures = append(f.figures, *total.Metrics)
	f.regimes = append(f.regimes, evaluate.Figure(1e4*float64(total.Regimes)/float64(total.Rows)))
	f.speed = append(f.speed, evaluate.Figure(total.PerSecond))
	labels, err := readLabels(o.Labels, o.Sources)
	if err != nil {
		t.Fatal(err)
	}
	if run.NAB != nil {
		f.best, f.fixed = append(f.best, run.NAB.EpisodesBest["standard"].Score), append(f.fixed, run.NAB.EpisodesFixed["standard"].Score)
		if o.Explain {
			var list []*evaluate.Stream
			for _, s := range run.Sources {
				list = append(list, labels.stream(s.Name, s.table, RankByAlert))
			}
			f.alert = append(f.alert, evaluate.MeasureNAB(list, evaluate.EpisodeSpan, run.Setup.Threshold).EpisodesBest["standard"].Score)
		}
	}
	if f.ranked == nil {
		f.ranked = map[string][2][]evaluate.Figure{}
		f.ranks = append(o.Setups[0].voters(), RankBySeverity)
		if o.Explain {
			f.ranks = append(f.ranks, RankByAlert)
		}
	}
	for _, rank := range f.ranks {
		var each []evaluate.Measurements
		for _, s := range run.Sources {
			if stream := labels.stream(s.Name, s.table, rank); stream != nil {
				roc, ap := evaluate.Ranking(stream)
				each = append(each, evaluate.Measurements{ROC: roc, AP: ap})
			}
		}
		mean, _ := evaluate.Spread(each)
		f.ranked[rank] = [2][]evaluate.Figure{append(f.ranked[rank][0], mean.ROC), append(f.ranked[rank][1], mean.AP)}
	}
	for _, s := range run.labelled {
		if s.ShiftAt > 0 {
			f.shifts = append(f.shifts, evaluate.MeasureShift(s))
		}
	}
}

// mean is that of the known figures.
func mean(list []evaluate.Figure) evaluate.Figure {
	m, _ := evaluate.SpreadOf(list)
	return m
}

// cell writes a mean and its standard deviation.
func cell(list []evaluate.Figure, places int) string {
	m, sd := evaluate.SpreadOf(list)
	if !sd.Known() {
		return m.Format(places)
	}
	return m.Format(places) + " ± " + sd.Format(places)
}

// print writes the rows of the domain for the document.
func (f *findings) print(t *testing.T, d domain) {
	t.Helper()
	column := func(get func(evaluate.Measurements) evaluate.Figure, places int) string {
		var list []evaluate.Figure
		for _, m := range f.figures {
			list = append(list, get(m))
		}
		return cell(list, places)
	}
	row := []string{d.name(),
		column(func(m evaluate.Measurements) evaluate.Figure { return m.ROC }, 3),
		column(func(m evaluate.Measurements) evaluate.Figure { return m.AP }, 3),
		column(func(m evaluate.Measurements) evaluate.Figure { return m.VUS }, 3),
		column(func(m evaluate.Measurements) evaluate.Figure { return m.Recall }, 2),
		column(func(m evaluate.Measurements) evaluate.Figure { return 100 * m.FAR }, 2),
		column(func(m evaluate.Measurements) evaluate.Figure { return m.FAREpsilon }, 2),
		column(func(m evaluate.Measurements) evaluate.Figure { return m.PerK }, 1),
		column(func(m evaluate.Measurements) evaluate.Figure { return m.Delay }, 0),
		column(func(m evaluate.Measurements) evaluate.Figure { return m.F1 }, 3),
		column(func(m evaluate.Measurements) evaluate.Figure { return m.RowF1 }, 3),
		column(func(m evaluate.Measurements) evaluate.Figure { return m.Precision }, 3),
		column(func(m evaluate.Measurements) evaluate.Figure { return m.Top1 }, 2),
		column(func(m evaluate.Measurements) evaluate.Figure { return m.HR150 }, 3),
		cell(f.regimes, 1)}
	t.Logf("%d seeds, %s events/s a core", len(f.figures), mean(f.speed).Format(0))
	t.Log("| set | ROC | AP | VUS-PR | recall | FAR % | FAR/rate | episodes/1000 | delay | event F1 | row F1 | precision | top 1 | hits 150 % | regimes/10 000 |")
	t.Log("| " + strings.Join(row, " | ") + " |")
	for _, rank := range f.ranks {
		if by := f.ranked[rank]; mean(by[0]).Known() {
			t.Logf("ranked by %s: ROC %s, AP %s", rank, cell(by[0], 3), cell(by[1], 3))
		}
	}
	if len(f.best) > 0 {
		t.Logf("Numenta, standard, episodes: %s at the best cut, %s at the threshold; by alert score %s", cell(f.best, 1), cell(f.fixed, 1), cell(f.alert, 1))
	}
	if len(f.shifts) > 0 {
		var alarms, far, recall []evaluate.Figure
		for _, s := range f.shifts {
			alarms, far, recall = append(alarms, evaluate.Figure(s.AlarmsInFirst500)), append(far, 100*s.LaterFAR), append(recall, s.LaterRecall)
		}
		span := func(list []evaluate.Figure, places int) string {
			return slices.Min(list).Format(places) + " to " + slices.Max(list).Format(places)
		}
		t.Logf("after %d shifts: %s alarms in 500 rows, then FAR %s %%, recall %s", len(f.shifts), span(alarms, 0), span(far, 2), span(recall, 2))
	}
}

// judge holds the means to the gate, and the single detectors to the reference.
func (d domain) judge(t *testing.T, f *findings) {
	t.Helper()
	m, _ := evaluate.Spread(f.figures)
	var problems []string
	if d.check != nil {
		problems = d.check(outcomes{m, mean(f.best), mean(f.fixed)})
	}
	for name, want := range d.parity {
		if changed() { // Other alarms change the regime at other rows, and with it the training rows of every detector.
			break
		}
		for i, what := range []string{"ROC", "AP"} {
			if got := mean(f.ranked[name][i]); got < want[i]-d.tolerance[i] || got > want[i]+d.tolerance[i] {
				problems = append(problems, fmt.Sprintf("%s alone: %s %s, the reference reaches %s", name, what, got.Format(3), want[i].Format(3)))
			}
		}
	}
	for _, problem := range problems {
		t.Error(problem)
	}
}
