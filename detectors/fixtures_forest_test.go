package detectors

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
)

// fixtureTree is an exported tree as parallel arrays; node 0 is the root, feature -1 a leaf.
type fixtureTree struct {
	Feature, Left, Right, Rows []int
	Threshold                  []float64
}

// fixtureForest is an exported forest.
type fixtureForest struct {
	Data           string
	Psi            int
	DepthLimit     int     `json:"depth_limit"`
	CPsi           float64 `json:"c_psi"`
	Trees          []fixtureTree
	TrainRaw       numbers                       `json:"train_raw"`
	QueryRaw       numbers                       `json:"query_raw"`
	QueryLeaf      [][]int                       `json:"query_leaf"`
	QueryEdges     [][]int                       `json:"query_edges"`
	ByContaminated map[string]fixtureForestBlock `json:"by_contamination"`
}

type fixtureForestBlock struct {
	Offset      float64
	TrainScores numbers `json:"train_scores"`
	QueryScores numbers `json:"query_scores"`
	TrainHead   numbers `json:"train_head_as_query"`
	fixtureBlock
	fixtureProbabilities
}

// fixtureLeaf is where an exported leaf is: its node number and its depth.
type fixtureLeaf struct{ node, depth int }

// build turns the exported trees into a forest, and returns which exported leaf is at each position.
func (ff *fixtureForest) build(t *testing.T) (*forest, map[int]fixtureLeaf) {
	f, at := new(forest), map[int]fixtureLeaf{}
	f.reset(len(ff.Trees), ff.DepthLimit)
	for number, tree := range ff.Trees {
		var place func(node, i, depth int)
		place = func(node, i, depth int) {
			if tree.Left[node] < 0 {
				code, ok := f.newCode(depth, tree.Rows[node])
				if !ok {
					t.Fatal("too many kinds of leaves")
				}
				f.setLeaf(number, i, depth, code)
				at[(number-1)<<f.depth+i<<(f.depth-depth)] = fixtureLeaf{node, depth}
				return
			}
			f.setNode(number, i, tree.Feature[node], orderedThreshold(tree.Threshold[node]), tree.Rows[node])
			place(tree.Left[node], 2*i, depth+1)
			place(tree.Right[node], 2*i+1, depth+1)
		}
		place(0, 1, 0)
	}
	return f, at
}

// checkForest descends an exported forest: the same leaves after the same edges, and the same scores.
func (f *fixtures) checkForest(t *testing.T, path string) {
	var ff fixtureForest
	f.load(t, path, &ff)
	train, query, _ := f.data(t, ff.Data)
	for _, group := range []string{"IForest", "base class"} {
		f.count(group, func(c *fixtureTally) { c.files++ })
	}
	f.compare(t, "IForest", "c(psi)", averagePath(ff.Psi), ff.CPsi, 1e-14, 0)
	f.compare(t, "IForest", "depth limit", float64(depthLimit(ff.Psi)), float64(ff.DepthLimit), 0, 0)
	trees, at := ff.build(t)
	for number := range ff.Trees {
		for i := range query.Rows {
			leaf := at[trees.descend(number, query.Row(i))]
			if leaf.node != ff.QueryLeaf[number][i] || leaf.depth != ff.QueryEdges[number][i] {
				t.Fatalf("tree %d row %d: got leaf %d after %d edges, want %d after %d", number, i, leaf.node, leaf.depth, ff.QueryLeaf[number][i], ff.QueryEdges[number][i])
			}
			f.count("IForest", func(c *fixtureTally) { c.compared += 2 })
		}
	}
	d := &IForest{psi: ff.Psi, cols: train.Cols, forest: *trees}
	raw := make([]float64, train.Rows)
	for i := range raw {
		raw[i] = d.raw(train.Row(i))
		f.compare(t, "IForest", fmt.Sprintf("raw score of training row %d", i), raw[i], ff.TrainRaw[i], 0, 1e-12)
	}
	batch := make([]float64, train.Rows)
	d.rawAll(train, batch, new(forestGrower))
	sameBits(t, "training scores one by one and together", batch, raw)
	for i, want := range ff.QueryRaw {
		f.compare(t, "IForest", fmt.Sprintf("raw score of query row %d", i), d.raw(query.Row(i)), want, 0, 1e-12)
	}
	for contamination, block := range ff.ByContaminated {
		what := "at " + contamination
		d.offset = Percentile(raw, 100*(1-parseNumber(t, contamination)))
		f.compare(t, "IForest", what+": offset", d.offset, block.Offset, 0, 1e-12)
		for i := range raw {
			f.compare(t, "IForest", what+": training score", raw[i]-d.offset, block.TrainScores[i], 0, 1e-12)
		}
		for i, want := range block.QueryScores {
			f.compare(t, "IForest", what+": query score", scoreOf(t, d, query.Row(i)), want, 0, 1e-12)
		}
		for i, want := range block.TrainHead {
			f.compare(t, "IForest", what+": training row as query", scoreOf(t, d, train.Row(i)), want, 0, 1e-12)
		}
		// Scores less their own percentile: the threshold is 0 up to rounding, and equality is decided by PyOD's bits.
		o := outputsOf(t, block.TrainScores, parseNumber(t, contamination))
		near(t, what+": threshold", o.Threshold(), float64(block.Threshold), 1e-15)
		f.checkBlock(t, what, o, block.TrainScores, block.QueryScores, &block.fixtureBlock)
		f.checkProbabilities(t, what, block.TrainScores, block.QueryScores, &block.fixtureProbabilities)
	}
}

