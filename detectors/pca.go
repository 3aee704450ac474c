package detectors

import (
	"math"
	"sync"

	"gonum.org/v1/gonum/mat"
)

// PCA is the principal component detector of Shyu et al. (2003) as PyOD computes it. With z the standardised row, v_i
// the unit eigenvectors of the covariance of the training rows and r_i their shares of the variance, descending,
//
//	score = Σ |z - v_i| / r_i over the last n_selected_components
//
// This is the distance to the eigenvector itself, not along it, so the score depends on the sign of v_i: its entry of
// the largest magnitude is made positive. With two columns all entries have one magnitude and the sign is rounding.
// Mahalanobis is what was meant, and the better choice.
//
// Parameters: n_components, n_selected_components (all, at most min(rows, columns)), weighted true (else r_i = 1),
// standardization true, mode. Mode strict divides by shares of 0 as PyOD does, so that constant and collinear columns
// make every score infinite or as large as 1e33; mode fixed leaves out components with r_i < 1e-6. A matrix without any
// variance, one row included, is refused: PyOD's scores are NaN then. So are values beyond 1e150. Fit costs O(n·d² + d³), a score O(d²), for up to
// 2048 columns.
type PCA struct {
	kept, selected         int // 0 means all.
	weighted, standardised bool
	strict                 bool

	cols        int
	mean, scale []float64
	components  []float64 // Row after row, those that count.
	share       []float64 // r_i of each, or 1.
	scores      []float64
	pool        *sync.Pool // Of *[]float64.
}

// pcaCols bounds the square matrices at 32 MB.
const pcaCols = 2048

func newPCA(p *params) (Detector, error) {
	d := &PCA{
		kept:         p.int("n_components|components", 0, 1, math.MaxInt32),
		selected:     p.int("n_selected_components|selected_components", 0, 1, math.MaxInt32),
		weighted:     p.bool("weighted", true),
		standardised: p.bool("standardization", true),
		strict:       p.strict(),
		pool:         &sync.Pool{New: func() any { return new([]float64) }},
	}
	return d, p.done()
}

// Name returns "pca".
func (p *PCA) Name() string { return "pca" }

// TrainingScores returns the scores of the rows of the last Fit.
func (p *PCA) TrainingScores() []float64 { return p.scores }

// Fit decomposes the covariance. The seed is not used.
func (p *PCA) Fit(x Matrix, _ uint64) error {
	p.cols = 0
	if err := checkMatrix("pca", x); err != nil {
		return err
	}
	if err := checkSquares("pca", x); err != nil {
		return err
	}
	if x.Cols > pcaCols {
		return &DataError{Detector: "pca", Row: -1, Col: -1, Reason: "has more than 2048 columns"}
	}
	most := min(x.Rows, x.Cols)
	for name, n := range map[string]int{"n_components": p.kept, "n_selected_components": p.selected} {
		if n > most {
			return &ParamError{Detector: "pca", Param: name, Value: n, Want: "at most the number of rows and of columns"}
		}
	}
	p.standardise(x)
	shares, vectors, err := p.decompose(x, most)
	if err != nil {
		return err
	}
	if err := p.choose(shares, vectors, x.Cols); err != nil {
		return err
	}
	p.cols = x.Cols
	p.scores = resize(p.scores, x.Rows)
	for i := range p.scores {
		p.scores[i] = p.distance(x.Row(i))
	}
	return nil
}

// standardise computes what is subtracted and divided by, as scikit-learn does: a column that is constant up to
// rounding is divided by 1.
func (p *PCA) standardise(x Matrix) {
	const epsilon = 0x1p-52
	p.mean, p.scale = resize(p.mean, x.Cols), resize(p.scale, x.Cols)
	if !p.standardised {
		clear(p.mean)
		for j := range p.scale {
			p.scale[j] = 1
		}
		return
	}
	moments(x, p.mean, p.scale)
	n := float64(x.Rows)
	for j, sd := range p.scale {
		if bound := n * p.mean[j] * epsilon; float64(sd*sd) <= n*epsilon*float64(sd*sd)+float64(bound*bound) {
			p.scale[j] = 1
		}
	}
}

// z is a standardised value, bounded so that squares stay finite.
func (p *PCA) z(row []float64, j int) float64 {
	return min(max((row[j]-p.mean[j])/p.scale[j], -1e140), 1e140)
}

