package detectors

import (
	"fmt"
	"testing"
)

// benchDetector measures score, explanation and fit of one detector on standardised rows like server metrics, for each
// number of columns and window 500 and 2000, and reports the bytes of the model.
func benchDetector(b *testing.B, spec Spec, columns ...int) {
	if len(columns) == 0 {
		columns = []int{4, 20, 50}
	}
	for _, cols := range columns {
		for _, rows := range []int{500, 2000} {
			train, queries := scaledData(b, autoregressive, rows, cols)
			d := fitted(b, spec, train)
			parts := make([]float64, cols)
			for _, run := range []struct {
				name string
				call func(i int) error
			}{
				{"score", func(i int) error { _, err := d.Score(queries.Row(i & 511)); return err }},
				{"explain", func(i int) error { return d.Explain(queries.Row(i&511), parts) }},
				{"fit", func(i int) error { return d.Fit(train, uint64(i)) }},
			} {
				b.Run(fmt.Sprintf("%s/d=%d/n=%d", run.name, cols, rows), func(b *testing.B) {
					b.ReportAllocs()
					i := 0
					for b.Loop() {
						if err := run.call(i); err != nil {
							b.Fatal(err)
						}
						i++
					}
					if sized, ok := d.(interface{ SizeBytes() int }); ok {
						b.ReportMetric(float64(sized.SizeBytes()), "model-B")
					}
				})
			}
		}
	}
}
