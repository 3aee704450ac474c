//go:build fixtures

package backtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"anomalystream/internal/evaluate"
)

// domain is the configuration of one set of labelled streams, and what it must reach.
type domain struct {
	set        string
	files      string // Pattern of names; "" for all.
	transforms []string
	features   []string // Empty for every numeric column.
	rate       float64
	check      func(o outcomes) []string     // What the means over the seeds do not reach; nil for no gate.
	each       func(run *RunResult) []string // What a run does not reach; nil for nothing.
	parity     map[string][2]evaluate.Figure // ROC and AP that the reference reaches with one detector alone.
	tolerance  [2]evaluate.Figure            // Of parity.
	noisy      bool                          // One seed says little beside the gate: always the mean of five.
	regimes    bool                          // Judged by the number of regime changes too.
}

// outcomes are the means over the seeds: the measures, and the scores of the Numenta benchmark on episodes of alarms at the
// best cut and at the threshold.
type outcomes struct {
	evaluate.Measurements
	nabBest, nabFixed evaluate.Figure
}

func (d domain) name() string {
	parts := []string{d.set}
	if d.files != "" {
		parts = append(parts, d.files)
	}
	if len(d.transforms) > 1 {
		parts = append(parts, strings.Join(d.transforms[1:], " "))
	}
	return fmt.Sprintf("%s at %g %%", strings.Join(parts, " "), 100*d.rate)
}

var (
	value  = []string{"value"}
	ewma   = []string{"value", "ewma_residual"}
	series = []string{"value", "diff", "median_residual"}
)

// domains are the gates of the protocol that comes with the data: one configuration per domain, none per file.
func domains() []domain {
	all := func(lists ...[]string) []string { return slices.Concat(lists...) }
	near := [2]evaluate.Figure{0.02, 0.03}
	list := []domain{
		{set: "nab", transforms: series, rate: 0.002, regimes: true, tolerance: near,
			parity: map[string][2]evaluate.Figure{"iforest": {.595, .218}, "lof": {.592, .225}, "hbos": {.613, .221}},
			check: func(o outcomes) []string {
				return all(below("best cut", o.nabBest, 33), below("at 0.6", o.nabFixed, 28), above("FAR/rate", o.FAREpsilon, 2))
			}},
		{set: "asd", transforms: ewma, rate: 0.01, regimes: true, tolerance: near,
			parity: map[string][2]evaluate.Figure{"iforest": {.582, .211}, "lof": {.798, .349}, "hbos": {.573, .158}},
			check: func(o outcomes) []string {
				return all(below("AP", o.AP, 0.24), below("recall", o.Recall, 0.50), above("FAR", o.FAR, 0.01), below("hits 150 %", o.HR150, 0.845))
			}},
		{set: "smd", transforms: value, rate: 0.01, regimes: true, tolerance: near,
			parity: map[string][2]evaluate.Figure{"iforest": {.684, .180}, "lof": {.628, .253}, "hbos": {.667, .151}},
			check: func(o outcomes) []string {
				return all(below("AP", o.AP, 0.16), below("recall", o.Recall, 0.75), above("episodes", o.PerK, 4.2), above("FAR/rate", o.FAREpsilon, 2), below("hits 150 %", o.HR150, 0.768))
			}},
		{set: "cloud", transforms: series, rate: 0.01, regimes: true, tolerance: near,
			parity: map[string][2]evaluate.Figure{"iforest": {.883, .562}, "lof": {.864, .560}, "hbos": {.847, .435}},
			check: func(o outcomes) []string {
				return all(below("AP", o.AP, 0.55), below("recall", o.Recall, 0.65), above("episodes", o.PerK, 3.9), above("FAR/rate", o.FAREpsilon, 2))
			}},
		{set: "fraud", transforms: value, rate: 0.01, regimes: true, tolerance: near,
			features: []string{"amount", "hour_of_day", "tx_frequency", "amount_to_mean", "minutes_since_last", "terminal_frequency"},
			parity:   map[string][2]evaluate.Figure{"iforest": {.670, .070}, "lof": {.656, .025}, "hbos": {.650, .041}},
			check: func(o outcomes) []string {
				return all(below("AP", o.AP, 0.09), above("FAR/rate", o.FAREpsilon, 2))
			}},
		{set: "smtp", files: "smtp-40k", transforms: value, rate: 0.01, regimes: true,
			check: func(o outcomes) []string {
				return all(below("ROC", o.ROC, 0.985), below("recall", o.Recall, 0.65), above("FAR/rate", o.FAREpsilon, 2))
			}},
		{set: "shuttle", transforms: value, rate: 0.01, regimes: true, tolerance: near,
			parity: map[string][2]evaluate.Figure{"iforest": {.997, .973}, "lof": {.491, .136}, "hbos": {.987, .950}},
			check: func(o outcomes) []string {
				return all(below("ROC", o.ROC, 0.98), above("FAR/rate", o.FAREpsilon, 2))
			}},
		{set: "shuttle", transforms: value, rate: 0.1, check: func(o outcomes) []string { return below("row F1", o.RowF1, 0.78) }},
		{set: "skab", transforms: value, rate: 0.01, regimes: true, tolerance: near,
			parity: map[string][2]evaluate.Figure{"iforest": {.602, .636}, "lof": {.414, .576}, "hbos": {.614, .654}},
			check:  func(o outcomes) []string { return all(below("recall", o.Recall, 0.90), above("FAR", o.FAR, 0.07)) }},
		{set: "batadal", transforms: value, rate: 0.01, noisy: true, regimes: true, tolerance: near,
			parity: map[string][2]evaluate.Figure{"iforest": {.567, .070}, "lof": {.757, .406}, "hbos": {.616, .112}},
			check:  func(o outcomes) []string { return all(below("recall", o.Recall, 0.55), above("FAR", o.FAR, 0.01)) }},
		{set: "tep", transforms: value, rate: 0.01, each: foundSoon, tolerance: near,
			parity: map[string][2]evaluate.Figure{"iforest": {.537, .863}, "lof": {.767, .932}, "hbos": {.554, .876}}},
		{set: "regime", transforms: value, rate: 0.01, each: afterShift},
	}
	for _, kind := range []string{"gauss5*", "lognorm3*", "ar5*"} {
		check := kept(0.7, 1.4)
		if kind == "ar5*" {
			check = kept(0.5, 2)
		}
		for _, rate := range []float64{0.002, 0.01, 0.05} {
			list = append(list, domain{set: "synthetic", files: kind, transforms: value, rate: rate, check: check})
		}
	}
	return list
}

