package detectors

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"testing"
)

// checkEnsemble votes and combines as PyOD does, from the scores in the detectors' files.
func (f *fixtures) checkEnsemble(t *testing.T, file string) {
	var e struct {
		Data, Forest                  string
		QueryScores                   []numbers `json:"query_scores"`
		QueryStandardized             []numbers `json:"query_standardized"`
		Average, Maximization, Median numbers
		ByContaminated                map[string]struct {
			TrainVotes    []numbers `json:"train_votes"`
			QueryVotes    []numbers `json:"query_votes"`
			TrainMajority numbers   `json:"train_majority"`
			QueryMajority numbers   `json:"query_majority"`
		} `json:"by_contamination"`
	}
	f.load(t, file, &e)
	f.count("ensemble", func(c *fixtureTally) { c.files++ })
	for contamination, block := range e.ByContaminated {
		for _, part := range []struct {
			votes []numbers
			want  []float64
		}{{block.TrainVotes, block.TrainMajority}, {block.QueryVotes, block.QueryMajority}} {
			got, err := MajorityVote(matrixOf(part.votes, 3), nil)
			f.compareAll(t, "ensemble", "majority at "+contamination, got, err, part.want)
		}
	}
	var forest fixtureForest
	f.load(t, e.Forest, &forest)
	columns := [][]float64{forest.ByContaminated["0.1"].TrainScores}
	for _, folder := range []string{"lof/", "hbos/"} {
		var detector struct{ Cases []fixtureCase }
		f.load(t, folder+path.Base(e.Data), &detector)
		columns = append(columns, detector.Cases[0].TrainScores)
	}
	train := NewMatrix(len(columns[0]), len(columns))
	for j, column := range columns {
		for i, v := range column {
			train.Row(i)[j] = v
		}
	}
	z := f.standardized(t, "ensemble", train, matrixOf(e.QueryScores, 3), e.QueryStandardized)
	got, err := Average(z, nil)
	f.compareAll(t, "ensemble", "average", got, err, e.Average)
	got, err = Maximization(z)
	f.compareAll(t, "ensemble", "maximization", got, err, e.Maximization)
	got, err = MedianScore(z)
	f.compareAll(t, "ensemble", "median", got, err, e.Median)
}

// standardized scales rows by the training rows and compares them with PyOD's.
func (f *fixtures) standardized(t *testing.T, group string, train, rows Matrix, want []numbers) Matrix {
	t.Helper()
	var s Scaler
	if err := s.Fit(train); err != nil {
		t.Fatal(err)
	}
	z := NewMatrix(rows.Rows, rows.Cols)
	err := s.TransformMatrix(rows, z)
	f.compareAll(t, group, "standardised", z.Data, err, matrixOf(want, rows.Cols).Data)
	return z
}

// compareAll compares slices within 1e-9.
func (f *fixtures) compareAll(t *testing.T, group, what string, got []float64, err error, want []float64) {
	t.Helper()
	if err != nil || len(got) != len(want) {
		t.Fatalf("%s: got %d values and error %v, want %d", what, len(got), err, len(want))
	}
	for i := range want {
		f.compare(t, group, fmt.Sprintf("%s %d", what, i), got[i], want[i], 1e-9, 1e-9)
	}
}

