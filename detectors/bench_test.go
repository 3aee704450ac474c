package detectors

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
)

// benchData are what benchmarks run on: ar is three latent autoregressive factors with noise, like server metrics.
var benchData = []struct {
	name string
	make func(rows, cols int) Matrix
}{
	{"ar", autoregressive},
	{"gauss", func(rows, cols int) Matrix { return shaped(shapes[0].value, rows, cols, 1) }},
	{"heavy", heavyTailed},
}

// autoregressive mixes three AR(0.95) factors into the columns and adds noise.
func autoregressive(rows, cols int) Matrix {
	r, m := newRNG(7, 0), NewMatrix(rows, cols)
	loads := make([]float64, 3*cols)
	for i := range loads {
		loads[i] = gauss(&r)
	}
	var factors [3]float64
	for i := range rows {
		for f := range factors {
			factors[f] = 0.95*factors[f] + math.Sqrt(1-0.95*0.95)*gauss(&r)
		}
		for j := range cols {
			m.Row(i)[j] = loads[j]*factors[0] + loads[cols+j]*factors[1] + loads[2*cols+j]*factors[2] + 0.3*gauss(&r)
		}
	}
	return m
}

// heavyTailed is Student's t with two degrees of freedom.
func heavyTailed(rows, cols int) Matrix {
	r, m := newRNG(8, 0), NewMatrix(rows, cols)
	for i := range m.Data {
		m.Data[i] = gauss(&r) / math.Sqrt(-math.Log(1-r.float()))
	}
	return m
}

// scaledData returns the first rows, standardised, and 512 later rows of the same process as queries.
func scaledData(b *testing.B, make func(rows, cols int) Matrix, rows, cols int) (train, queries Matrix) {
	b.Helper()
	all := make(rows+512, cols)
	train = Matrix{rows, cols, all.Data[:rows*cols]}
	queries = Matrix{512, cols, all.Data[rows*cols:]}
	var s Scaler
	if err := s.Fit(train); err != nil {
		b.Fatal(err)
	}
	for _, m := range []Matrix{train, queries} {
		if err := s.TransformMatrix(m, m); err != nil {
			b.Fatal(err)
		}
	}
	return train, queries
}

// eachDetectorBenchmark runs a benchmark for every detector, number of columns, window and kind of data.
func eachDetectorBenchmark(b *testing.B, run func(b *testing.B, d Detector, make func(rows, cols int) Matrix, rows, cols int)) {
	for _, name := range Names() {
		for _, cols := range []int{4, 20, 50} {
			for _, rows := range []int{500, 2000} {
				for _, data := range benchData {
					if data.name != "ar" && name != "lof" {
						continue // Only neighbour searches depend on the distribution.
					}
					b.Run(fmt.Sprintf("%s/d=%d/n=%d/%s", name, cols, rows, data.name), func(b *testing.B) {
						d, err := New(Spec{name, nil})
						if err != nil {
							b.Fatal(err)
						}
						run(b, d, data.make, rows, cols)
						if s, ok := d.(interface{ SizeBytes() int }); ok {
							b.ReportMetric(float64(s.SizeBytes()), "model-B")
						}
					})
				}
			}
		}
	}
}

// eachBenchmark runs a benchmark for every fitted detector.
func eachBenchmark(b *testing.B, run func(b *testing.B, d Detector, queries Matrix)) {
	eachDetectorBenchmark(b, func(b *testing.B, d Detector, make func(rows, cols int) Matrix, rows, cols int) {
		train, queries := scaledData(b, make, rows, cols)
		if err := d.Fit(train, 1); err != nil {
			b.Skipf("not for this data: %v", err)
		}
		run(b, d, queries)
	})
}

// measure runs a call as often as the benchmark wants and reports, besides the mean time, the least processor time per
// call of any round of so many calls: on a machine that others use too, the mean is mostly theirs. If there was no whole
// round, it is that of all calls.
func measure(b *testing.B, round int, call func(i int) error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	i, first := 0, cpuTime()
	least, start := math.Inf(1), first
	for b.Loop() {
		if err := call(i); err != nil {
			b.Fatal(err)
		}
		if i++; i%round == 0 {
			now := cpuTime()
			least, start = min(least, float64(now-start)/float64(round)), now
		}
	}
	if i < round {
		least = float64(cpuTime()-first) / float64(i)
	}
	b.ReportMetric(least, "least-ns/op")
}

// BenchmarkScore is the time of one score.
func BenchmarkScore(b *testing.B) {
	eachBenchmark(b, func(b *testing.B, d Detector, queries Matrix) {
		measure(b, 512, func(i int) error { _, err := d.Score(queries.Row(i & 511)); return err })
	})
}

// BenchmarkFit is the time of one fit, training scores included, into the memory of the last one, whose window was a
// quarter earlier or later.
func BenchmarkFit(b *testing.B) {
	eachDetectorBenchmark(b, func(b *testing.B, d Detector, make func(rows, cols int) Matrix, rows, cols int) {
		windows := movingWindows(make, rows, cols)
		for _, w := range windows {
			var s Scaler
			if err := errors.Join(s.Fit(w), s.TransformMatrix(w, w)); err != nil {
				b.Fatal(err)
			}
		}
		if err := d.Fit(windows[0], 1); err != nil {
			b.Skipf("not for this data: %v", err)
		}
		measure(b, len(windows), func(i int) error { return d.Fit(windows[i%len(windows)], uint64(i)) })
	})
}

