package detectors

import (
	"math"
	"slices"
)

// CBLOF is the cluster-based local outlier factor of He et al. (2003) as PyOD computes it, on clusters from k-means.
// Clusters are ordered by size; the first i are large, where i is the first number for which they hold at least alpha of
// the rows and cluster i has at least beta times the rows of the next; if there is none, the first for which one of both
// holds, alpha before beta. Then
//
//	score = distance to the own centre, of a row in a large cluster
//	        distance to the nearest large centre, of a row in a small one
//
// times the size of the row's cluster with use_weights. It has the unit of the rows (scale first).
//
// Parameters: n_clusters (clusters) 8, at most the number of rows; alpha 0.9 inside (0, 1); beta 5, above 1; use_weights
// false; mode. Mode strict refuses what no first i separates, as PyOD does: clusters of about one size, so that even all
// but the last hold less than alpha. Mode fixed calls all but the last large if there are at least three. Clusters are drawn by k-means++ and improved by Lloyd's algorithm with one start from this
// package's generator: they match scikit-learn's in kind, not row by row. Rows that are all equal are refused, and values
// beyond 1e150. Fit costs O(iterations·n·clusters·d), a score O(clusters·d). It misses anomalies that form
// large clusters, and its clusters change from fit to fit.
type CBLOF struct {
	clusters    int
	alpha, beta float64
	weights     bool
	strict      bool

	cols    int
	centers []float64 // Cluster after cluster.
	sizes   []int32
	large   []bool
	scores  []float64
	means   kMeans
}

func newCBLOF(p *params) (Detector, error) {
	c := &CBLOF{
		strict:   p.strict(),
		clusters: p.int("n_clusters|clusters", 8, 1, 4096),
		alpha:    p.float("alpha", 0.9, "a number inside (0, 1)", func(v float64) bool { return v > 0 && v < 1 }),
		beta:     p.float("beta", 5, "a number above 1", func(v float64) bool { return v > 1 }),
		weights:  p.bool("use_weights", false),
	}
	return c, p.done()
}

// Name returns "cblof".
func (c *CBLOF) Name() string { return "cblof" }

// TrainingScores returns the scores of the rows of the last Fit.
func (c *CBLOF) TrainingScores() []float64 { return c.scores }

// Fit clusters the rows, starting from the seed.
func (c *CBLOF) Fit(x Matrix, seed uint64) error {
	c.cols = 0
	if err := checkMatrix("cblof", x); err != nil {
		return err
	}
	if err := checkSquares("cblof", x); err != nil {
		return err
	}
	if c.clusters > x.Rows {
		return &DataError{Detector: "cblof", Row: -1, Col: -1, Reason: "has fewer rows than clusters"}
	}
	c.means.fit(x, c.clusters, seed)
	return c.judge(x, c.means.centers, c.means.own)
}

// checkSquares refuses, for the detector of that name, values whose squared differences may overflow.
func checkSquares(name string, x Matrix) error {
	for i, v := range x.Data {
		if math.Abs(v) > 1e150 {
			return &DataError{Detector: name, Row: i / x.Cols, Col: i % x.Cols, Reason: "is beyond 1e150: squares would overflow"}
		}
	}
	return nil
}

// judge decides which clusters are large and scores the rows, given which cluster each belongs to.
func (c *CBLOF) judge(x Matrix, centers []float64, own []int32) error {
	c.centers = append(c.centers[:0], centers...)
	k := len(centers) / x.Cols
	c.sizes, c.large = resize(c.sizes, k), resize(c.large, k)
	clear(c.sizes)
	clear(c.large)
	for _, cluster := range own {
		c.sizes[cluster]++
	}
	order := make([]int, 0, k)
	for cluster, size := range c.sizes {
		if size > 0 {
			order = append(order, cluster)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(c.sizes[b]) - int(c.sizes[a]) })
	cut := c.separate(order, x.Rows)
	if cut == 0 {
		return &DataError{Detector: "cblof", Row: -1, Col: -1, Reason: "has clusters that alpha and beta do not separate: change n_clusters, alpha or beta"}
	}
	for _, cluster := range order[:cut] {
		c.large[cluster] = true
	}
	c.cols = x.Cols
	c.scores = resize(c.scores, x.Rows)
	for i := range c.scores {
		cluster := int(own[i])
		c.scores[i] = c.factor(x.Row(i), cluster, c.center(x.Row(i), cluster))
	}
	return nil
}

// separate returns how many of the clusters, in descending order of size, are large; 0 if none can be told.
func (c *CBLOF) separate(order []int, rows int) int {
	alpha, beta, sum := 0, 0, 0
	for i := 1; i < len(order); i++ {
		sum += int(c.sizes[order[i-1]])
		enough := float64(sum) >= float64(rows)*c.alpha
		gap := float64(c.sizes[order[i-1]])/float64(c.sizes[order[i]]) >= c.beta
		switch {
		case enough && gap:
			return i
		case enough && alpha == 0:
			alpha = i
		case gap && beta == 0:
			beta = i
		}
	}
	switch {
	case alpha > 0:
		return alpha
	case beta == 0 && !c.strict && len(order) > 2:
		return len(order) - 1
	}
	return beta
}

// nearest returns the nearest centre, among the large ones or all.
func (c *CBLOF) nearest(row []float64, large bool) int {
	best, distance := -1, math.Inf(1)
	for cluster := range c.sizes {
		if large && !c.large[cluster] || c.sizes[cluster] == 0 {
			continue
		}
		if d := squaredDistance(row, c.centers[cluster*len(row):(cluster+1)*len(row)]); best < 0 || d < distance {
			best, distance = cluster, d
		}
	}
	return best
}

// center returns the centre that a row of a cluster is compared with.
func (c *CBLOF) center(row []float64, cluster int) int {
	if c.large[cluster] {
		return cluster
	}
	return c.nearest(row, true)
}

// factor returns the score of a row of a cluster, compared with a centre.
func (c *CBLOF) factor(row []float64, cluster, center int) float64 {
	score := math.Sqrt(squaredDistance(row, c.centers[center*len(row):(center+1)*len(row)]))
	if c.weights {
		score *= float64(c.sizes[cluster])
	}
	return finite(score, 0)
}

// Score returns the distance to the centre that counts, in the unit of the rows.
func (c *CBLOF) Score(row []float64) (float64, error) {
	if err := checkRow("cblof", c.cols, row); err != nil {
		return 0, err
	}
	cluster := c.nearest(row, false)
	return c.factor(row, cluster, c.center(row, cluster)), nil
}

// Explain writes each column's share of the distance, (x_j - c_j)²/|x - c|, weighted as the score is. The parts sum to
// the score.
func (c *CBLOF) Explain(row, parts []float64) error {
	if err := checkParts("cblof", c.cols, row, parts); err != nil {
		return err
	}
	cluster := c.nearest(row, false)
	center := c.center(row, cluster)
	score := c.factor(row, cluster, center)
	var largest, sum float64
	for j, v := range row {
		parts[j] = v/2 - c.centers[center*len(row)+j]/2
		largest = max(largest, math.Abs(parts[j]))
	}
	if largest == 0 {
		return nil
	}
	for j := range parts {
		parts[j] /= largest
		parts[j] *= parts[j]
		sum += parts[j]
	}
	for j := range parts {
		parts[j] = score * (parts[j] / sum)
	}
	return nil
}

// SizeBytes returns the memory of the fitted model, training scores included.
func (c *CBLOF) SizeBytes() int {
	return 8*(cap(c.centers)+cap(c.scores)) + 4*cap(c.sizes) + cap(c.large) + c.means.sizeBytes()
}
