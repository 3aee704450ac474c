package detectors

import (
	"fmt"
	"math"
	"testing"
)

// rcfOracle is the score of a row in the subtree below node k, from the definition: it is told which rows of
// the tree came here, and recomputes their box.
func rcfOracle(t *testing.T, f *cutForest, tree, k, depth int, rows [][]float32, row []float32) float64 {
	m := float64(len(rows))
	lo, hi := append([]float32(nil), rows[0]...), append([]float32(nil), rows[0]...)
	for _, r := range rows {
		for j, v := range r {
			lo[j], hi[j] = min(lo[j], v), max(hi[j], v)
		}
	}
	var outside, sides float64
	for j, v := range row {
		outside += max(float64(lo[j])-float64(v), float64(v)-float64(hi[j]), 0)
		sides += float64(hi[j]) - float64(lo[j])
	}
	worth := 1 - m/float64(2*f.psi)
	info, step := f.info[tree*2*f.psi+k], f.steps[tree*2*f.psi+k]
	if int(info.rows) != len(rows) || int(info.depth) != depth {
		t.Errorf("tree %d node %d: got %d rows at depth %d, want %d at %d", tree, k, info.rows, info.depth, len(rows), depth)
	}
	if int(step.first) == k {
		if sides > 0 {
			t.Errorf("tree %d: a leaf at depth %d holds different rows", tree, depth)
		}
		if outside > 0 {
			return worth / float64(depth+1)
		}
		return worth / (float64(depth) + math.Log2(1+m))
	}
	var sides2 [2][][]float32
	child := 0
	for _, r := range rows {
		to := 0
		if r[step.column] > step.cut {
			to = 1
		}
		sides2[to] = append(sides2[to], r)
	}
	if row[step.column] > step.cut {
		child = 1
	}
	if len(sides2[0]) == 0 || len(sides2[1]) == 0 {
		t.Fatalf("tree %d node %d: a cut leaves one side empty", tree, k)
	}
	p := outside / (outside + sides)
	return p*worth/float64(depth+1) + (1-p)*rcfOracle(t, f, tree, int(step.first)+child, depth+1, sides2[child], row)
}

// TestRCFIsItsDefinition on trees that hold all rows.
func TestRCFIsItsDefinition(t *testing.T) {
	t.Parallel()
	for _, shape := range shapes {
		for _, size := range [][2]int{{1, 2}, {2, 1}, {3, 4}, {40, 3}, {120, 5}, {60, 70}} {
			x := shaped(shape.value, size[0], size[1], 3)
			d := fitted(t, Spec{"rcf", map[string]any{"trees": 8}}, x).(*RCF)
			rows := make([][]float32, x.Rows)
			for i := range rows {
				rows[i] = castRow(x.Row(i), make([]float32, d.forest.width))
			}
			queries := shaped(shapes[0].value, 20, x.Cols, 9)
			for i := range x.Rows + queries.Rows {
				raw := append(append([]float64(nil), x.Data...), queries.Data...)[i*x.Cols : (i+1)*x.Cols]
				row := castRow(raw, make([]float32, d.forest.width))
				var want float64
				for tree := range 8 {
					want += rcfOracle(t, &d.forest, tree, 0, 0, rows, row) / 8
				}
				got := scoreOf(t, d, raw)
				near(t, fmt.Sprintf("%s %v row %d", shape.name, size, i), got, want, 1e-5*want)
				if i < x.Rows && d.TrainingScores()[i] != got {
					t.Errorf("%s %v row %d: got training score %v, want %v", shape.name, size, i, d.TrainingScores()[i], got)
				}
			}
		}
	}
}

