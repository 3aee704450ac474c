//go:build fixtures

package backtest

import (
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

// domain is the configuration of one set of labelled streams, and what it must reach.
type domain struct {
	set        string
	files      string // Pattern of names; "" for all.
	transforms []string
	features   []string // Empty for every numeric column.
	rate       float64
	check      func(m evaluate.Measurements, nab nabScores) []string // What the means over the seeds do not reach.
	each       func(run *RunResult) []string                         // What a run does not reach; nil for nothing.
}

// nabScores are the standard scores on alarm episodes, at the best cut and at the threshold: means over the seeds.
type nabScores struct{ best, fixed evaluate.Figure }

func below(what string, got evaluate.Figure, want float64) []string {
	if float64(got) >= want {
		return nil
	}
	return []string{fmt.Sprintf("%s %s, want at least %g", what, got.Format(3), want)}
}

func above(what string, got evaluate.Figure, want float64) []string {
	if float64(got) <= want {
		return nil
	}
	return []string{fmt.Sprintf("%s %s, want at most %g", what, got.Format(4), want)}
}

// domains are the gates of the protocol that comes with the data: one configuration per domain, none per file.
func domains() []domain {
	value, ewma, series := []string{"value"}, []string{"value", "ewma_residual"}, []string{"value", "diff", "median_residual"}
	all := func(lists ...[]string) []string { return slices.Concat(lists...) }
	return []domain{
		{"nab", "", series, nil, 0.002, func(m evaluate.Measurements, n nabScores) []string {
			return all(below("best cut", n.best, 33), below("at 0.6", n.fixed, 28), above("FAR/epsilon", m.FAREpsilon, 2))
		}, nil},
		{"asd", "", ewma, nil, 0.01, func(m evaluate.Measurements, _ nabScores) []string {
			return all(below("AP", m.AP, 0.24), below("recall", m.Recall, 0.50), above("FAR", m.FAR, 0.01), below("hit rate", m.HR150, 0.845))
		}, nil},
		{"smd", "", value, nil, 0.01, func(m evaluate.Measurements, _ nabScores) []string {
			return all(below("AP", m.AP, 0.16), below("recall", m.Recall, 0.75), above("episodes", m.PerK, 4.2), above("FAR/epsilon", m.FAREpsilon, 2), below("hit rate", m.HR150, 0.768))
		}, nil},
		{"cloud", "", series, nil, 0.01, func(m evaluate.Measurements, _ nabScores) []string {
			return all(below("AP", m.AP, 0.55), below("recall", m.Recall, 0.65), above("episodes", m.PerK, 3.9), above("FAR/epsilon", m.FAREpsilon, 2))
		}, nil},
		{"fraud", "", value, []string{"amount", "hour_of_day", "tx_frequency", "amount_to_mean", "minutes_since_last", "terminal_frequency"}, 0.01, func(m evaluate.Measurements, _ nabScores) []string {
			return all(below("AP", m.AP, 0.09), above("FAR/epsilon", m.FAREpsilon, 2))
		}, nil},
		{"smtp", "smtp-40k", value, nil, 0.01, func(m evaluate.Measurements, _ nabScores) []string {
			return all(below("ROC", m.ROC, 0.985), below("recall", m.Recall, 0.65), above("FAR/epsilon", m.FAREpsilon, 2))
		}, nil},
		{"shuttle", "", value, nil, 0.01, func(m evaluate.Measurements, _ nabScores) []string {
			return all(below("ROC", m.ROC, 0.98), above("FAR/epsilon", m.FAREpsilon, 2))
		}, nil},
		{"shuttle", "", value, nil, 0.1, func(m evaluate.Measurements, _ nabScores) []string { return below("row F1", m.RowF1, 0.78) }, nil},
		{"skab", "", value, nil, 0.01, func(m evaluate.Measurements, _ nabScores) []string {
			return all(below("recall", m.Recall, 0.90), above("FAR", m.FAR, 0.07))
		}, nil},
		{"batadal", "", value, nil, 0.01, func(m evaluate.Measurements, _ nabScores) []string {
			return all(below("recall", m.Recall, 0.55), above("FAR", m.FAR, 0.01))
		}, nil},
		{"tep", "", value, nil, 0.01, none, foundSoon},
		{"synthetic", "gauss5*", value, nil, 0.002, kept(0.7, 1.4), nil}, {"synthetic", "gauss5*", value, nil, 0.01, kept(0.7, 1.4), nil}, {"synthetic", "gauss5*", value, nil, 0.05, kept(0.7, 1.4), nil},
		{"synthetic", "lognorm3*", value, nil, 0.002, kept(0.7, 1.4), nil}, {"synthetic", "lognorm3*", value, nil, 0.01, kept(0.7, 1.4), nil}, {"synthetic", "lognorm3*", value, nil, 0.05, kept(0.7, 1.4), nil},
		{"synthetic", "ar5*", value, nil, 0.002, kept(0.5, 2), nil}, {"synthetic", "ar5*", value, nil, 0.01, kept(0.5, 2), nil}, {"synthetic", "ar5*", value, nil, 0.05, kept(0.5, 2), nil},
		{"regime", "", value, nil, 0.01, none, afterShift},
	}
}

func none(evaluate.Measurements, nabScores) []string { return nil }

func kept(low, high float64) func(evaluate.Measurements, nabScores) []string {
	return func(m evaluate.Measurements, _ nabScores) []string {
		return append(below("FAR/epsilon", m.FAREpsilon, low), above("FAR/epsilon", m.FAREpsilon, high)...)
	}
}

// foundSoon wants the faults 1, 2, 4 to 8 and 10 of the Tennessee Eastman process within 50 rows.
func foundSoon(r *RunResult) (problems []string) {
	for i := range r.Sources {
		s := &r.Sources[i]
		number, err := strconv.Atoi(strings.TrimLeft(s.Name[strings.LastIndexAny(s.Name, "abcdefghijklmnopqrstuvwxyz_-")+1:], "0"))
		if err != nil || number == 3 || number == 9 || s.Metrics == nil || s.Metrics.Events == 0 {
			continue
		}
		if m := s.Metrics; m.Recall < 1 || m.Delay > 50 {
			problems = append(problems, fmt.Sprintf("%s: found %s, delay %s", s.Name, m.Recall.Format(2), m.Delay.Format(0)))
		}
	}
	return problems
}

func afterShift(r *RunResult) (problems []string) {
	for _, s := range r.labelled {
		shift := evaluate.MeasureShift(s)
		problems = append(problems, above(s.Name+": alarms after the shift", evaluate.Figure(shift.AlarmsInFirst500), 150)...)
		problems = append(problems, above(s.Name+": later FAR", shift.LaterFAR, 0.02)...)
		problems = append(problems, below(s.Name+": later recall", shift.LaterRecall, 0.75)...)
	}
	return problems
}

// TestQuality runs the labelled streams through the production path and holds them to the gates of their protocol.
// EVAL_DIR names the folder with data/. SEEDS lists the seeds, "0 1 2 3 4" by default; gates hold for the means.
// VOTERS lists other detectors than the default three, RANK_BY what ranking goes by, to compare with.
func TestQuality(t *testing.T) {
	root := os.Getenv("EVAL_DIR")
	if root == "" {
		t.Fatal("EVAL_DIR is not set")
	}
	seeds := strings.Fields(os.Getenv("SEEDS"))
	if len(seeds) == 0 {
		seeds = strings.Fields("0 1 2 3 4")
	}
	for _, d := range domains() {
		name := strings.TrimSuffix(fmt.Sprintf("%s %s", d.set, d.files), " ")
		t.Run(fmt.Sprintf("%s at %g %%", name, 100*d.rate), func(t *testing.T) {
			var figures []evaluate.Measurements
			var best, fixed []evaluate.Measurements // Holds one figure each, to spread it like the others.
			for _, text := range seeds {
				seed, err := strconv.ParseUint(text, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				run := d.run(t, filepath.Join(root, "data", d.set), seed)
				figures = append(figures, *run.Total.Metrics)
				if run.NAB != nil {
					best = append(best, evaluate.Measurements{ROC: run.NAB.EpisodesBest["standard"].Score})
					fixed = append(fixed, evaluate.Measurements{ROC: run.NAB.EpisodesFixed["standard"].Score})
				}
			}
			d.judge(t, figures, best, fixed)
		})
	}
}

// judge prints a row of the quality table and checks the means.
func (d domain) judge(t *testing.T, figures, best, fixed []evaluate.Measurements) {
	t.Helper()
	m, sd := evaluate.Spread(figures)
	cell := func(mean, deviation evaluate.Figure, places int) string {
		if !deviation.Known() {
			return mean.Format(places)
		}
		return mean.Format(places) + " ± " + deviation.Format(places)
	}
	row := []string{d.set, fmt.Sprintf("%g %%", 100*d.rate), cell(m.ROC, sd.ROC, 3), cell(m.AP, sd.AP, 3), cell(m.VUS, sd.VUS, 3), cell(m.Recall, sd.Recall, 2), cell(100*m.FAR, 100*sd.FAR, 2),
		cell(m.FAREpsilon, sd.FAREpsilon, 2), cell(m.PerK, sd.PerK, 1), cell(m.Delay, sd.Delay, 0), cell(m.F1, sd.F1, 3), cell(m.RowF1, sd.RowF1, 3), cell(m.Precision, sd.Precision, 3), cell(m.HR150, sd.HR150, 3)}
	t.Log("| set | rate | ROC | AP | VUS-PR | recall | FAR % | FAR/rate | episodes/1000 | delay | event F1 | row F1 | precision | hits 150 % |")
	t.Log("| " + strings.Join(row, " | ") + " |")
	var nab nabScores
	if len(best) > 0 {
		b, bsd := evaluate.Spread(best)
		f, fsd := evaluate.Spread(fixed)
		nab = nabScores{b.ROC, f.ROC}
		t.Logf("Numenta, standard, episodes: %s at the best cut, %s at 0.6", cell(b.ROC, bsd.ROC, 1), cell(f.ROC, fsd.ROC, 1))
	}
	for _, problem := range d.check(m, nab) {
		t.Error(problem)
	}
}

// run runs one seed over all files of the domain.
func (d domain) run(t *testing.T, dir string, seed uint64) *RunResult {
	t.Helper()
	pattern := d.files
	if pattern == "" {
		pattern = "*"
	}
	files, err := filepath.Glob(filepath.Join(dir, pattern+".csv.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no file %s in %s: %v", pattern, dir, err)
	}
	def := streams.DefaultDefinition(d.set)
	def.Rate, def.Seed = d.rate, seed
	for _, f := range d.features {
		def.Features = append(def.Features, streams.Feature{Name: f, Path: f, Missing: streams.MissingHold, Transforms: d.transforms})
	}
	if len(d.features) == 0 {
		def.Features = []streams.Feature{{Name: "*", Path: "*", Missing: streams.MissingHold, Transforms: d.transforms}}
	}
	if voters := strings.Fields(os.Getenv("VOTERS")); len(voters) > 0 {
		def.Detectors = nil
		for _, name := range voters {
			def.Detectors = append(def.Detectors, streams.DetectorSpec{Name: name, Weight: 1})
		}
	}
	o := Options{Setups: []Setup{{Definition: &def}}, RankBy: os.Getenv("RANK_BY"), Labels: filepath.Join(dir, "labels"), Explain: d.set == "asd" || d.set == "smd" || os.Getenv("RANK_BY") == RankByAlert}
	for _, f := range files {
		o.Sources = append(o.Sources, FileSource(f))
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	run := &r.Runs[0]
	if run.Total.Rejected > 0 {
		t.Errorf("seed %d: %d rows were refused", seed, run.Total.Rejected)
	}
	if run.Total.Metrics.Bad > 0 {
		t.Errorf("seed %d: %d rows with a score outside [0, 1] or a flag that does not fit", seed, run.Total.Metrics.Bad)
	}
	if d.each != nil {
		for _, problem := range d.each(run) {
			t.Errorf("seed %d: %s", seed, problem)
		}
	}
	t.Logf("seed %d: %d rows at %.0f events/s a core", seed, run.Total.Rows, run.Total.PerSecond)
	return run
}