// ungated are configurations that a gate is not set for: other transforms, and a set of two streams whose figures the
// reference gives together.
func ungated() []domain {
	return []domain{
		{set: "smtp", transforms: value, rate: 0.01, regimes: true, tolerance: [2]evaluate.Figure{0.02, 0.05},
			parity: map[string][2]evaluate.Figure{"iforest": {.946, .007}, "lof": {.932, .287}, "hbos": {.921, .032}}},
		{set: "skab", transforms: ewma, rate: 0.01, tolerance: [2]evaluate.Figure{0.02, 0.03},
			parity: map[string][2]evaluate.Figure{"iforest": {.592, .608}, "lof": {.480, .602}, "hbos": {.597, .625}}},
		{set: "batadal", transforms: ewma, rate: 0.01, tolerance: [2]evaluate.Figure{0.02, 0.03},
			// Not hbos: on columns that stand still for months the reference bins the residuals' decay into denormals; here they are 0.
			parity: map[string][2]evaluate.Figure{"iforest": {.567, .069}, "lof": {.803, .285}}},
	}
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

func kept(low, high float64) func(outcomes) []string {
	return func(o outcomes) []string {
		return append(below("FAR/rate", o.FAREpsilon, low), above("FAR/rate", o.FAREpsilon, high)...)
	}
}

// foundSoon wants the faults 1, 2, 4 to 8 and 10 of the Tennessee Eastman process within 50 rows, and one change of regime at
// most per stream: each fault is permanent.
func foundSoon(r *RunResult) (problems []string) {
	for i := range r.Sources {
		s := &r.Sources[i]
		if s.Regimes > 1 {
			problems = append(problems, fmt.Sprintf("%s: %d changes of regime", s.Name, s.Regimes))
		}
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

// fewRegimes wants three changes of regime at most in 10 000 rows, over the set and on every stream of that length.
func fewRegimes(r *RunResult) (problems []string) {
	for _, s := range append(slices.Clone(r.Sources), r.Total) {
		if s.Rows >= 10_000 {
			problems = append(problems, above(s.Name+": changes of regime in 10 000 rows", evaluate.Figure(1e4*float64(s.Regimes)/float64(s.Rows)), 3)...)
		}
	}
	return problems
}
