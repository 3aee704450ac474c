package detectors

import "math"

// RRCF is the robust random cut forest of Guha et al. (2016): it learns one row at a time without a refit. A random cut
// tree cuts a column with probability proportional to its range, at a uniform position, until every leaf is one row or
// several equal ones; a row can be inserted and removed so that the tree stays one drawn like that.
//
// The score is the collusive displacement, as a mean over the trees: the row is inserted, and on the way from its leaf
// to the root the largest ratio (rows of the sibling)/(rows of the subtree) is taken, which is how many rows would move
// up if the row and its likes were removed. It is about 1 to 10 for normal rows and at most the rows of a tree.
//
// Every tree holds the last tree_size rows; Learn removes the oldest and inserts the new one. Fit inserts the last rows of
// the matrix. A model that has learned depends on the order of all rows since, not on the rows it holds alone.
//
// Parameters: num_trees (n_estimators, trees) 50; tree_size (max_samples) 256, from 2 to 16384. There is no mode. A
// score and Learn cost O(trees·depth·d), a fit one of each per row. Columns are cut by their range: scale first. RCF is
// faster and steadier where refits are possible.
type RRCF struct {
	trees, size int

	cols   int
	forest []cutTree
	rows   []float64 // The rows that the trees hold, and one to score.
	held   int
	oldest int
	scores []float64
}

func newRRCF(p *params) (Detector, error) {
	p.strict() // Both modes are the same.
	f := &RRCF{
		trees: p.int("num_trees|n_estimators|trees", 50, 1, 1000),
		size:  p.int("tree_size|max_samples", 256, 2, 16384),
	}
	return f, p.done()
}

// Name returns "rrcf".
func (f *RRCF) Name() string { return "rrcf" }

// TrainingScores returns the scores of the rows of the last Fit: of those that the trees hold as they are in them, of
// the others as if inserted.
func (f *RRCF) TrainingScores() []float64 { return f.scores }

// Fit inserts the last rows into new trees.
func (f *RRCF) Fit(x Matrix, seed uint64) error {
	f.cols = 0
	if err := checkMatrix("rrcf", x); err != nil {
		return err
	}
	d := x.Cols
	f.rows = resize(f.rows, (f.size+1)*d)
	f.forest = resize(f.forest, f.trees)
	first := max(0, x.Rows-f.size)
	f.held, f.oldest = x.Rows-first, 0
	copy(f.rows, x.Data[first*d:])
	bound(f.rows[:f.held*d])
	for t := range f.forest {
		tree := &f.forest[t]
		tree.reset(f.size, d, newRNG(seed, uint64(t)))
		for i := range f.held {
			tree.insert(f.rows, i)
		}
	}
	f.cols = d
	f.scores = resize(f.scores, x.Rows)
	for i := range f.scores {
		if i < first {
			f.scores[i] = f.displacement(x.Row(i))
			continue
		}
		var sum float64
		for t := range f.forest {
			sum += f.forest[t].codisp(i - first)
		}
		f.scores[i] = sum / float64(f.trees)
	}
	return nil
}

// bound limits values, so that no range overflows.
func bound(row []float64) {
	for j, v := range row {
		row[j] = min(max(v, -1e150), 1e150)
	}
}

// displacement inserts a row into every tree, and removes it again with the generator as it was.
func (f *RRCF) displacement(row []float64) float64 {
	own := f.rows[f.size*f.cols:]
	copy(own, row)
	bound(own)
	var sum float64
	for t := range f.forest {
		tree := &f.forest[t]
		random := tree.random
		tree.insert(f.rows, f.size)
		sum += tree.codisp(f.size)
		tree.remove(f.size)
		tree.random = random
	}
	return sum / float64(f.trees)
}

// Score returns the mean collusive displacement that the row would have.
func (f *RRCF) Score(row []float64) (float64, error) {
	if err := checkRow("rrcf", f.cols, row); err != nil {
		return 0, err
	}
	return f.displacement(row), nil
}

// Learn inserts the row, in place of the oldest if the trees are full.
func (f *RRCF) Learn(row []float64) error {
	if err := checkRow("rrcf", f.cols, row); err != nil {
		return err
	}
	slot, full := f.held, f.held == f.size
	if full {
		slot = f.oldest
		for t := range f.forest {
			f.forest[t].remove(slot)
		}
		f.oldest = (f.oldest + 1) % f.size
	} else {
		f.held++
	}
	own := f.rows[slot*f.cols : (slot+1)*f.cols]
	copy(own, row)
	bound(own)
	for t := range f.forest {
		f.forest[t].insert(f.rows, slot)
	}
	return nil
}

// Explain writes the squared z-score of every column among the rows that the trees hold. A constant column has the
// unit of its values.
func (f *RRCF) Explain(row, parts []float64) error {
	if err := checkParts("rrcf", f.cols, row, parts); err != nil {
		return err
	}
	n := float64(f.held)
	for j, v := range row {
		var mean, square float64
		for i := range f.held {
			mean += f.rows[i*f.cols+j] / n
		}
		for i := range f.held {
			square += (f.rows[i*f.cols+j] - mean) / n * (f.rows[i*f.cols+j] - mean)
		}
		if square == 0 {
			square = 1
		}
		z := min(math.Abs(v-mean)/math.Sqrt(square), 1e150)
		parts[j] = z * z
	}
	return nil
}

// SizeBytes returns the memory of the fitted model, training scores included.
func (f *RRCF) SizeBytes() int {
	sum := 8 * (cap(f.rows) + cap(f.scores))
	for t := range f.forest {
		sum += f.forest[t].sizeBytes()
	}
	return sum
}