// checkCombination runs the combination functions over PyOD's own buckets, and refuses what it refuses.
func (f *fixtures) checkCombination(t *testing.T, file string) {
	var e struct {
		Scores, Standardized []numbers
		Cases                []struct {
			Function, Method string
			NBuckets         int `json:"n_buckets"`
			Width            int `json:"columns"`
			Weights          []numbers
			Members          [][]int `json:"buckets"`
			Value            numbers
		}
		Votes []struct {
			Labels  []numbers
			Weights []numbers
			Value   numbers
		}
	}
	f.load(t, file, &e)
	f.count("combination", func(c *fixtureTally) { c.files++ })
	scores := matrixOf(e.Scores, 8)
	all := f.standardized(t, "combination", scores, scores, e.Standardized)
	for _, c := range e.Cases {
		z := all
		if c.Width > 0 {
			z = NewMatrix(all.Rows, c.Width)
			for i := range z.Rows {
				copy(z.Row(i), all.Row(i))
			}
		}
		var weights []float64
		if c.Weights != nil {
			weights = c.Weights[0]
		}
		var got []float64
		var err error
		switch c.Function {
		case "average":
			got, err = Average(z, weights)
		case "maximization":
			got, err = Maximization(z)
		case "median":
			got, err = MedianScore(z)
		default:
			deal, combine := StaticBuckets, AverageOfMaximum
			if c.Method == "dynamic" {
				deal = DynamicBuckets
			}
			if c.Function == "moa" {
				combine = MaximumOfAverage
			}
			if _, err = deal(z.Cols, c.NBuckets, 42); err == nil {
				got, err = combine(z, c.Members)
			}
		}
		what := fmt.Sprintf("%s %s %d", c.Function, c.Method, c.NBuckets)
		if c.Value == nil {
			if err == nil {
				t.Errorf("%s: got %v, PyOD refuses", what, got)
			}
			continue
		}
		f.compareAll(t, "combination", what, got, err, c.Value)
	}
	for _, c := range e.Votes {
		var weights []float64
		if c.Weights != nil {
			weights = c.Weights[0]
		}
		got, err := MajorityVote(matrixOf(c.Labels, len(c.Labels[0])), weights)
		if c.Value == nil {
			if err == nil {
				t.Errorf("votes: got %v, PyOD refuses", got)
			}
			continue
		}
		f.compareAll(t, "combination", "votes", got, err, c.Value)
	}
}

// fixtureUnit holds small functions on their own.
type fixtureUnit struct {
	AveragePathLength struct {
		Rows  []int
		Value numbers
	} `json:"average_path_length"`
	Percentile             []struct{ Values, Percent, Value numbers }
	PercentOfContamination []struct{ Contamination, Percent float64 } `json:"percent_of_contamination"`
	Base                   []struct {
		About         string
		Contamination float64
		TrainScores   numbers `json:"train_scores"`
		QueryScores   numbers `json:"query_scores"`
		Mean, SD      float64
		fixtureBlock
		fixtureProbabilities
	}
	Histogram []struct {
		About  string
		Values numbers
		NBins  int `json:"n_bins"`
		Edges  numbers
		Counts []int
	}
	OptimalBins []struct {
		About  string
		Values numbers
		NBins  int `json:"n_bins"`
	} `json:"optimal_bins"`
	Standardizer []struct{ Train, Query, Value []numbers }
	ECDF         []struct {
		Values numbers
		Below  numbers `json:"at_or_below"`
		Above  numbers `json:"at_or_above"`
	}
	SkewSign []struct {
		About  string
		Values numbers
		Sign   int
	} `json:"skew_sign"`
	Refit struct {
		First, Second []numbers
		ECOD, COPOD   struct {
			Alone numbers `json:"second_alone"`
		}
	} `json:"refit_keeps_old_rows"`
	Labels []struct {
		Function string
		Truth    []int
		Scores   numbers
		Fraction float64 `json:"outliers_fraction"`
		N        int
		Value    json.RawMessage
	}
}

