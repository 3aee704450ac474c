package detectors

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
)

// plainPath descends a tree as the definition says, on floats: float64(float32(x)) > threshold goes right.
func plainPath(f *forest, tree int, row []float64) float64 {
	i := 1
	for depth := 0; depth < f.depth; depth++ {
		node := f.nodes[tree<<f.depth+i]
		if node == allLeft {
			i *= 2
			continue
		}
		threshold := floatOrdered(int32(node >> nodeShift))
		i *= 2
		if float64(float32(row[uint16(node)])) > threshold {
			i++
		}
	}
	return f.path[f.leaves[tree<<f.depth+i-1<<f.depth]]
}

// TestForestDescents: one row at a time, five trees at a time, six rows at a time and four levels at a time give the bits
// of a plain descent, at any depth and width.
func TestForestDescents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ rows, cols, trees, samples int }{
		{300, 3, 103, 256}, {300, 8, 103, 256}, {300, 9, 103, 256}, {300, 3, 100, 64}, {5, 2, 7, 256}, {1, 2, 3, 256}, {2, 1, 4, 256},
		{2000, 5, 11, 2000}, {300, 64, 13, 256}, {300, 65, 13, 256}, {300, 256, 6, 200}, {300, 300, 6, 256},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			t.Parallel()
			for _, shape := range shapes {
				x := shaped(shape.value, c.rows, c.cols, 4)
				d := fitted(t, Spec{"iforest", map[string]any{"n_estimators": c.trees, "max_samples": c.samples}}, x).(*IForest)
				for i := range x.Rows {
					var sum float64
					for tree := range d.forest.trees {
						sum += plainPath(&d.forest, tree, x.Row(i))
					}
					want := 0.5
					if c := averagePath(d.psi); c > 0 {
						want = math.Exp2(-sum / (float64(d.forest.trees) * c))
					}
					if got := d.TrainingScores()[i]; got != want {
						t.Fatalf("%s: training score %d: got %v, want %v", shape.name, i, got, want)
					}
					if got := scoreOf(t, d, x.Row(i)); got != want {
						t.Fatalf("%s: score %d: got %v, want %v", shape.name, i, got, want)
					}
				}
			}
		})
	}
}

// TestForestShape: every tree holds its sample, every inner node splits it, and no leaf could be split any more.
func TestForestShape(t *testing.T) {
	t.Parallel()
	for _, shape := range shapes {
		x := shaped(shape.value, 500, 3, 9)
		for _, psi := range []int{1, 2, 3, 100, 256, 400} {
			d := fitted(t, Spec{"iforest", map[string]any{"n_estimators": 10, "max_samples": psi}}, x).(*IForest)
			f := &d.forest
			if want := depthLimit(psi); f.depth != want {
				t.Errorf("%d rows: got depth %d, want %d", psi, f.depth, want)
			}
			for tree := range f.trees {
				if got := f.rowsBelow(tree, 1); got != psi {
					t.Fatalf("%s: tree %d has %d rows, want %d", shape.name, tree, got, psi)
				}
				for i := 1; i < 1<<f.depth; i++ {
					node := f.nodes[tree<<f.depth+i]
					if node == allLeft || f.rowsBelow(tree, i) == 0 {
						continue
					}
					if f.rowsBelow(tree, 2*i) == 0 || f.rowsBelow(tree, 2*i+1) == 0 {
						t.Fatalf("%s: tree %d node %d has an empty side", shape.name, tree, i)
					}
				}
			}
		}
	}
}

// TestOrderedFloats: the integer code orders like float32, and a rounded threshold decides like the float64 one.
func TestOrderedFloats(t *testing.T) {
	t.Parallel()
	values := []float64{math.Inf(-1), -math.MaxFloat64, -1e39, -math.MaxFloat32, -1, -1e-45, math.Copysign(0, -1), 0, 1e-46, 1e-45, 1, 1 + 0x1p-24, 1 + 0x1p-23, math.MaxFloat32, 1e39, math.Inf(1)}
	for _, a := range values {
		if got := floatOrdered(orderedFloat(a)); got != float64(float32(a)) {
			t.Errorf("%v: got %v back, want %v", a, got, float32(a))
		}
		for _, threshold := range values {
			if got, want := orderedFloat(a) > orderedThreshold(threshold), float64(float32(a)) > threshold; got != want {
				t.Errorf("%v > %v: got %v, want %v", a, threshold, got, want)
			}
		}
	}
}

func TestAveragePath(t *testing.T) {
	t.Parallel()
	for m, want := range map[int]float64{0: 0, 1: 0, 2: 1, 3: 1.2073924, 256: 10.2447709} {
		f := new(forest)
		f.reset(1, 4)
		near(t, fmt.Sprintf("c(%d) from the table", m), f.average(m), averagePath(m), 0)
		near(t, fmt.Sprintf("c(%d)", m), averagePath(m), want, 1e-7)
	}
	for psi, want := range map[int]int{1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 200: 8, 256: 8, 257: 9} {
		if got := depthLimit(psi); got != want {
			t.Errorf("depth limit of %d rows: got %d, want %d", psi, got, want)
		}
	}
}

// TestIForestExplain: the parts sum to c(psi) - E[h], that is, they explain the score itself.
func TestIForestExplain(t *testing.T) {
	t.Parallel()
	for _, params := range []map[string]any{nil, {"max_samples": 64, "n_estimators": 20}, {"max_samples": 300}, {"max_features": 2}, {"max_samples": 40000, "n_estimators": 2}} {
		rows := 400
		if params["n_estimators"] == 2 {
			rows = 40000
		}
		x := gaussian(rows, 4, 31)
		d := fitted(t, Spec{"iforest", params}, x).(*IForest)
		parts := make([]float64, 4)
		c := averagePath(d.psi)
		for i := range 50 {
			row := gaussian(1, 4, uint64(i)).Row(0)
			row[i%4] *= 3
			if err := d.Explain(row, parts); err != nil {
				t.Fatal(err)
			}
			var sum float64
			for _, part := range parts {
				sum += part
			}
			near(t, "score from the parts", math.Exp2(sum/c-1), scoreOf(t, d, row), 1e-12)
		}
	}
}

