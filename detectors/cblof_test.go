package detectors

import (
	"errors"
	"math"
	"testing"
)

// clustered returns rows around three far centres, 60, 30 and 6 of them.
func clustered() Matrix {
	x := gaussian(96, 2, 3)
	for i := range x.Rows {
		switch {
		case i >= 90:
			x.Row(i)[0] += 40
		case i >= 60:
			x.Row(i)[1] += 100
		}
	}
	return x
}

// TestCBLOFSeparatesClusters: the far small cluster is scored by the nearest large one, all others by their own.
func TestCBLOFSeparatesClusters(t *testing.T) {
	t.Parallel()
	x := clustered()
	for seed := range uint64(5) {
		d, err := New(Spec{"cblof", map[string]any{"n_clusters": 3, "mode": "strict"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Fit(x, seed); err != nil {
			t.Fatal(err)
		}
		var centers [2][2]float64
		for i := range 90 {
			c, n := i/60, 60.0-30*float64(i/60)
			centers[c][0] += x.Row(i)[0] / n
			centers[c][1] += x.Row(i)[1] / n
		}
		for i, got := range d.TrainingScores() {
			c := centers[0]
			if i >= 60 && i < 90 {
				c = centers[1]
			}
			near(t, "training score", got, math.Hypot(x.Row(i)[0]-c[0], x.Row(i)[1]-c[1]), 1e-9)
		}
		parts := make([]float64, 2)
		if err := d.Explain([]float64{41, 0}, parts); err != nil {
			t.Fatal(err)
		}
		near(t, "sum of the parts", sumOf(parts), scoreOf(t, d, []float64{41, 0}), 1e-9)
	}
}

// TestCBLOFSeparationRule on given sizes, in descending order.
func TestCBLOFSeparationRule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sizes       []int32
		alpha, beta float64
		strict      bool
		want        int
	}{
		{[]int32{50, 40, 5, 5}, 0.9, 5, true, 2},    // Both at 2.
		{[]int32{60, 20, 15, 5}, 0.9, 5, true, 3},   // Alpha alone.
		{[]int32{50, 10, 10, 10}, 0.95, 5, true, 1}, // Beta alone.
		{[]int32{60, 10, 6, 1}, 0.6, 5, true, 1},    // Both at 1, before the later gap.
		{[]int32{60, 20, 15, 1}, 0.6, 5, true, 3},   // Both at 3 only.
		{[]int32{25, 25, 25, 25}, 0.9, 5, true, 0},
		{[]int32{25, 25, 25, 25}, 0.9, 5, false, 3},
		{[]int32{50, 50}, 0.9, 5, false, 0},
		{[]int32{50}, 0.9, 5, false, 0},
	} {
		o, order, rows := &CBLOF{alpha: c.alpha, beta: c.beta, strict: c.strict, sizes: c.sizes}, []int{}, 0
		for i, size := range c.sizes {
			order = append(order, i)
			rows += int(size)
		}
		if got := o.separate(order, rows); got != c.want {
			t.Errorf("sizes %v: got %d large clusters, want %d", c.sizes, got, c.want)
		}
	}
}

// TestKMeansConverges: every row is with its nearest centre, every centre the mean of its rows.
func TestKMeansConverges(t *testing.T) {
	t.Parallel()
	for _, shape := range shapes {
		if shape.name == "huge" {
			continue
		}
		x := shaped(shape.value, 120, 3, 4)
		var m kMeans
		m.fit(x, 7, 2)
		for i := range x.Rows {
			own := squaredDistance(x.Row(i), m.centers[int(m.own[i])*3:][:3])
			for c := range 7 {
				if d := squaredDistance(x.Row(i), m.centers[c*3:][:3]); d < own {
					t.Errorf("%s: row %d is with a centre at %v, another is at %v", shape.name, i, own, d)
				}
			}
		}
		want := append([]float64(nil), m.centers...)
		m.average(x)
		sameBits(t, shape.name+": centres", m.centers, want)
	}
}

func TestCBLOFRefuses(t *testing.T) {
	t.Parallel()
	for _, x := range []Matrix{gaussian(7, 2, 1), shaped(func(*rng, int, int) float64 { return 3 }, 40, 2, 1)} {
		d, err := New(Spec{"cblof", nil})
		if err != nil {
			t.Fatal(err)
		}
		var data *DataError
		if err := d.Fit(x, 1); !errors.As(err, &data) {
			t.Errorf("got %v, want a *DataError", err)
		}
	}
}

func FuzzCBLOF(f *testing.F) { fuzzDetector(f, "cblof", "n_clusters") }

func BenchmarkCBLOF(b *testing.B) { benchDetector(b, Spec{"cblof", nil}) }