// decompose returns shares of the variance in descending order, and the eigenvectors in columns in ascending order.
func (p *PCA) decompose(x Matrix, most int) (shares []float64, vectors *mat.Dense, err error) {
	d, n := x.Cols, float64(x.Rows)
	center, z := make([]float64, d), make([]float64, d)
	for i := range x.Rows {
		for j := range center {
			center[j] += p.z(x.Row(i), j) / n
		}
	}
	cov := mat.NewSymDense(d, nil)
	raw := cov.RawSymmetric().Data
	for i := range x.Rows {
		for j := range z {
			z[j] = p.z(x.Row(i), j) - center[j]
		}
		for a, za := range z {
			out := raw[a*d : (a+1)*d]
			for b := a; b < d; b++ {
				out[b] += float64(za*z[b]) / n
			}
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(cov, true) {
		return nil, nil, &DataError{Detector: "pca", Row: -1, Col: -1, Reason: "has a covariance without a decomposition"}
	}
	var total float64
	for _, v := range eigen.Values(nil) {
		total += max(v, 0)
	}
	if !(total > 0) || math.IsInf(total, 0) {
		return nil, nil, &DataError{Detector: "pca", Row: -1, Col: -1, Reason: "has no variance, or more than a float64 holds"}
	}
	values := eigen.Values(nil)
	for i := range most {
		shares = append(shares, max(values[d-1-i], 0)/total)
	}
	vectors = new(mat.Dense)
	eigen.VectorsTo(vectors)
	return shares, vectors, nil
}

// choose keeps the components that count, with their signs.
func (p *PCA) choose(shares []float64, vectors *mat.Dense, d int) error {
	if p.kept > 0 {
		shares = shares[:p.kept]
	}
	first := 0
	if p.selected > 0 {
		if p.selected > len(shares) {
			return &ParamError{Detector: "pca", Param: "n_selected_components", Value: p.selected, Want: "at most n_components"}
		}
		first = len(shares) - p.selected
	}
	p.components, p.share = p.components[:0], p.share[:0]
	for i := first; i < len(shares); i++ {
		if !p.strict && shares[i] < 1e-6 {
			continue
		}
		sign, largest := 1.0, 0.0
		for j := range d {
			if v := vectors.At(j, d-1-i); math.Abs(v) > math.Abs(largest) {
				largest, sign = v, math.Copysign(1, v)
			}
		}
		for j := range d {
			p.components = append(p.components, sign*vectors.At(j, d-1-i))
		}
		share := 1.0
		if p.weighted {
			share = shares[i]
		}
		p.share = append(p.share, share)
	}
	if len(p.share) == 0 {
		return &DataError{Detector: "pca", Row: -1, Col: -1, Reason: "has no variance in the selected components"}
	}
	return nil
}

// distance returns the weighted sum of the distances to the components.
func (p *PCA) distance(row []float64) float64 {
	scratch := p.pool.Get().(*[]float64)
	*scratch = resize(*scratch, len(row))
	z := *scratch
	for j := range z {
		z[j] = p.z(row, j)
	}
	var sum float64
	for i, share := range p.share {
		v := p.components[i*len(z) : (i+1)*len(z)]
		var squares float64
		for j, c := range v {
			difference := z[j] - c
			squares += float64(difference * difference)
		}
		sum += math.Sqrt(squares) / share
	}
	p.pool.Put(scratch)
	return sum
}

// Score returns the weighted sum of the distances to the components.
func (p *PCA) Score(row []float64) (float64, error) {
	if err := checkRow("pca", p.cols, row); err != nil {
		return 0, err
	}
	return p.distance(row), nil
}

// Explain writes each column's share of the distances, Σ (z_j - v_ij)²/(|z - v_i|·r_i). The parts sum to the score.
func (p *PCA) Explain(row, parts []float64) error {
	if err := checkParts("pca", p.cols, row, parts); err != nil {
		return err
	}
	clear(parts)
	for i, share := range p.share {
		v := p.components[i*len(row) : (i+1)*len(row)]
		var squares float64
		for j, c := range v {
			difference := p.z(row, j) - c
			squares += float64(difference * difference)
		}
		if squares == 0 {
			continue
		}
		for j, c := range v {
			difference := p.z(row, j) - c
			parts[j] += float64(difference*difference) / math.Sqrt(squares) / share
		}
	}
	return nil
}

// SizeBytes returns the memory of the fitted model, training scores included.
func (p *PCA) SizeBytes() int {
	return 8 * (cap(p.mean) + cap(p.scale) + cap(p.components) + cap(p.share) + cap(p.scores))
}
