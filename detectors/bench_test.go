package detectors

import (
	"fmt"
	"math"
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

// eachBenchmark runs a benchmark for every detector, number of columns, window and kind of data.
func eachBenchmark(b *testing.B, run func(b *testing.B, d Detector, train, queries Matrix)) {
	for _, name := range Names() {
		for _, cols := range []int{4, 20, 50} {
			for _, rows := range []int{500, 2000} {
				for _, data := range benchData {
					if data.name != "ar" && name != "lof" {
						continue // Only neighbour searches depend on the distribution.
					}
					b.Run(fmt.Sprintf("%s/d=%d/n=%d/%s", name, cols, rows, data.name), func(b *testing.B) {
						train, queries := scaledData(b, data.make, rows, cols)
						d, err := New(Spec{name, nil})
						if err != nil {
							b.Fatal(err)
						}
						if err := d.Fit(train, 1); err != nil {
							b.Skipf("not for this data: %v", err)
						}
						b.ReportAllocs()
						b.ResetTimer()
						run(b, d, train, queries)
						if s, ok := d.(interface{ SizeBytes() int }); ok {
							b.ReportMetric(float64(s.SizeBytes()), "model-B")
						}
					})
				}
			}
		}
	}
}

// BenchmarkScore is the time of one score.
func BenchmarkScore(b *testing.B) {
	eachBenchmark(b, func(b *testing.B, d Detector, _, queries Matrix) {
		i := 0
		for b.Loop() {
			if _, err := d.Score(queries.Row(i & 511)); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
}

// BenchmarkFit is the time of one fit, training scores included, into the memory of the last one.
func BenchmarkFit(b *testing.B) {
	eachBenchmark(b, func(b *testing.B, d Detector, train, _ Matrix) {
		seed := uint64(0)
		for b.Loop() {
			seed++
			if err := d.Fit(train, seed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