// fixtureEnvelope describes how forests of 12 seeds spread.
type fixtureEnvelope struct {
	Data      string
	Reference struct {
		RowMean       numbers `json:"row_mean"`
		RowSD         numbers `json:"row_sd"`
		Mean          float64
		AUC, Spearman struct{ Mean float64 }
		Nodes         float64
		Depth         int
	}
	Limits struct {
		Mean, Row, RMS, AUC, Spearman, Nodes float64
		SDRatio                              [2]float64 `json:"sd_ratio"`
		Depth                                int
	}
}

// checkEnvelope fits 12 forests of our own and holds them against the limits.
func (f *fixtures) checkEnvelope(t *testing.T, path string) {
	var e fixtureEnvelope
	f.load(t, path, &e)
	train, query, labels := f.data(t, e.Data)
	const forests = 12
	var raw [forests][]float64
	var nodes, auc, spearman, pairs float64
	deepest := 0
	for seed := range forests {
		d, err := New(Spec{"iforest", nil})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Fit(train, uint64(seed)); err != nil {
			t.Fatal(err)
		}
		for i := range query.Rows {
			raw[seed] = append(raw[seed], scoreOf(t, d, query.Row(i)))
		}
		count, depth := shapeOf(&d.(*IForest).forest)
		nodes += count / forests
		deepest = max(deepest, depth)
		auc += areaUnderROC(labels, raw[seed]) / forests
		for other := range seed {
			spearman += correlation(ranksOf(raw[seed]), ranksOf(raw[other]))
			pairs++
		}
	}
	var mean, worst, squares, sd, referenceSD float64
	for i := range query.Rows {
		var sum, sumSquares float64
		for _, scores := range raw {
			sum += scores[i] / forests
		}
		for _, scores := range raw {
			sumSquares += (scores[i] - sum) * (scores[i] - sum)
		}
		difference := sum - e.Reference.RowMean[i]
		mean += sum / float64(query.Rows)
		worst = max(worst, math.Abs(difference))
		squares += difference * difference / float64(query.Rows)
		sd += math.Sqrt(sumSquares / (forests - 1))
		referenceSD += e.Reference.RowSD[i]
	}
	within := func(what string, difference, limit float64) {
		t.Helper()
		f.count("IForest envelope", func(c *fixtureTally) { c.compared++ })
		if !(math.Abs(difference) <= limit) {
			t.Errorf("%s: difference %.4g is beyond the limit %.4g", what, difference, limit)
		}
	}
	f.count("IForest envelope", func(c *fixtureTally) { c.files++ })
	within("mean score", mean-e.Reference.Mean, e.Limits.Mean)
	within("mean score of a row", worst, e.Limits.Row)
	within("root mean square of the rows", math.Sqrt(squares), e.Limits.RMS)
	within("area under the ROC curve", auc-e.Reference.AUC.Mean, e.Limits.AUC)
	within("rank correlation of two seeds", spearman/pairs-e.Reference.Spearman.Mean, e.Limits.Spearman)
	within("nodes of a tree", nodes-e.Reference.Nodes, e.Limits.Nodes)
	within("deepest leaf", float64(deepest-e.Reference.Depth), float64(e.Limits.Depth))
	middle := (e.Limits.SDRatio[0] + e.Limits.SDRatio[1]) / 2
	within("spread of a row over the seeds", sd/referenceSD-middle, e.Limits.SDRatio[1]-middle)
}

// shapeOf returns the mean number of nodes of a tree and the depth of the deepest leaf.
func shapeOf(f *forest) (nodes float64, deepest int) {
	for tree := range f.trees {
		var walk func(i, depth int)
		walk = func(i, depth int) {
			nodes++
			if depth < f.depth && f.nodes[tree<<f.depth+i] != allLeft {
				walk(2*i, depth+1)
				walk(2*i+1, depth+1)
				return
			}
			deepest = max(deepest, depth)
		}
		walk(1, 0)
	}
	return nodes / float64(f.trees), deepest
}

// areaUnderROC counts the pairs of a positive and a negative that are in order.
func areaUnderROC(labels []int, scores []float64) float64 {
	var won, pairs float64
	for i, a := range scores {
		for j, b := range scores {
			if labels[i] == 1 && labels[j] == 0 {
				pairs++
				if a > b {
					won++
				} else if a == b {
					won += 0.5
				}
			}
		}
	}
	return won / pairs
}

// ranksOf returns ranks, equal values sharing the mean one.
func ranksOf(v []float64) []float64 {
	sorted := slices.Sorted(slices.Values(v))
	ranks := make([]float64, len(v))
	for i, x := range v {
		low, _ := slices.BinarySearch(sorted, x)
		high := low
		for high < len(sorted) && sorted[high] == x {
			high++
		}
		ranks[i] = float64(low+high-1) / 2
	}
	return ranks
}

// correlation is Pearson's.
func correlation(a, b []float64) float64 {
	ma, mb := meanOf(a), meanOf(b)
	var ab, aa, bb float64
	for i := range a {
		ab += (a[i] - ma) * (b[i] - mb)
		aa += (a[i] - ma) * (a[i] - ma)
		bb += (b[i] - mb) * (b[i] - mb)
	}
	return ab / math.Sqrt(aa*bb)
}

func parseNumber(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
