package features

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// run applies and learns a series of one feature and returns the columns of every event.
func run(t *testing.T, x []float64, step time.Duration, transforms ...string) [][]float64 {
	t.Helper()
	f := Feature{Name: "x"}
	for _, text := range transforms {
		tr, err := ParseTransform(text)
		if err != nil {
			t.Fatal(err)
		}
		f.Transforms = append(f.Transforms, tr)
	}
	p := NewPipeline([]Feature{f})
	s := p.NewState()
	var scratch []float64
	out := make([][]float64, len(x))
	for i, v := range x {
		at := start.Add(time.Duration(i) * step)
		out[i] = make([]float64, len(p.Columns()))
		p.Apply(s, []float64{v}, at, out[i], &scratch)
		p.Learn(s, []float64{v}, at)
	}
	return out
}

var start = time.Date(2024, 3, 4, 5, 6, 0, 0, time.UTC)

func walk(seed uint64, n int) []float64 {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := make([]float64, n)
	for i := range x {
		x[i] = 10 + 3*math.Sin(float64(i)/9) + rng.NormFloat64()
	}
	return x
}

// TestTransformsByDefinition compares every transform with its definition, computed from the whole past.
func TestTransformsByDefinition(t *testing.T) {
	t.Parallel()
	x := walk(1, 500)
	got := run(t, x, time.Minute, "value", "diff", "ewma_residual(0.1)", "median_residual", "rolling_sd(20)", "lag(3)", "log", "hour_sin_cos", "weekday_sin_cos")
	for i := range x {
		before := x[:i]
		want := []float64{x[i], 0, 0, 0, 0, x[max(i-3, 0)], math.Log1p(x[i])}
		if x[i] < 0 {
			want[6] = -math.Log1p(-x[i])
		}
		if i > 0 {
			want[1] = x[i] - x[i-1]
			var sum, weight float64 // pandas: ewm(alpha=0.1, adjust=True).mean(), up to the row before.
			for k, v := range before {
				w := math.Pow(0.9, float64(i-1-k))
				sum += w * v
				weight += w
			}
			want[2] = x[i] - sum/weight
			last := slices.Sorted(slices.Values(before[max(0, i-10):]))
			want[3] = x[i] - (last[(len(last)-1)/2]+last[len(last)/2])/2
		}
		recent := x[max(0, i-19) : i+1]
		var mean, squares float64
		for _, v := range recent {
			mean += v / float64(len(recent))
		}
		for _, v := range recent {
			squares += (v - mean) * (v - mean)
		}
		want[4] = math.Log1p(math.Sqrt(squares / float64(len(recent))))
		at := start.Add(time.Duration(i) * time.Minute)
		hour := 2 * math.Pi * (float64(at.Hour()) + float64(at.Minute())/60) / 24
		day := 2 * math.Pi * (float64((at.Weekday()+6)%7) + (float64(at.Hour())+float64(at.Minute())/60)/24) / 7
		want = append(want, math.Sin(hour), math.Cos(hour), math.Sin(day), math.Cos(day))
		for j := range want {
			if math.Abs(got[i][j]-want[j]) > 1e-9 {
				t.Fatalf("event %d, column %d: got %v, want %v", i, j, got[i][j], want[j])
			}
		}
	}
}

// TestSeasonResidual checks that a daily pattern vanishes once the days before are known, and that until then the median of
// the last ten values is expected.
func TestSeasonResidual(t *testing.T) {
	t.Parallel()
	const perDay = 24 * 12
	x := make([]float64, 9*perDay)
	for i := range x {
		x[i] = 100 + 50*math.Sin(2*math.Pi*float64(i)/perDay)
	}
	x[8*perDay+7] += 30
	got, early := run(t, x, 5*time.Minute, "season_residual"), run(t, x, 5*time.Minute, "median_residual(10)")
	for i := range x {
		switch {
		case i < perDay-2:
			if got[i][0] != early[i][0] {
				t.Fatalf("event %d of the first day: got %v, want %v", i, got[i][0], early[i][0])
			}
		case i == 8*perDay+7:
			if math.Abs(got[i][0]-30) > 1e-3 {
				t.Errorf("the outlier leaves %v, want 30", got[i][0])
			}
		case i > perDay+3:
			if math.Abs(got[i][0]) > 3 {
				t.Fatalf("event %d: %v remains of a pattern of ±50", i, got[i][0])
			}
		}
	}
}

