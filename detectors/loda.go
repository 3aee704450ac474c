package detectors

import (
	"fmt"
	"math"
)

// LODA is the lightweight on-line detector of anomalies of Pevný (2016) as PyOD computes it: histograms of random sparse
// projections. Each of the cuts projects rows on d normal numbers, of which d - ⌊√d⌋ are set to 0. With p the share of
// training rows in the row's bin, plus 1e-12 so that no bin is empty,
//
//	score = mean of -ln p over the cuts
//
// in nats.
//
// Parameters: n_bins (bins) 10, at least 1, or "auto" per projection; n_random_cuts (cuts) 100; mode. Mode strict is
// PyOD, which divides by the number of cuts once more, scores a value with the bin after the one it was counted in, and
// scores what is out of range like the outer bins. Mode fixed uses the bin of the count and 1e-12 of a row out of range.
// Fit costs O(cuts·n·d), a score O(cuts·(√d + bins)). Scale first: a projection is a sum of columns. It misses what is
// unusual only within a cluster.
type LODA struct {
	bins, cuts int // Bins 0 means "auto".
	strict     bool

	cols    int
	weights []float64 // Cut after cut.
	first   []int32   // Of each cut's edges; its bins begin at first[c] - c.
	edges   []float64
	terms   []float64 // -ln p of every bin.
	outside float64   // -ln p of out of range.
	center  []float64 // Mean of every column, for Explain.
	mean    float64   // Of the training scores.
	scores  []float64
}

func newLODA(p *params) (Detector, error) {
	l := &LODA{cuts: p.int("n_random_cuts|cuts", 100, 1, 100000)}
	if _, v, ok := p.lookup("n_bins|bins"); !ok || v != "auto" {
		l.bins = p.int("n_bins|bins", 10, 1, math.MaxUint16)
	}
	l.strict = p.strict()
	return l, p.done()
}

// Name returns "loda".
func (l *LODA) Name() string { return "loda" }

// TrainingScores returns the scores of the rows of the last Fit.
func (l *LODA) TrainingScores() []float64 { return l.scores }

// Fit draws the projections from the seed and counts the rows. It refuses rows whose projection cannot be cut into bins.
func (l *LODA) Fit(x Matrix, seed uint64) error {
	l.cols = 0
	if err := checkMatrix("loda", x); err != nil {
		return err
	}
	l.draw(x.Cols, seed)
	return l.fit(x)
}

// draw draws the projections: normal numbers by the polar method, of which some are set to 0.
func (l *LODA) draw(d int, seed uint64) {
	r := newRNG(seed, 0)
	l.weights = resize(l.weights, l.cuts*d)
	columns := make([]int, d)
	for c := range l.cuts {
		w := l.weights[c*d : (c+1)*d]
		for j := range w {
			w[j] = r.normal()
			columns[j] = j
		}
		for i := range d - int(math.Sqrt(float64(d))) {
			k := i + r.below(d-i)
			columns[i], columns[k] = columns[k], columns[i]
			w[columns[i]] = 0
		}
	}
}

// normal returns a standard normal number.
func (r *rng) normal() float64 {
	for {
		u, v := 2*r.float()-1, 2*r.float()-1
		if s := float64(u*u) + float64(v*v); s > 0 && s < 1 {
			return u * math.Sqrt(-2*math.Log(s)/s)
		}
	}
}