// movingWindows returns windows of one process, each of which moved on or back by a quarter from the one before.
func movingWindows(make func(rows, cols int) Matrix, rows, cols int) []Matrix {
	all := make(2*rows, cols)
	var windows []Matrix
	for _, quarter := range []int{0, 1, 2, 3, 4, 3, 2, 1} {
		from := quarter * (rows / 4) * cols
		windows = append(windows, Matrix{rows, cols, slices.Clone(all.Data[from : from+rows*cols])})
	}
	return windows
}

// BenchmarkExplain is the time of one attribution.
func BenchmarkExplain(b *testing.B) {
	eachBenchmark(b, func(b *testing.B, d Detector, queries Matrix) {
		parts := make([]float64, queries.Cols)
		measure(b, 512, func(i int) error { return d.Explain(queries.Row(i&511), parts) })
	})
}

// ensemble are the three default detectors with their scaler, as a stream uses them.
type ensemble struct {
	scaler    Scaler
	detectors []Detector
	scaled    Matrix
	row       []float64
	scratch   []float64
}

func newEnsemble(tb testing.TB, rows, cols int, specs ...Spec) *ensemble {
	tb.Helper()
	e := &ensemble{scaled: NewMatrix(rows, cols), row: make([]float64, cols), scratch: make([]float64, rows)}
	for _, spec := range specs {
		d, err := New(spec)
		if err != nil {
			tb.Fatal(err)
		}
		e.detectors = append(e.detectors, d)
	}
	return e
}

// fit scales the window, fits the three and takes the two quantiles of each one's training scores.
func (e *ensemble) fit(tb testing.TB, x Matrix, seed uint64) {
	if err := e.scaler.Fit(x); err != nil {
		tb.Fatal(err)
	}
	if err := e.scaler.TransformMatrix(x, e.scaled); err != nil {
		tb.Fatal(err)
	}
	for _, d := range e.detectors {
		if err := d.Fit(e.scaled, seed); err != nil {
			tb.Fatal(err)
		}
		Median95(d.TrainingScores(), e.scratch)
	}
}

func (e *ensemble) score(tb testing.TB, row []float64) {
	if err := e.scaler.Transform(row, e.row); err != nil {
		tb.Fatal(err)
	}
	for _, d := range e.detectors {
		if _, err := d.Score(e.row); err != nil {
			tb.Fatal(err)
		}
	}
}

// sizeBytes returns the memory of the fitted models.
func (e *ensemble) sizeBytes() int {
	sum := 0
	for _, d := range e.detectors {
		sum += d.(interface{ SizeBytes() int }).SizeBytes()
	}
	return sum
}

// defaultThree and compactThree are the detectors of a stream, and of a stream with very many keys.
func defaultThree() []Spec { return []Spec{{"iforest", nil}, {"lof", nil}, {"hbos", nil}} }

func compactThree() []Spec {
	return []Spec{{"iforest", map[string]any{"n_estimators": 50, "max_samples": 64}}, {"lof", nil}, {"hbos", nil}}
}

// BenchmarkEnsemble is an event and a refit of the three default detectors together, scaling and quantiles included.
func BenchmarkEnsemble(b *testing.B) {
	for _, c := range []struct {
		name  string
		rows  int
		specs []Spec
	}{{"default/n=2000", 2000, defaultThree()}, {"compact/n=256", 256, compactThree()}} {
		for _, data := range benchData {
			windows := movingWindows(data.make, c.rows, 4)
			e := newEnsemble(b, c.rows, 4, c.specs...)
			e.fit(b, windows[0], 1)
			b.Run("score/"+c.name+"/"+data.name, func(b *testing.B) {
				measure(b, c.rows, func(i int) error { e.score(b, windows[4].Row(i%c.rows)); return nil })
			})
			b.Run("fit/"+c.name+"/"+data.name, func(b *testing.B) {
				measure(b, len(windows), func(i int) error { e.fit(b, windows[i%len(windows)], 1); return nil })
				b.ReportMetric(float64(e.sizeBytes()), "model-B")
			})
		}
	}
}

// TestEnsembleMemory holds the fitted models to their budgets: 450 KB for the default three on 2000 rows of 4 columns;
// for many keys 80 KiB, of which 4 are the window and 20 calibration, both in float32.
func TestEnsembleMemory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rows, limit int
		specs       []Spec
	}{{2000, 450_000, defaultThree()}, {256, 55_500, compactThree()}} {
		e := newEnsemble(t, c.rows, 4, c.specs...)
		e.fit(t, autoregressive(c.rows, 4), 1)
		if got := e.sizeBytes(); got > c.limit {
			t.Errorf("%d rows: got %d bytes, want at most %d", c.rows, got, c.limit)
		}
	}
}
