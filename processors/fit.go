package processors

import (
	"math"
	"slices"
	"time"

	"anomalystream/detectors"
	"anomalystream/detectors/decision"
)

// folds is how many contiguous blocks of the warm-up are judged by models of the others.
const folds = 5

// models are the fitted detectors of a key.
type models struct {
	scaler    detectors.Scaler
	list      []detectors.Detector
	failed    []string  // Why a detector could not be fitted, "" where it could.
	columnMid []float64 // Median of each column over the training rows; empty until middle is asked for.
	expected  []float64 // Median of each raw value.
	least     []float64 // Range of each raw value.
	most      []float64
	rawMean   []float64 // Mean and scale of each raw value.
	rawScale  []float64
	from, to  time.Time // Event times of the oldest and newest training row.
	rows      int
	alert     *alertModel // Nil where the alert score is the depth.
}

// work is scratch memory of one step or fit.
type work struct {
	row, scaled, raw, parts, share []float64
	values, scaledAlert            []float64
	matrix, rest, column           []float64
	index                          []int64 // Numbers of the training rows.
	training                       []decision.Training
	transform                      []float64
}

func (e *Engine) getWork() *work {
	if w, ok := e.works.Get().(*work); ok {
		return w
	}
	return &work{}
}

// sized returns a slice of n elements, in the old memory where it suffices.
func sized(v []float64, n int) []float64 {
	if cap(v) < n {
		return make([]float64, n)
	}
	return v[:n]
}

// fit fits new models on the newest rows and brings the calibration up to date. The caller has stored the latest event.
func (e *Engine) fit(s *State, w *work) {
	s.expire()
	s.fitFrom, s.fitTo = max(s.cut, s.seen-int64(e.def.Window), 0), s.seen
	s.generation++
	s.fitTime = s.lastEvent
	s.models = e.train(s, w, s.models)
	training := e.training(s.models, w)
	s.calibrator.Rescale(training)
	switch {
	case s.calibrator.Voters() == 0: // No detector takes these rows: the next fit may bring one.
	case s.calibrator.Past() == 0:
		e.crossFit(s, w)
	default:
		s.calibrator.Rejudge(training, e.rateOf(s), func(age int64) int {
			if i, ok := slices.BinarySearch(w.index, s.fitTo-1-age); ok {
				return i
			}
			return -1
		})
	}
}

// training gathers the training scores of fitted models.
func (e *Engine) training(m *models, w *work) []decision.Training {
	w.training = w.training[:0]
	for k, d := range m.list {
		t := decision.Training{Failed: m.failed[k] != ""}
		if !t.Failed {
			t.Scores = d.TrainingScores()
			w.column = sized(w.column, len(t.Scores))
			t.Median, t.Q95 = detectors.Median95(t.Scores, w.column)
		}
		w.training = append(w.training, t)
	}
	return w.training
}

// train fits models on the rows of the last fit, in the memory of the old models where there are some. It depends on the rows,
// the seed and the parameters alone.
func (e *Engine) train(s *State, w *work, old *models) *models {
	w.index = s.training(w.index)
	x := e.trainingRows(s, w, 0, s.plan.columns())
	m := old
	if m == nil {
		m = &models{failed: make([]string, len(e.specs))}
		for _, spec := range e.specs {
			d, _ := detectors.New(spec) // NewEngine has made each once.
			m.list = append(m.list, d)
		}
	}
	m.rows = x.Rows
	e.fitModels(m, x, s.entity, s.generation, 0)
	e.fitAlert(m, s, w)
	e.describe(m, s, w)
	if m.learners() { // After a restart they learn again what they have learned since the fit.
		row := make([]float64, s.plan.columns())
		for i := s.fitTo; i < s.seen; i++ {
			if s.trouble(s.timeOf(i)) {
				continue
			}
			s.rows.get(i, 0, row)
			m.learn(row, w)
		}
	}
	return m
}

// learners reports whether a detector learns row by row.
func (m *models) learners() bool {
	return slices.ContainsFunc(m.list, func(d detectors.Detector) bool { _, ok := d.(detectors.Learner); return ok })
}

// learn lets the detectors that learn row by row take in a row.
func (m *models) learn(row []float64, w *work) {
	for k, d := range m.list {
		learner, ok := d.(detectors.Learner)
		if !ok || m.failed[k] != "" {
			continue
		}
		w.scaled = sized(w.scaled, len(row))
		if m.scaler.Transform(row, w.scaled) == nil {
			_ = learner.Learn(w.scaled) // It refuses what Score refuses; the row was scored.
		}
	}
}

// trainingRows copies columns [from, to) of the training rows.
func (e *Engine) trainingRows(s *State, w *work, from, to int) detectors.Matrix {
	n, c := len(w.index), to-from
	w.matrix = sized(w.matrix, n*c)
	for i, number := range w.index {
		s.rows.get(number, from, w.matrix[i*c:(i+1)*c])
	}
	return detectors.Matrix{Rows: n, Cols: c, Data: w.matrix}
}