func (f *fixtures) checkUnit(t *testing.T, file string) {
	var u fixtureUnit
	f.load(t, file, &u)
	f.count("unit", func(c *fixtureTally) { c.files++ })
	for i, rows := range u.AveragePathLength.Rows {
		f.compare(t, "unit", fmt.Sprintf("c(%d)", rows), averagePath(rows), u.AveragePathLength.Value[i], 1e-14, 0)
	}
	for _, p := range u.Percentile {
		for i, q := range p.Percent {
			f.compare(t, "unit", fmt.Sprintf("percentile %v", q), Percentile(p.Values, q), p.Value[i], 0, 0)
		}
	}
	for _, p := range u.PercentOfContamination {
		f.compare(t, "unit", "percent", 100*(1-p.Contamination), p.Percent, 0, 0)
	}
	for _, b := range u.Base {
		o := outputsOf(t, b.TrainScores, b.Contamination)
		f.compare(t, "unit", b.About+": mean", o.mean, b.Mean, 1e-12, 1e-15)
		f.compare(t, "unit", b.About+": sd", o.sd, b.SD, 1e-9, 1e-15)
		f.checkBlock(t, b.About, o, b.TrainScores, b.QueryScores, &b.fixtureBlock)
		f.checkProbabilities(t, b.About, b.TrainScores, b.QueryScores, &b.fixtureProbabilities)
	}
	for _, h := range u.Histogram {
		edges, counts := make([]float64, h.NBins+1), make([]int, h.NBins)
		hist, ok := newHistogram(slices.Min(h.Values), slices.Max(h.Values), edges)
		if !ok {
			t.Fatalf("histogram of %s: refused", h.About)
		}
		sameBits(t, "edges of "+h.About, edges, h.Edges)
		for _, v := range h.Values {
			counts[hist.bin(v)]++
		}
		if !slices.Equal(counts, h.Counts) {
			t.Errorf("counts of %s: got %v, want %v", h.About, counts, h.Counts)
		}
	}
	for _, b := range u.OptimalBins {
		if got := optimalBins(b.Values, 1, slices.Min(b.Values), slices.Max(b.Values)); got != b.NBins {
			t.Errorf("bins of %s: got %d, want %d", b.About, got, b.NBins)
		}
	}
	for _, c := range u.Standardizer {
		var scaler Scaler
		if err := scaler.Fit(matrixOf(c.Train, 3)); err != nil {
			t.Fatal(err)
		}
		got, query, want := make([]float64, 3), matrixOf(c.Query, 3), matrixOf(c.Value, 3)
		for i := range query.Rows {
			if err := scaler.Transform(query.Row(i), got); err != nil {
				t.Fatal(err)
			}
			for j, v := range got {
				f.compare(t, "unit", "standardised", v, want.Row(i)[j], 1e-7, 1e-9)
			}
		}
	}
	f.checkTails(t, &u)
	f.checkLabels(t, &u)
}

// checkTails compares the parts of ECOD and COPOD. A PyOD object that is fitted again still counts its first rows; ours
// starts afresh.
func (f *fixtures) checkTails(t *testing.T, u *fixtureUnit) {
	for _, e := range u.ECDF {
		n, sorted := float64(len(e.Values)), slices.Sorted(slices.Values(e.Values))
		for i, v := range e.Values {
			f.compare(t, "unit", "share at or below", float64(countBelow(sorted, v, true))/n, e.Below[i], 0, 1e-15)
			f.compare(t, "unit", "share at or above", 1-float64(countBelow(sorted, v, false))/n, e.Above[i], 0, 1e-15)
		}
	}
	for _, c := range u.SkewSign {
		mean, sd := meanAndSpread(c.Values)
		if got := newColumnShape(c.Values, 1, mean, sd).sign; got != c.Sign {
			t.Errorf("skewness of %s: got sign %d, want %d", c.About, got, c.Sign)
		}
	}
	for name, want := range map[string][]float64{"ecod": u.Refit.ECOD.Alone, "copod": u.Refit.COPOD.Alone} {
		d := fitted(t, Spec{name, nil}, matrixOf(u.Refit.First, 2))
		err := d.Fit(matrixOf(u.Refit.Second, 2), 1)
		f.compareAll(t, "unit", name+" fitted again", d.TrainingScores(), err, want)
	}
}

// checkLabels compares PyOD's label helpers, which are thresholds under other names. Its argmaxn has no use here.
func (f *fixtures) checkLabels(t *testing.T, u *fixtureUnit) {
	for _, l := range u.Labels {
		if l.Function == "argmaxn" {
			continue
		}
		fraction := l.Fraction
		if fraction == 0 {
			n := l.N
			for _, truth := range l.Truth {
				if l.N == 0 {
					n += truth
				}
			}
			fraction = float64(n) / float64(len(l.Scores))
		}
		o := outputsOf(t, l.Scores, fraction)
		var labels []int
		var hits, labelled float64
		for i, s := range l.Scores {
			labels = append(labels, labelOf(o, s))
			if o.Label(s) {
				labelled++
				hits += float64(append(l.Truth, make([]int, len(l.Scores))...)[i])
			}
		}
		if l.Function == "precision_n_scores" {
			var want float64
			if err := json.Unmarshal(l.Value, &want); err != nil {
				t.Fatal(err)
			}
			f.compare(t, "unit", l.Function, hits/labelled, want, 0, 0)
			continue
		}
		var want []int
		if err := json.Unmarshal(l.Value, &want); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(labels, want) {
			t.Errorf("%s: got %v, want %v", l.Function, labels, want)
		}
	}
}
