package detectors

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
)

// fixtureCase is one set of parameters of one detector on one data set.
type fixtureCase struct {
	Case              string
	Params            map[string]any
	Tolerance         struct{ Rtol, Atol float64 }
	TrainScores       numbers `json:"train_scores"`
	QueryScores       numbers `json:"query_scores"`
	QueryScoresSingle numbers `json:"query_scores_single"`
	TrainHead         numbers `json:"train_head_as_query"`
	Ties              *struct {
		Train       []int
		TrainBounds [][2]float64 `json:"train_bounds"`
		Query       []int
		QueryBounds [][2]float64 `json:"query_bounds"`
	}
	SetAside struct {
		Train, Query []int
		TrainHead    []int `json:"train_head_as_query"`
	} `json:"set_aside"`
	Errors         []struct{ Stage string }
	Model          json.RawMessage
	ByContaminated map[string]fixtureBlock `json:"by_contamination"`
	fixtureProbabilities
}

// fixtureProbabilities are what the base class makes of the query scores whatever the contamination.
type fixtureProbabilities struct {
	Rank        []int
	ProbaLinear numbers `json:"proba_linear"`
	ProbaUnify  numbers `json:"proba_unify"`
}

// fixtureBlock is what depends on the contamination.
type fixtureBlock struct {
	Threshold       number64
	Labels, Predict []int
	Confidence      numbers
}

// fixtureModel is a detector fitted on the training rows of a case.
type fixtureModel struct {
	train []float64
	score func(row []float64) (float64, error)
}

// fixtureAdapter fits a case. An error says that the data or parameters were refused.
type fixtureAdapter func(t *testing.T, f *fixtures, c *fixtureCase, x Matrix) (fixtureModel, error)

// fixtureByName fits the detector of that name with the case's parameters, in mode strict.
func fixtureByName(name string) fixtureAdapter {
	return func(t *testing.T, _ *fixtures, c *fixtureCase, x Matrix) (fixtureModel, error) {
		d, err := New(fixtureSpec(name, c.Params))
		if err != nil {
			return fixtureModel{}, err
		}
		if err := d.Fit(x, 42); err != nil {
			return fixtureModel{}, err
		}
		return fixtureModel{train: d.TrainingScores(), score: d.Score}, nil
	}
}

// fixtureSpec takes PyOD's parameters, without its seed, in mode strict.
func fixtureSpec(name string, given map[string]any) Spec {
	params := maps.Clone(given)
	delete(params, "random_state")
	return strictSpec(Spec{name, params})
}

// fixtureHBOS also compares the histograms: the edges exactly.
func fixtureHBOS(t *testing.T, f *fixtures, c *fixtureCase, x Matrix) (fixtureModel, error) {
	m, err := fixtureByName("hbos")(t, f, c, x)
	if err != nil || len(c.Model) == 0 {
		return m, err
	}
	var model struct{ Edges, Density []numbers }
	if err := json.Unmarshal(c.Model, &model); err != nil {
		t.Fatal(err)
	}
	h := fitted(t, fixtureSpec("hbos", c.Params), x).(*HBOS)
	for j, column := range h.cols {
		cells, edges := h.cells[column.first:column.first+column.bins+1], []float64(nil)
		for _, cell := range cells {
			edges = append(edges, cell.edge)
		}
		sameBits(t, fmt.Sprintf("%s: edges of column %d", c.Case, j), edges, model.Edges[j])
		for i, density := range model.Density[j] {
			f.compare(t, "HBOS", c.Case+": term", cells[i].term, -math.Log2(density+h.alpha), 1e-9, 1e-12)
		}
	}
	return m, nil
}

// checkDetector fits every case of a file and compares scores, and everything that follows from PyOD's own scores.
func (f *fixtures) checkDetector(t *testing.T, path string) {
	var file struct {
		Detector, Data string
		Cases          []fixtureCase
	}
	f.load(t, path, &file)
	if len(file.Cases) == 0 {
		t.Error("no cases")
	}
	f.count("base class", func(c *fixtureTally) { c.files++ })
	if f.without(t, file.Detector) {
		for i := range file.Cases {
			f.checkBase(t, file.Detector, &file.Cases[i])
		}
		return
	}
	fit, ok := fixtureAdapters()[file.Detector]
	if !ok {
		t.Fatalf("no adapter fits %s", file.Detector)
	}
	train, query, _ := f.data(t, file.Data)
	f.count(file.Detector, func(c *fixtureTally) { c.files++ })
	for i := range file.Cases {
		c := &file.Cases[i]
		f.checkBase(t, file.Detector, c)
		m, err := fit(t, f, c, train)
		refused := slices.ContainsFunc(c.Errors, func(e struct{ Stage string }) bool { return e.Stage == "fit" })
		switch {
		case refused && err == nil:
			t.Errorf("%s: fitted, PyOD refuses", c.Case)
		case refused:
			f.count(file.Detector, func(c *fixtureTally) { c.compared++ })
		case err != nil && firstNonfinite(train.Data) >= 0:
			t.Logf("%s: refused on purpose: %v", c.Case, err)
		case err != nil:
			t.Errorf("%s: %v", c.Case, err)
		default:
			f.checkScores(t, file.Detector, c, m, train, query)
		}
	}
}