// TestRCFAscends: the instructions of this processor give the bits of the Go version, from every leaf.
func TestRCFAscends(t *testing.T) {
	t.Parallel()
	for _, shape := range shapes {
		for _, cols := range []int{1, 4, 6, 13} {
			d := fitted(t, Spec{"rcf", map[string]any{"trees": 3}}, shaped(shape.value, 70, cols, 3)).(*RCF)
			f := &d.forest
			queries := shaped(shapes[0].value, 100, cols, 9)
			for tree := range f.trees {
				info, boxes := f.info[tree*2*f.psi:], f.boxes[tree*f.psi*2*f.width:]
				for i := range queries.Rows {
					row := castRow(queries.Row(i), make([]float32, f.width))
					leaf := int(descendOne(f.stepsOf(tree), row))
					got, want := ascendBoxes(f, info, boxes, row, leaf, 0.3), ascendBoxesGo(f, info, boxes, row, leaf, 0.3)
					if got != want {
						t.Fatalf("%s with %d columns, row %d: got %v, want %v", shape.name, cols, i, got, want)
					}
				}
			}
		}
	}
}

// TestRCFCutsByRange: a column is cut with probability proportional to its range, at a uniform position.
func TestRCFCutsByRange(t *testing.T) {
	t.Parallel()
	x := gaussian(256, 3, 4)
	for i := range x.Rows {
		x.Row(i)[1] *= 2
		x.Row(i)[2] = 5
	}
	const trees = 4000
	f := &fitted(t, Spec{"rcf", map[string]any{"trees": trees}}, x).(*RCF).forest
	var count [3]int
	var position float64
	for tree := range trees {
		node, box := f.steps[tree*2*f.psi], f.boxes[tree*f.psi*2*f.width:]
		count[node.column]++
		lo, hi := float64(box[node.column]), float64(box[4+node.column])
		position += (float64(node.cut) - lo) / (hi - lo) / trees
	}
	box := f.boxes
	want := float64(box[5]-box[1]) / float64(box[4]-box[0]+box[5]-box[1])
	if got := float64(count[1]) / trees; math.Abs(got-want) > 0.04 || count[2] > 0 {
		t.Errorf("got column 1 cut first by %v of the trees and column 2 by %d, want %v and none", got, count[2], want)
	}
	near(t, "mean position", position, 0.5, 0.03) // Six standard errors.
}

// TestRCFScale of the score: about 0.1 is normal, far rows come near ½, and a constant column that changes is seen.
func TestRCFScale(t *testing.T) {
	t.Parallel()
	x := gaussian(2000, 3, 4)
	for i := range x.Rows {
		x.Row(i)[2] = 1
	}
	d := fitted(t, Spec{"rcf", nil}, x)
	normal := scoreOf(t, d, []float64{0.3, -0.2, 1})
	if normal < 0.04 || normal > 0.15 {
		t.Errorf("got %v of a normal row, want about 0.1", normal)
	}
	last := normal
	for _, far := range []float64{4, 8, 16, 1e3, 1e12, 1e200} {
		got := scoreOf(t, d, []float64{far, far, 1})
		if got <= last && last < 0.49 || got > 0.5 {
			t.Errorf("at %v: got %v, want more than %v and at most ½", far, got, last)
		}
		last = got
	}
	if got := scoreOf(t, d, []float64{0.3, -0.2, 4}); got < 2*normal {
		t.Errorf("got %v after a constant changed, want far more than %v", got, normal)
	}
}

// TestRCFPartsSum to the score where the row is outside some box of each tree.
func TestRCFPartsSum(t *testing.T) {
	t.Parallel()
	d, parts := fitted(t, Spec{"rcf", nil}, gaussian(500, 5, 1)), make([]float64, 5)
	for i := range 30 {
		row := gaussian(1, 5, uint64(50+i)).Row(0)
		row[i%5] = 30
		if err := d.Explain(row, parts); err != nil {
			t.Fatal(err)
		}
		var sum float64
		for _, part := range parts {
			sum += part
		}
		score := scoreOf(t, d, row)
		if sum > score*(1+1e-5) || sum < 0.9*score {
			t.Errorf("got parts of sum %v, want most of the score %v", sum, score)
		}
	}
}

func FuzzRCF(f *testing.F) { fuzzDetector(f, "rcf", "n_estimators") }

func BenchmarkRCF(b *testing.B) { benchDetector(b, Spec{"rcf", nil}) }
