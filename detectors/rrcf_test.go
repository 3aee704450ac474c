package detectors

import (
	"math"
	"slices"
	"testing"
)

// checkCutTree holds a tree to what it must be for the row slots it holds: boxes and numbers of rows are those of the rows
// below, the cuts separate them, and slots of one leaf hold equal rows.
func checkCutTree(t *testing.T, tree *cutTree, rows []float64, slots []int) {
	t.Helper()
	d := tree.cols
	var walk func(i, parent int32, slots []int)
	walk = func(i, parent int32, slots []int) {
		node := tree.nodes[i]
		if node.parent != parent || int(node.rows) != len(slots) || len(slots) == 0 {
			t.Fatalf("node %d: got parent %d and %d rows, want %d and %d", i, node.parent, node.rows, parent, len(slots))
		}
		lo, hi := slices.Repeat([]float64{math.Inf(1)}, d), slices.Repeat([]float64{math.Inf(-1)}, d)
		var sides [2][]int
		for _, s := range slots {
			row := rows[s*d : (s+1)*d]
			for j, v := range row {
				lo[j], hi[j] = min(lo[j], v), max(hi[j], v)
			}
			if row[node.column] <= node.cut {
				sides[0] = append(sides[0], s)
			} else {
				sides[1] = append(sides[1], s)
			}
			if node.left < 0 && tree.leaf[s] != i {
				t.Fatalf("slot %d is in leaf %d, said to be in %d", s, i, tree.leaf[s])
			}
		}
		gotLo, gotHi := tree.box(i)
		if !slices.Equal(gotLo, lo) || !slices.Equal(gotHi, hi) || node.left < 0 && !slices.Equal(lo, hi) {
			t.Fatalf("node %d: got box %v to %v, want %v to %v", i, gotLo, gotHi, lo, hi)
		}
		if node.left >= 0 {
			walk(node.left, i, sides[0])
			walk(node.right, i, sides[1])
		}
	}
	if tree.root >= 0 || len(slots) > 0 {
		walk(tree.root, -1, slots)
	}
}

// TestRRCFTreesStayTrees over thousands of rows learned, of every kind, and scoring changes nothing.
func TestRRCFTreesStayTrees(t *testing.T) {
	t.Parallel()
	for _, shape := range shapes {
		x := shaped(shape.value, 400, 2, 8)
		f := fitted(t, Spec{"rrcf", map[string]any{"trees": 3, "tree_size": 37}}, Matrix{20, 2, x.Data[:40]}).(*RRCF)
		for i := 20; i < x.Rows; i++ {
			score := scoreOf(t, f, x.Row(i))
			if again := scoreOf(t, f, x.Row(i)); again != score {
				t.Fatalf("%s: got score %v, then %v", shape.name, score, again)
			}
			if err := f.Learn(x.Row(i)); err != nil {
				t.Fatal(err)
			}
			slots := make([]int, f.held)
			for s := range slots {
				slots[s] = s
			}
			newest, full := (f.oldest+f.held-1)%f.held, i >= 37
			want := slices.Clone(x.Row(i))
			bound(want)
			if !slices.Equal(f.rows[newest*2:newest*2+2], want) {
				t.Fatalf("%s: the newest row is %v, want %v", shape.name, f.rows[newest*2:newest*2+2], want)
			}
			var sum float64
			for k := range f.forest {
				checkCutTree(t, &f.forest[k], f.rows, slots)
				sum += f.forest[k].codisp(newest)
			}
			if !full { // Else the oldest row left the trees in between.
				near(t, shape.name+": displacement after learning what was scored", sum/3, score, 0)
			}
		}
	}
}

// robustCutOracle is the displacement of the last row in a tree drawn from the definition: cut the whole set, keep the
// side of the row, and so on; then the largest ratio of what was cut off to what was left.
func robustCutOracle(rows [][]float64, r *rng) float64 {
	last, largest := rows[len(rows)-1], 0.0
	for {
		lo, hi := slices.Clone(last), slices.Clone(last)
		for _, row := range rows {
			for j, v := range row {
				lo[j], hi[j] = min(lo[j], v), max(hi[j], v)
			}
		}
		var total float64
		for j := range lo {
			total += hi[j] - lo[j]
		}
		if total == 0 {
			return largest
		}
		point, j := r.float()*total, 0
		for ; point >= hi[j]-lo[j]; j++ {
			point -= hi[j] - lo[j]
		}
		var same [][]float64
		for _, row := range rows {
			if (row[j] <= lo[j]+point) == (last[j] <= lo[j]+point) {
				same = append(same, row)
			}
		}
		largest = max(largest, float64(len(rows)-len(same))/float64(len(same)))
		rows = same
	}
}

// TestRRCFDrawsRandomCutTrees: after many insertions and removals the displacements have the distribution of trees drawn
// at once from the rows held.
func TestRRCFDrawsRandomCutTrees(t *testing.T) {
	t.Parallel()
	const trees, size = 1000, 24
	x := gaussian(90, 2, 8)
	f := fitted(t, Spec{"rrcf", map[string]any{"trees": trees, "tree_size": size}}, Matrix{30, 2, x.Data[:60]}).(*RRCF)
	var rows [][]float64
	for i := 30; i < x.Rows; i++ {
		if err := f.Learn(x.Row(i)); err != nil {
			t.Fatal(err)
		}
		if i >= x.Rows-size {
			rows = append(rows, x.Row(i))
		}
	}
	r := newRNG(77, 0)
	for _, row := range [][]float64{{0.1, 0}, {1.5, -1}, {4, 0}, {9, 9}, slices.Clone(x.Row(80))} {
		var sum, square float64
		for range trees {
			v := robustCutOracle(append(rows[:len(rows):len(rows)], row), &r)
			sum += v
			square += v * v
		}
		mean := sum / trees
		deviation := math.Sqrt((square/trees - mean*mean) * 2 / trees)
		near(t, "mean displacement", scoreOf(t, f, row), mean, 5*deviation+1e-12)
	}
}

// TestRRCFForgets: a level that the trees were filled with is normal, and the old one no longer.
func TestRRCFForgets(t *testing.T) {
	t.Parallel()
	x := gaussian(400, 2, 5)
	f := fitted(t, Spec{"rrcf", nil}, x).(*RRCF)
	far := []float64{12, 12}
	if got, usual := scoreOf(t, f, far), scoreOf(t, f, []float64{0, 0}); got < 10*usual {
		t.Errorf("got %v of a far row, want far more than %v", got, usual)
	}
	for i := range 256 {
		if err := f.Learn([]float64{x.Row(i)[0] + 12, x.Row(i)[1] + 12}); err != nil {
			t.Fatal(err)
		}
	}
	if got, old := scoreOf(t, f, far), scoreOf(t, f, []float64{0, 0}); old < 10*got {
		t.Errorf("got %v at the new level and %v at the old, want far more at the old", got, old)
	}
}

func FuzzRRCF(f *testing.F) { fuzzDetector(f, "rrcf", "tree_size") }

func BenchmarkRRCF(b *testing.B) { benchDetector(b, Spec{"rrcf", nil}, 4) }