// checkScores compares the scores of a case.
func (f *fixtures) checkScores(t *testing.T, group string, c *fixtureCase, m fixtureModel, train, query Matrix) {
	var ties struct {
		train, query map[int][2]float64
	}
	if c.Ties != nil {
		ties.train, ties.query = boundsOf(c.Ties.Train, c.Ties.TrainBounds), boundsOf(c.Ties.Query, c.Ties.QueryBounds)
	}
	if len(m.train) != len(c.TrainScores) {
		t.Fatalf("%s: got %d training scores, want %d", c.Case, len(m.train), len(c.TrainScores))
	}
	f.checkPart(t, group, c, "training score", c.TrainScores, c.SetAside.Train, ties.train, func(i int) (float64, error) { return m.train[i], nil })
	want := c.QueryScores
	if c.QueryScoresSingle != nil {
		want = c.QueryScoresSingle // PyOD's scores depend on the batch: a stream's batch is one row.
	} else if c.Ties == nil {
		f.checkPart(t, group, c, "training row as query", c.TrainHead, c.SetAside.TrainHead, nil, func(i int) (float64, error) { return m.score(train.Row(i)) })
	}
	f.checkPart(t, group, c, "query score", want, c.SetAside.Query, ties.query, func(i int) (float64, error) { return m.score(query.Row(i)) })
}

func boundsOf(rows []int, bounds [][2]float64) map[int][2]float64 {
	m := map[int][2]float64{}
	for i, row := range rows {
		m[row] = bounds[i]
	}
	return m
}

// checkPart compares one list of scores: by the tolerance of the case, within their bounds where neighbours tie, not at
// all where PyOD's digits are no reference.
func (f *fixtures) checkPart(t *testing.T, group string, c *fixtureCase, what string, want []float64, aside []int, ties map[int][2]float64, score func(i int) (float64, error)) {
	for i, w := range want {
		if slices.Contains(aside, i) {
			f.count(group, func(c *fixtureTally) { c.aside++ })
			continue
		}
		got, err := score(i)
		name := fmt.Sprintf("%s: %s %d", c.Case, what, i)
		if err != nil {
			var data *DataError
			if !errors.As(err, &data) || math.IsNaN(w) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if bounds, tied := ties[i]; tied {
			if got < bounds[0]*(1-1e-9) || got > bounds[1]*(1+1e-9) {
				t.Errorf("%s: got %v, outside %v, the scores over all choices among equal neighbours", name, got, bounds)
			}
			f.count(group, func(c *fixtureTally) { c.compared++ })
			continue
		}
		f.compare(t, group, name, got, w, c.Tolerance.Rtol, c.Tolerance.Atol)
	}
}

// checkBase compares everything derived from scores, with PyOD's own scores as input.
func (f *fixtures) checkBase(t *testing.T, detector string, c *fixtureCase) {
	if len(c.TrainScores) == 0 {
		return
	}
	f.checkProbabilities(t, c.Case, c.TrainScores, c.QueryScores, &c.fixtureProbabilities)
	for contamination, block := range c.ByContaminated {
		o := outputsOf(t, c.TrainScores, parseNumber(t, contamination))
		if detector == "MAD" {
			threshold := 3.5
			if v, ok := number(c.Params["threshold"]); ok {
				threshold = v
			}
			o = o.WithThreshold(threshold)
		}
		f.checkBlock(t, c.Case+" at "+contamination, o, c.TrainScores, c.QueryScores, &block)
	}
}

// checkBlock compares threshold, labels and confidence. With infinities among the scores PyOD's threshold is NaN, where
// ours may be one of them; no label is true either way.
func (f *fixtures) checkBlock(t *testing.T, what string, o *Outputs, train, query []float64, b *fixtureBlock) {
	if firstNonfinite(train) < 0 {
		f.compare(t, "base class", what+": threshold", o.Threshold(), float64(b.Threshold), 1e-12, 1e-15)
	}
	o = o.WithThreshold(float64(b.Threshold))
	for i, s := range train {
		f.compare(t, "base class", what+": label", float64(labelOf(o, s)), float64(b.Labels[i]), 0, 0)
	}
	for i, s := range query {
		f.compare(t, "base class", what+": predict", float64(labelOf(o, s)), float64(b.Predict[i]), 0, 0)
		if firstNonfinite(train) < 0 {
			f.compare(t, "base class", what+": confidence", o.Confidence(s), b.Confidence[i], 0, 1e-9)
		}
	}
}

// checkProbabilities compares rank and both probabilities. Where PyOD's unify is NaN ours is a probability,
// and where all scores are equal up to rounding it is not compared with PyOD's noise.
func (f *fixtures) checkProbabilities(t *testing.T, what string, train, query []float64, p *fixtureProbabilities) {
	if firstNonfinite(train) >= 0 {
		return
	}
	o := outputsOf(t, train, 0.1)
	var most float64
	for _, s := range train {
		most = max(most, math.Abs(s))
	}
	for i, s := range query {
		f.compare(t, "base class", what+": rank", float64(o.Rank(s)), float64(p.Rank[i]), 0, 0)
		if p.ProbaLinear != nil {
			f.compare(t, "base class", what+": linear", o.ProbabilityLinear(s), p.ProbaLinear[i], 0, 1e-9)
		}
		if p.ProbaUnify == nil || o.sd <= 1e-13*most && !math.IsNaN(p.ProbaUnify[i]) {
			continue
		}
		got, want := o.ProbabilityUnify(s), p.ProbaUnify[i]
		if math.IsNaN(want) { // No spread, or sums that overflow.
			want = min(max(got, 0), 1)
		}
		f.compare(t, "base class", what+": unify", got, want, 0, 1e-9)
	}
}

func labelOf(o *Outputs, score float64) int {
	if o.Label(score) {
		return 1
	}
	return 0
}
