package detectors

import (
	"math"
	"slices"
	"testing"
)

// goldenTrain is the training set of the golden numbers: rows i = 1..40 of (10 sin i, 5 cos 2.3i + 0.1i).
func goldenTrain() Matrix {
	x := NewMatrix(40, 2)
	for i := range x.Rows {
		f := float64(i + 1)
		x.Row(i)[0], x.Row(i)[1] = 10*math.Sin(f), float64(5*math.Cos(2.3*f))+float64(0.1*f)
	}
	return x
}

// goldenQuery are its four query rows.
func goldenQuery() [][]float64 { return [][]float64{{0, 0}, {9.9, 9}, {-30, 2}, {3, -4.5}} }

// golden are PyOD's numbers on that set, at contamination 0.1 (PyOD 3.6.7, scikit-learn 1.9.1), to eight digits.
var golden = []struct {
	spec      Spec
	columns   int // Of the set; 0 means all.
	train     [3]float64
	threshold float64
	labels    int
	query     []float64 // Nil where PyOD scores the four as one batch.
	sum       float64
}{
	{Spec{"hbos", nil}, 0, [3]float64{4.70826910, 4.55625477, 5.18430006}, 5.47382712, 3, []float64{5.32181278, 5.07087130, 5.32181278, 5.47382712}, 201.95259515},
	{Spec{"lof", map[string]any{"n_neighbors": 5}}, 0, [3]float64{1.03549714, 0.94919712, 0.96826998}, 1.16184700, 4, []float64{1.20338889, 1.16632618, 4.75139168, 1.24056133}, 41.45926718},
	{Spec{"lof", nil}, 0, [3]float64{1.03388918, 1.01691206, 0.92258394}, 1.04298300, 4, []float64{0.93387324, 1.05834472, 2.37730649, 0.98553666}, 40.49884078},
	{Spec{"knn", nil}, 0, [3]float64{3.15258121, 2.94965884, 3.95619304}, 5.14490341, 4, []float64{4.48688925, 5.92513247, 20.98585689, 5.09247081}, 151.37896553},
	{Spec{"ecod", nil}, 0, [3]float64{3.91202301, 2.79279143, 1.74296931}, 4.67448490, 4, nil, 125.76789049},
	{Spec{"copod", nil}, 0, [3]float64{2.09117822, 1.67417647, 1.74296931}, 4.37181402, 4, nil, 100.11848369},
	{Spec{"kde", nil}, 0, [3]float64{4.92306911, 4.48731264, 5.32687668}, 5.32979102, 4, []float64{11.47623313, 6.31728230, 212.47112814, 11.22006621}, 196.74042076},
	{Spec{"mad", nil}, 1, [3]float64{0.68000474, 0.74627505, 0.00427814}, 3.5, 0, []float64{0.14216045, 0.82512607, 3.07333170, 0.15095668}, 25.20065671},
}

// TestGolden holds every detector with a deterministic reference to PyOD's numbers on a set without ties.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, g := range golden {
		if !slices.Contains(Names(), g.spec.Name) {
			continue
		}
		t.Run(g.spec.Name, func(t *testing.T) {
			t.Parallel()
			x, queries := goldenTrain(), goldenQuery()
			if g.columns == 1 {
				column := NewMatrix(x.Rows, 1)
				for i := range column.Data {
					column.Data[i] = x.Row(i)[0]
				}
				x = column
				for i := range queries {
					queries[i] = queries[i][:1]
				}
			}
			d := fitted(t, strictSpec(g.spec), x)
			train := d.TrainingScores()
			var sum float64
			for _, s := range train {
				sum += s
			}
			for i, want := range g.train {
				near(t, "training score", train[i], want, 1e-7)
			}
			near(t, "sum of the training scores", sum, g.sum, 1e-7)
			o := outputsOf(t, train, 0.1)
			if g.spec.Name == "mad" {
				o = o.WithThreshold(3.5)
			}
			near(t, "threshold", o.Threshold(), g.threshold, 1e-7)
			// A row may sit on the threshold (three do, of HBOS): there the last bit decides.
			least, most := o.WithThreshold(o.Threshold()+1e-9), o.WithThreshold(o.Threshold()-1e-9)
			if low, high := countLabels(least, train), countLabels(most, train); g.labels < low || g.labels > high {
				t.Errorf("got %d to %d labels, want %d", low, high, g.labels)
			}
			for i, want := range g.query {
				near(t, "query score", scoreOf(t, d, queries[i]), want, 1e-6)
			}
		})
	}
}

func countLabels(o *Outputs, scores []float64) int {
	labels := 0
	for _, s := range scores {
		if o.Label(s) {
			labels++
		}
	}
	return labels
}

// TestGoldenOutputs holds probabilities and confidence to PyOD's.
func TestGoldenOutputs(t *testing.T) {
	t.Parallel()
	for _, g := range []struct {
		spec                       Spec
		linear, unify, confidences []float64
	}{
		{Spec{"hbos", nil}, []float64{0.78212087, 0.56478843, 0.78212087, 0.91377566},
			[]float64{0.62526513, 0.05717157, 0.62526513, 0.83299952}, nil},
		{Spec{"lof", map[string]any{"n_neighbors": 5}}, []float64{1, 0.89859922, 1, 1},
			[]float64{0.97993466, 0.92952052, 1, 0.99553033}, []float64{0.98514990, 0.46324200, 0.98514990, 0.98514990}},
	} {
		d := fitted(t, strictSpec(g.spec), goldenTrain())
		o := outputsOf(t, d.TrainingScores(), 0.1)
		for i, row := range goldenQuery() {
			s := scoreOf(t, d, row)
			near(t, "linear", o.ProbabilityLinear(s), g.linear[i], 1e-7)
			near(t, "unify", o.ProbabilityUnify(s), g.unify[i], 1e-7)
			if g.confidences != nil { // HBOS ties training scores: the fixtures hold its confidence to PyOD's own scores.
				near(t, "confidence", o.Confidence(s), g.confidences[i], 1e-7)
			}
		}
	}
	auto := fitted(t, Spec{"hbos", map[string]any{"n_bins": "auto", "mode": "strict"}}, goldenTrain())
	near(t, "hbos with automatic bins", auto.TrainingScores()[0], 5.21078329, 1e-7)
	near(t, "c(200)", averagePath(200), 9.75104097925205, 1e-13)
	near(t, "c(256)", averagePath(256), 10.244770920119917, 1e-13)
}

// strictSpec asks for PyOD's numbers.
func strictSpec(s Spec) Spec {
	params := map[string]any{"mode": "strict"}
	for k, v := range s.Params {
		params[k] = v
	}
	return Spec{s.Name, params}
}

// fitted returns a detector fitted with seed 1, and fails the test on any error.
func fitted(t testing.TB, spec Spec, x Matrix) Detector {
	t.Helper()
	d, err := New(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Fit(x, 1); err != nil {
		t.Fatal(err)
	}
	return d
}

// scoreOf scores one row and fails the test on any error.
func scoreOf(t testing.TB, d Detector, row []float64) float64 {
	t.Helper()
	s, err := d.Score(row)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func outputsOf(t testing.TB, scores []float64, contamination float64) *Outputs {
	t.Helper()
	o, err := NewOutputs(scores, contamination)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// near fails the test unless got is within tolerance of want.
func near(t testing.TB, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %.17g, want %.17g (tolerance %g)", what, got, want, tolerance)
	}
}

// sameBits fails the test unless both slices hold the same bits.
func sameBits(t testing.TB, what string, got, want []float64) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }) {
		t.Errorf("%s: got %v, want the same bits as %v", what, got, want)
	}
}