// fit counts the rows along the projections.
func (l *LODA) fit(x Matrix) error {
	d, n := x.Cols, x.Rows
	l.first, l.edges, l.terms = resize(l.first, l.cuts+1), l.edges[:0], l.terms[:0]
	l.outside = -math.Log(1e-12 / float64(n))
	projected := make([]float64, n)
	l.scores = resize(l.scores, n)
	clear(l.scores)
	for c := range l.cuts {
		lo, hi := math.Inf(1), math.Inf(-1)
		for i := range projected {
			projected[i] = dot(l.weights[c*d:(c+1)*d], x.Row(i))
			lo, hi = min(lo, projected[i]), max(hi, projected[i])
		}
		bins := l.bins
		if bins == 0 {
			bins = max(optimalBins(projected, 1, lo, hi), 1)
		}
		l.first[c] = int32(len(l.edges))
		l.edges = grow(l.edges, bins+1)
		hist, ok := newHistogram(lo, hi, l.edges[l.first[c]:])
		if !ok {
			reason := fmt.Sprintf("ranges from %v to %v in projection %d: cannot be cut into bins of equal width", lo, hi, c)
			return &DataError{Detector: "loda", Row: -1, Col: -1, Reason: reason}
		}
		first := len(l.terms)
		l.terms = grow(l.terms, bins)
		terms := l.terms[first:]
		clear(terms)
		for _, v := range projected {
			terms[hist.bin(v)]++
		}
		total := float64(n) + float64(bins)*1e-12
		for b, count := range terms {
			terms[b] = -math.Log((count + 1e-12) / total)
		}
		l.first[c+1] = int32(len(l.edges))
		for i, v := range projected {
			l.scores[i] += l.term(c, v)
		}
	}
	l.finish(x)
	return nil
}

// finish turns sums into scores and keeps the means that Explain needs.
func (l *LODA) finish(x Matrix) {
	l.mean = 0
	for i := range l.scores {
		l.scores[i] /= l.divisor()
		l.mean += l.scores[i] / float64(x.Rows)
	}
	l.center = resize(l.center, x.Cols)
	clear(l.center)
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			l.center[j] += v / float64(x.Rows)
		}
	}
	l.cols = x.Cols
}

// divisor is the number of cuts, in PyOD its square.
func (l *LODA) divisor() float64 {
	if l.strict {
		return float64(l.cuts) * float64(l.cuts)
	}
	return float64(l.cuts)
}

// dot is the projection of a row. Weights of 0 are left out, so that nothing overflows in columns that do not count.
func dot(weights, row []float64) float64 {
	var sum float64
	for j, w := range weights {
		if w != 0 {
			sum += float64(w * row[j])
		}
	}
	return sum
}

// term returns -ln p of a projected value, which may be NaN where a sum overflowed.
func (l *LODA) term(c int, v float64) float64 {
	edges := l.edges[l.first[c]:l.first[c+1]]
	last := len(edges) - 2
	terms := l.terms[int(l.first[c])-c:]
	if l.strict {
		b := 0
		for b < last && edges[b] < v {
			b++
		}
		return terms[b]
	}
	if !(v >= edges[0] && v <= edges[last+1]) {
		return l.outside
	}
	b := 0
	for b < last && v >= edges[b+1] {
		b++
	}
	return terms[b]
}

// Score returns the mean of -ln p, in nats.
func (l *LODA) Score(row []float64) (float64, error) {
	if err := checkRow("loda", l.cols, row); err != nil {
		return 0, err
	}
	var sum float64
	for c := range l.cuts {
		sum += l.term(c, dot(l.weights[c*len(row):(c+1)*len(row)], row))
	}
	return sum / l.divisor(), nil
}

// Explain shares each cut's term, less the mean training score, among its columns in proportion to how far each moves
// the projection from its mean. The parts sum to the score minus the mean training score.
func (l *LODA) Explain(row, parts []float64) error {
	if err := checkParts("loda", l.cols, row, parts); err != nil {
		return err
	}
	clear(parts)
	for c := range l.cuts {
		w := l.weights[c*len(row) : (c+1)*len(row)]
		var moved float64
		for j := range w {
			moved += l.move(w, row, j)
		}
		excess := l.term(c, dot(w, row))/l.divisor() - l.mean/float64(l.cuts)
		for j := range w {
			if moved > 0 {
				parts[j] += float64(excess * (l.move(w, row, j) / moved))
			} else {
				parts[j] += excess / float64(len(w))
			}
		}
	}
	return nil
}

// move returns how far a column moves a projection from its mean, bounded so that sums stay finite.
func (l *LODA) move(w, row []float64, j int) float64 {
	if w[j] == 0 {
		return 0
	}
	return min(math.Abs(w[j]*(row[j]-l.center[j])), 1e300)
}

// SizeBytes returns the memory of the fitted model, training scores included.
func (l *LODA) SizeBytes() int {
	return 8*(cap(l.weights)+cap(l.edges)+cap(l.terms)+cap(l.center)+cap(l.scores)) + 4*cap(l.first)
}