// TestResidualsOfConstantsAreZero: rounding must not leave tiny residuals, which no histogram can bin.
func TestResidualsOfConstantsAreZero(t *testing.T) {
	t.Parallel()
	for _, c := range []float64{0.1, -7e8, 1e-300, 0} {
		x := make([]float64, 3000)
		for i := range x {
			x[i] = c
		}
		x[5] += 1
		for i, row := range run(t, x, time.Minute, "diff", "ewma_residual(0.1)", "median_residual", "season_residual") {
			for j, v := range row {
				if i > 400 && v != 0 {
					t.Fatalf("constant %v, event %d, column %d: %v", c, i, j, v)
				}
			}
		}
	}
}

// TestColumnsComeInBlocks checks the order: all first transforms, then all second ones.
func TestColumnsComeInBlocks(t *testing.T) {
	t.Parallel()
	p := NewPipeline([]Feature{{Name: "a", Transforms: Defaults(2)}, {Name: "b", Transforms: Defaults(2)}, {Name: "c", Transforms: Defaults(1)}})
	var got []string
	for _, c := range p.Columns() {
		got = append(got, string(rune('a'+c.Feature))+" "+c.Transform.String())
	}
	want := []string{"a value", "b value", "c value", "a ewma_residual(0.1)", "b ewma_residual(0.1)", "c diff", "c median_residual(10)"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestParseTransform checks that what is read is written alike, and what is refused.
func TestParseTransform(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"value": "value", " diff ": "diff", "ewma_residual": "ewma_residual(0.1)", "ewma_residual( 0.05 )": "ewma_residual(0.05)",
		"median_residual": "median_residual(10)", "rolling_sd(30)": "rolling_sd(30)", "lag": "lag(1)", "log": "log",
		"hour_sin_cos": "hour_sin_cos", "season_residual(1h)": "season_residual(1h0m0s)",
	} {
		got, err := ParseTransform(text)
		if err != nil || got.String() != want {
			t.Errorf("%q: got %v, %v, want %s", text, got, err, want)
			continue
		}
		if again, err := ParseTransform(got.String()); err != nil || again != got {
			t.Errorf("%q: %v is read as %v, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "values", "diff(1)", "value()", "lag(0)", "lag(1001)", "lag(x)", "lag(2", "ewma_residual(0)", "ewma_residual(1.1)", "ewma_residual(NaN)", "rolling_sd(1)", "season_residual(7m)", "season_residual(1s)"} {
		if got, err := ParseTransform(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

// TestTransformsAreCausal checks that an event's columns do not depend on later events, and that Apply remembers nothing.
func TestTransformsAreCausal(t *testing.T) {
	t.Parallel()
	all := []string{"value", "diff", "ewma_residual(0.3)", "median_residual(7)", "rolling_sd(5)", "lag(4)", "season_residual(1h)"}
	rapid.Check(t, func(rt *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 2, 60).Draw(rt, "x")
		cut := rapid.IntRange(1, len(x)-1).Draw(rt, "cut")
		whole, head := run(t, x, 37*time.Minute, all...), run(t, x[:cut], 37*time.Minute, all...)
		for i := range head {
			if !slices.Equal(whole[i], head[i]) {
				rt.Fatalf("event %d: %v with, %v without the future", i, whole[i], head[i])
			}
		}
	})
}

// FuzzParseTransform checks that no text makes a transform that is not read back.
func FuzzParseTransform(f *testing.F) {
	for _, text := range []string{"value", "ewma_residual(0.05)", "lag(3)", "season_residual(5m)", "rolling_sd((3))"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tr, err := ParseTransform(text)
		if err != nil {
			return
		}
		if again, err := ParseTransform(tr.String()); err != nil || again != tr {
			t.Errorf("%q: %v is read as %v, %v", text, tr, again, err)
		}
	})
}

// BenchmarkPipeline measures the default columns of four features.
func BenchmarkPipeline(b *testing.B) {
	list := make([]Feature, 4)
	for i := range list {
		list[i] = Feature{Name: "x", Transforms: Defaults(4)}
	}
	p := NewPipeline(list)
	s, values, out := p.NewState(), []float64{1, 2, 3, 4}, make([]float64, len(p.Columns()))
	var scratch []float64
	b.ReportAllocs()
	for b.Loop() {
		p.Apply(s, values, start, out, &scratch)
		p.Learn(s, values, start)
	}
}
