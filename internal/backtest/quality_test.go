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
	check      func(m evaluate.Measurements, run *RunResult) []string // What is not reached.
}

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
		{"nab", "", series, nil, 0.002, func(m evaluate.Measurements, r *RunResult) []string {
			return all(below("best cut", r.NAB.EpisodesBest["standard"].Score, 33), below("at 0.6", r.NAB.EpisodesFixed["standard"].Score, 28), above("FAR/epsilon", m.FAREpsilon, 2))
		}},
		{"asd", "", ewma, nil, 0.01, func(m evaluate.Measurements, _ *RunResult) []string {
			return all(below("AP", m.AP, 0.24), below("recall", m.Recall, 0.50), above("FAR", m.FAR, 0.01), below("hit rate", m.HR150, 0.845))
		}},
		{"smd", "", value, nil, 0.01, func(m evaluate.Measurements, _ *RunResult) []string {
			return all(below("AP", m.AP, 0.16), below("recall", m.Recall, 0.75), above("episodes", m.PerK, 4.2), above("FAR/epsilon", m.FAREpsilon, 2), below("hit rate", m.HR150, 0.768))
		}},
		{"cloud", "", series, nil, 0.01, func(m evaluate.Measurements, _ *RunResult) []string {
			return all(below("AP", m.AP, 0.55), below("recall", m.Recall, 0.65), above("episodes", m.PerK, 3.9), above("FAR/epsilon", m.FAREpsilon, 2))
		}},
		{"fraud", "", value, []string{"amount", "hour_of_day", "tx_frequency", "amount_to_mean", "minutes_since_last", "terminal_frequency"}, 0.01, func(m evaluate.Measurements, _ *RunResult) []string {
			return all(below("AP", m.AP, 0.09), above("FAR/epsilon", m.FAREpsilon, 2))
		}},
		{"smtp", "smtp-40k", value, nil, 0.01, func(m evaluate.Measurements, _ *RunResult) []string {
			return all(below("ROC", m.ROC, 0.985), below("recall", m.Recall, 0.65), above("FAR/epsilon", m.FAREpsilon, 2))
		}},
		{"shuttle", "", value, nil, 0.01, func(m evaluate.Measurements, _ *RunResult) []string {
			return all(below("ROC", m.ROC, 0.98), above("FAR/epsilon", m.FAREpsilon, 2))
		}},
		{"shuttle", "", value, nil, 0.1, func(m evaluate.Measurements, _ *RunResult) []string { return below("row F1", m.RowF1, 0.78) }},
		{"skab", "", value, nil, 0.01, func(m evaluate.Measurements, _ *RunResult) []string {
			return all(below("recall", m.Recall, 0.90), above("FAR", m.FAR, 0.07))
		}},
		{"batadal", "", value, nil, 0.01, func(m evaluate.Measurements, _ *RunResult) []string {
			return all(below("recall", m.Recall, 0.55), above("FAR", m.FAR, 0.01))
		}},
		{"tep", "", value, nil, 0.01, foundSoon},
		{"synthetic", "gauss5*", value, nil, 0.002, kept(0.7, 1.4)}, {"synthetic", "gauss5*", value, nil, 0.01, kept(0.7, 1.4)}, {"synthetic", "gauss5*", value, nil, 0.05, kept(0.7, 1.4)},
		{"synthetic", "lognorm3*", value, nil, 0.002, kept(0.7, 1.4)}, {"synthetic", "lognorm3*", value, nil, 0.01, kept(0.7, 1.4)}, {"synthetic", "lognorm3*", value, nil, 0.05, kept(0.7, 1.4)},
		{"synthetic", "ar5*", value, nil, 0.002, kept(0.5, 2)}, {"synthetic", "ar5*", value, nil, 0.01, kept(0.5, 2)}, {"synthetic", "ar5*", value, nil, 0.05, kept(0.5, 2)},
		{"regime", "", value, nil, 0.01, afterShift},
	}
}

func kept(low, high float64) func(evaluate.Measurements, *RunResult) []string {
	return func(m evaluate.Measurements, _ *RunResult) []string {
		return append(below("FAR/epsilon", m.FAREpsilon, low), above("FAR/epsilon", m.FAREpsilon, high)...)
	}
}

// foundSoon wants the faults 1, 2, 4 to 8 and 10 of the Tennessee Eastman process within 50 rows.
func foundSoon(_ evaluate.Measurements, r *RunResult) (problems []string) {
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

func afterShift(_ evaluate.Measurements, r *RunResult) (problems []string) {
	for _, s := range r.labelled {
		shift := evaluate.MeasureShift(s)
		problems = append(problems, above(s.Name+": alarms after the shift", evaluate.Figure(shift.AlarmsInFirst500), 150)...)
		problems = append(problems, above(s.Name+": later FAR", shift.LaterFAR, 0.02)...)
		problems = append(problems, below(s.Name+": later recall", shift.LaterRecall, 0.75)...)
	}
	return problems
}

// TestQuality runs the labelled streams through the production path and holds them to the gates of their protocol.
// EVAL_DIR names the folder with data/, SEEDS the seeds (one gate check each; "0" by default).
func TestQuality(t *testing.T) {
	root := os.Getenv("EVAL_DIR")
	if root == "" {
		t.Fatal("EVAL_DIR is not set")
	}
	seeds := strings.Fields(os.Getenv("SEEDS"))
	if len(seeds) == 0 {
		seeds = []string{"0"}
	}
	for _, d := range domains() {
		name := strings.TrimSuffix(fmt.Sprintf("%s %s", d.set, d.files), " ")
		t.Run(fmt.Sprintf("%s at %g %%", name, 100*d.rate), func(t *testing.T) {
			for _, text := range seeds {
				seed, err := strconv.ParseUint(text, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				d.run(t, filepath.Join(root, "data", d.set), seed)
			}
		})
	}
}

func (d domain) run(t *testing.T, dir string, seed uint64) {
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
	o := Options{Setups: []Setup{{Definition: &def}}, Labels: filepath.Join(dir, "labels"), Explain: d.set == "asd" || d.set == "smd"}
	for _, f := range files {
		o.Sources = append(o.Sources, FileSource(f))
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	run := &r.Runs[0]
	m := *run.Total.Metrics
	line := fmt.Sprintf("seed %d: ROC %s AP %s VUS %s FAR %s (%s epsilon) episodes/1k %s recall %s delay %s F1 %s row F1 %s precision %s hit rate %s", seed,
		m.ROC.Format(3), m.AP.Format(3), m.VUS.Format(3), m.FAR.Format(4), m.FAREpsilon.Format(2), m.PerK.Format(2), m.Recall.Format(2), m.Delay.Format(0), m.F1.Format(3), m.RowF1.Format(3), m.Precision.Format(3), m.HR150.Format(3))
	if run.NAB != nil {
		line += fmt.Sprintf("; NAB episodes %s best, %s at 0.6", run.NAB.EpisodesBest["standard"].Score.Format(1), run.NAB.EpisodesFixed["standard"].Score.Format(1))
	}
	t.Logf("%s; %d rows, %d refused, %.0f events/s a core", line, run.Total.Rows, run.Total.Rejected, run.Total.PerSecond)
	if m.Bad > 0 {
		t.Errorf("seed %d: %d rows with a score outside [0, 1] or a flag that does not fit", seed, m.Bad)
	}
	for _, problem := range d.check(m, run) {
		t.Errorf("seed %d: %s", seed, problem)
	}
}