// TestIForestModes: strict is raw less its percentile, so about a tenth of the training rows is above 0.
func TestIForestModes(t *testing.T) {
	t.Parallel()
	x := gaussian(500, 3, 41)
	raw, strict := fitted(t, Spec{"iforest", nil}, x), fitted(t, Spec{"iforest", map[string]any{"mode": "strict", "contamination": 0.1}}, x)
	offset := Percentile(raw.TrainingScores(), 90)
	above := 0
	for i, s := range strict.TrainingScores() {
		near(t, "strict score", s, raw.TrainingScores()[i]-offset, 0)
		if s > 0 {
			above++
		}
	}
	if above != 50 {
		t.Errorf("got %d rows above 0, want 50", above)
	}
	if got, want := scoreOf(t, strict, x.Row(3)), strict.TrainingScores()[3]; got != want {
		t.Errorf("a training row scores %v, want %v", got, want)
	}
}

// TestIForestKnowsWhatItCannotSee are facts about isolation forests that callers must know.
func TestIForestKnowsWhatItCannotSee(t *testing.T) {
	t.Parallel()
	constant := gaussian(300, 2, 51)
	for i := range constant.Rows {
		constant.Row(i)[1] = 3
	}
	d := fitted(t, Spec{"iforest", nil}, constant)
	if a, b := scoreOf(t, d, []float64{0.1, 3}), scoreOf(t, d, []float64{0.1, 100}); a != b {
		t.Errorf("a constant column changed: got %v and %v, want the same", a, b)
	}
	identical := shaped(shapes[5].value, 50, 2, 1)
	if got := scoreOf(t, fitted(t, Spec{"iforest", nil}, identical), []float64{9, 9}); math.Abs(got-0.5) > 1e-12 {
		t.Errorf("identical rows: got %v, want ½ for any row", got)
	}
	if got := fitted(t, Spec{"iforest", nil}, gaussian(1, 2, 1)).TrainingScores()[0]; got != 0.5 {
		t.Errorf("one row: got %v, want ½", got)
	}
	tiny := gaussian(100, 1, 61)
	for i := range tiny.Data {
		tiny.Data[i] *= 1e-9
	}
	if s := fitted(t, Spec{"iforest", nil}, tiny).TrainingScores(); slices.Min(s) != slices.Max(s) {
		t.Errorf("a range below 1e-7: got scores from %v to %v, want all equal", slices.Min(s), slices.Max(s))
	}
}

// TestIForestColumns: every non-constant column is equally likely to be split first, and max_features limits them.
func TestIForestColumns(t *testing.T) {
	t.Parallel()
	x := gaussian(300, 4, 71)
	for i := range x.Rows {
		x.Row(i)[2] = 1
		x.Row(i)[1] *= 1000
	}
	d := fitted(t, Spec{"iforest", map[string]any{"n_estimators": 3000}}, x).(*IForest)
	var first [4]float64
	for tree := range 3000 {
		first[uint16(d.forest.nodes[tree<<d.forest.depth+1])]++
	}
	for column, n := range first {
		want := 1000.0
		if column == 2 {
			want = 0
		}
		near(t, fmt.Sprintf("trees that split column %d first", column), n, want, 6*math.Sqrt(3000*2.0/9)*min(1, want))
	}
	one := fitted(t, Spec{"iforest", map[string]any{"max_features": 1, "n_estimators": 50}}, x).(*IForest)
	for tree := range 50 {
		seen := map[uint16]bool{}
		for i := 1; i < 1<<one.forest.depth; i++ {
			if node := one.forest.nodes[tree<<one.forest.depth+i]; node != allLeft && one.forest.rowsBelow(tree, i) > 1 {
				seen[uint16(node)] = true
			}
		}
		if len(seen) > 1 {
			t.Errorf("tree %d splits columns %v, want one", tree, seen)
		}
	}
}

func TestIForestSamples(t *testing.T) {
	t.Parallel()
	x := gaussian(120, 2, 81)
	for _, c := range []struct {
		given any
		psi   int
	}{{"auto", 120}, {100, 100}, {0.5, 60}, {1.0, 120}, {500, 120}, {float64(40), 40}} {
		d := fitted(t, Spec{"iforest", map[string]any{"max_samples": c.given, "n_estimators": 5}}, x).(*IForest)
		if d.psi != c.psi || d.forest.rowsBelow(0, 1) != c.psi {
			t.Errorf("max_samples %v: got %d rows a tree, want %d", c.given, d.psi, c.psi)
		}
	}
	boot := fitted(t, Spec{"iforest", map[string]any{"bootstrap": true, "n_estimators": 200}}, x).(*IForest)
	var rows float64
	for tree := range 200 {
		rows += float64(boot.forest.rowsBelow(tree, 1)) / 200
	}
	near(t, "distinct rows of a bootstrap of 120", rows, 120*(1-math.Exp(-1)), 1.5)
	var param *ParamError
	d, err := New(Spec{"iforest", map[string]any{"max_samples": 0.001}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Fit(x, 1); !errors.As(err, &param) || param.Param != "max_samples" {
		t.Errorf("a share of no row: got %v, want a *ParamError", err)
	}
}