// fitModels fits scaler and detectors on x, which it standardises in place.
func (e *Engine) fitModels(m *models, x detectors.Matrix, entity string, generation int64, part uint64) {
	if err := m.scaler.Fit(x); err != nil {
		for k := range m.failed {
			m.failed[k] = err.Error()
		}
		return
	}
	_ = m.scaler.TransformMatrix(x, x) // The shapes are equal.
	for k, d := range m.list {
		m.failed[k] = ""
		if err := d.Fit(x, e.seed(entity, generation, part<<8|uint64(k))); err != nil {
			m.failed[k] = err.Error()
			continue
		}
		if slices.ContainsFunc(d.TrainingScores(), func(v float64) bool { return math.IsNaN(v) }) {
			m.failed[k] = d.Name() + ": the training scores hold NaN"
		}
	}
}

// describe notes what explanations and statuses need: medians and ranges of the raw values, the span of time.
func (e *Engine) describe(m *models, s *State, w *work) {
	raws := len(s.plan.names)
	n := len(w.index)
	m.columnMid, m.expected = m.columnMid[:0], sized(m.expected, raws)
	m.rawMean, m.rawScale = sized(m.rawMean, raws), sized(m.rawScale, raws)
	m.least, m.most = sized(m.least, raws), sized(m.most, raws)
	w.column, w.rest = sized(w.column, n), sized(w.rest, n)
	for j, at := range s.plan.raw {
		for i, number := range w.index {
			w.column[i] = s.rows.value(number, at)
		}
		m.expected[j], _ = detectors.Median95(w.column[:n], w.rest)
		m.least[j], m.most[j] = slices.Min(w.column[:n]), slices.Max(w.column[:n])
		m.rawMean[j], m.rawScale[j] = moments(w.column[:n])
	}
	m.from, m.to = s.timeOf(w.index[0]), s.timeOf(w.index[n-1])
}

// middle computes the medians of the columns, which only features need whose deviations do not always matter.
func (m *models) middle(s *State, w *work) {
	w.index = s.training(w.index)
	n := len(w.index)
	m.columnMid = sized(m.columnMid, s.plan.columns())
	w.column, w.rest = sized(w.column, n), sized(w.rest, n)
	for j := range m.columnMid {
		for i, number := range w.index {
			w.column[i] = s.rows.value(number, j)
		}
		m.columnMid[j], _ = detectors.Median95(w.column[:n], w.rest)
	}
}

// moments returns the mean and the population standard deviation, 1 where that vanishes.
func moments(v []float64) (mean, sd float64) {
	for _, x := range v {
		mean += x
	}
	mean /= float64(len(v))
	for _, x := range v {
		d := x - mean
		sd += float64(d * d)
	}
	if sd = math.Sqrt(sd / float64(len(v))); !(sd >= 1e-12*max(1, math.Abs(mean))) {
		sd = 1
	}
	return mean, sd
}

// crossFit seeds the calibration: each fifth of the warm-up is judged by models of the other four, so that the scores are out
// of sample as later ones will be.
func (e *Engine) crossFit(s *State, w *work) {
	all := slices.Clone(e.trainingRows(s, w, 0, s.plan.columns()).Data)
	n, c := len(w.index), s.plan.columns()
	m := &models{failed: make([]string, len(e.specs))}
	for _, spec := range e.specs {
		d, _ := detectors.New(spec)
		m.list = append(m.list, d)
	}
	raw, row := make([]float64, len(e.specs)), make([]float64, c)
	for f := range folds {
		low, high := foldBounds(n, f)
		w.matrix = append(append(w.matrix[:0], all[:low*c]...), all[high*c:]...)
		e.fitModels(m, detectors.Matrix{Rows: n - (high - low), Cols: c, Data: w.matrix}, s.entity, s.generation, uint64(f+1))
		if !s.models.covers(m) {
			continue // A detector that votes could not be fitted on four fifths.
		}
		for i := low; i < high; i++ {
			if m.score(all[i*c:(i+1)*c], row, raw) {
				s.calibrator.Seed(raw)
			}
		}
	}
}

// foldBounds returns the rows of a fold: the first ones are longer by one where n is no multiple, as numpy splits.
func foldBounds(n, f int) (low, high int) {
	size, more := n/folds, n%folds
	low = f*size + min(f, more)
	high = low + size
	if f < more {
		high++
	}
	return low, high
}

// covers reports whether every detector fitted in m is fitted in the others too.
func (m *models) covers(others *models) bool {
	for k := range m.failed {
		if m.failed[k] == "" && others.failed[k] != "" {
			return false
		}
	}
	return true
}

// score writes each detector's raw score of a row. It reports whether every detector that was fitted could score it.
func (m *models) score(row, scaled, raw []float64) bool {
	if m.scaler.Transform(row, scaled) != nil {
		return false
	}
	for k, d := range m.list {
		raw[k] = 0
		if m.failed[k] != "" {
			continue
		}
		v, err := d.Score(scaled)
		if err != nil || math.IsNaN(v) {
			return false
		}
		raw[k] = v
	}
	return true
}
