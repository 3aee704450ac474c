package detectors

import (
	"math"
	"sync"
)

// Mahalanobis is the squared Mahalanobis distance from the mean of the training rows (Mahalanobis, 1936): how unusual a
// row is for columns that move together. It is what PyOD's PCA aims at, Σ (z·v_i)²/λ_i over the principal components v_i
// with variances λ_i, without that detector's dependence on the sign of v_i and without infinities.
//
// Columns are standardised: z = (x - mean)/sd, sd with divisor n, or 1 where it is below 1e-12·max(1, |mean|). With C the
// covariance of z and s the shrinkage,
//
//	score = zᵀ ((1-s)·C + s·I)⁻¹ z
//
// It has no unit and is about the number of columns for an average row. Shrinking bounds every variance below by s: that
// of collinear and constant columns, and of more columns than rows.
//
// Parameters: shrinkage 0.01, in [1e-6, 1]; 1 ignores correlation. There is no mode, as PyOD has no such detector. Fit
// costs O(n·d² + d³), a score O(d²), for up to 4096 columns. Mean and covariance are not robust: anomalies among the
// training rows widen them. It sees one cloud, and misses a row between two clusters.
type Mahalanobis struct {
	shrinkage float64

	cols    int
	mean    []float64
	inverse []float64 // 1/sd.
	whiten  []float64 // See pack.
	cov     []float64 // Scratch: the covariance, its Cholesky factor and the factor's inverse in turn.
	scores  []float64
	pool    *sync.Pool // Of *[]float64, for rows of more than mahalanobisStack columns.
}

const (
	// mahalanobisStack is how many columns are standardised on the stack.
	mahalanobisStack = 32
	// mahalanobisCols bounds the square matrix at 128 MB.
	mahalanobisCols = 4096
	// mahalanobisLimit bounds a standardised value, so that the sum of squares stays finite.
	mahalanobisLimit = 1e140
)

func newMahalanobis(p *params) (Detector, error) {
	p.strict() // Both modes are the same.
	m := &Mahalanobis{
		shrinkage: p.float("shrinkage", 0.01, "a number from 1e-6 to 1", func(v float64) bool { return v >= 1e-6 && v <= 1 }),
		pool:      &sync.Pool{New: func() any { return new([]float64) }},
	}
	return m, p.done()
}

// Name returns "mahalanobis".
func (m *Mahalanobis) Name() string { return "mahalanobis" }

// TrainingScores returns the scores of the rows of the last Fit.
func (m *Mahalanobis) TrainingScores() []float64 { return m.scores }

// Fit estimates mean and covariance and scores the rows. The seed is not used.
func (m *Mahalanobis) Fit(x Matrix, _ uint64) error {
	m.cols = 0
	if err := checkMatrix("mahalanobis", x); err != nil {
		return err
	}
	if x.Cols > mahalanobisCols {
		return &DataError{Detector: "mahalanobis", Row: -1, Col: -1, Reason: "has more than 4096 columns"}
	}
	d := x.Cols
	m.mean, m.inverse, m.cov = resize(m.mean, d), resize(m.inverse, d), resize(m.cov, d*d)
	moments(x, m.mean, m.inverse)
	for j, sd := range m.inverse {
		if sd < 1e-12*max(1, math.Abs(m.mean[j])) {
			sd = 1
		}
		m.inverse[j] = 1 / sd
	}
	m.covariance(x)
	for i := range d {
		for j := range i + 1 {
			m.cov[i*d+j] *= 1 - m.shrinkage
		}
		m.cov[i*d+i] += m.shrinkage
	}
	invertCholesky(m.cov, d)
	m.pack(d)
	m.cols = d
	m.scores = resize(m.scores, x.Rows)
	for i := range m.scores {
		m.scores[i] = m.distance(x.Row(i))
	}
	return nil
}

// covariance fills the lower triangle of cov with that of the standardised rows, two rows at a time.
func (m *Mahalanobis) covariance(x Matrix) {
	d, n := x.Cols, float64(x.Rows)
	pair := make([]float64, 2*mahalanobisStack)
	if d > mahalanobisStack {
		pair = make([]float64, 2*d)
	}
	a, b := pair[:d], pair[d:2*d]
	clear(m.cov)
	for i := 0; i < x.Rows; i += 2 {
		m.standardise(x.Row(i), a)
		clear(b)
		if i+1 < x.Rows {
			m.standardise(x.Row(i+1), b)
		}
		for j, aj := range a {
			bj, out := b[j], m.cov[j*d:j*d+j+1]
			for k := range out {
				out[k] += float64(aj*a[k]) + float64(bj*b[k])
			}
		}
	}
	for i := range d {
		for j := range i + 1 {
			m.cov[i*d+j] /= n
		}
	}
}

// invertCholesky replaces the lower triangle of a positive definite matrix of order d by the inverse of its Cholesky
// factor, W with WᵀW the inverse of the matrix.
func invertCholesky(a []float64, d int) {
	for i := range d {
		for j := range i + 1 {
			sum := a[i*d+j]
			for k := range j {
				sum -= float64(a[i*d+k] * a[j*d+k])
			}
			if i == j {
				a[i*d+i] = math.Sqrt(sum)
			} else {
				a[i*d+j] = sum / a[j*d+j]
			}
		}
	}
	for j := range d {
		a[j*d+j] = 1 / a[j*d+j]
		for i := j + 1; i < d; i++ {
			var sum float64
			for k := j; k < i; k++ {
				sum -= float64(a[i*d+k] * a[k*d+j])
			}
			a[i*d+j] = sum / a[i*d+i]
		}
	}
}

// pack stores W for scoring: block after block of four rows, column by column, with zeros above the diagonal and below
// the last row. Block b has columns 0 to 4b+3, of which those beyond the last do not exist.
func (m *Mahalanobis) pack(d int) {
	m.whiten = m.whiten[:0]
	for first := 0; first < d; first += 4 {
		for k := range min(first+4, d) {
			for i := first; i < first+4; i++ {
				w := 0.0
				if k <= i && i < d {
					w = m.cov[i*d+k]
				}
				m.whiten = append(m.whiten, w)
			}
		}
	}
}

// standardise writes (x - mean)/sd, bounded.
func (m *Mahalanobis) standardise(row, z []float64) {
	mean, inverse, z := m.mean[:len(row)], m.inverse[:len(row)], z[:len(row)]
	for j, v := range row {
		u := (v - mean[j]) * inverse[j]
		if !(math.Abs(u) <= mahalanobisLimit) {
			u = math.Copysign(mahalanobisLimit, v-mean[j])
		}
		z[j] = u
	}
}

// distance returns |Wz|².
func (m *Mahalanobis) distance(row []float64) float64 {
	var stack [mahalanobisStack]float64
	z := stack[:]
	if len(row) > len(stack) {
		wide := m.pool.Get().(*[]float64)
		defer m.pool.Put(wide)
		*wide = resize(*wide, len(row))
		z = *wide
	}
	z = z[:len(row)]
	m.standardise(row, z)
	var sum float64
	whiten := m.whiten
	for first := 0; first < len(z); first += 4 {
		var y0, y1, y2, y3 float64
		for _, v := range z[:min(first+4, len(z))] {
			w := (*[4]float64)(whiten)
			whiten = whiten[4:]
			y0 += float64(w[0] * v)
			y1 += float64(w[1] * v)
			y2 += float64(w[2] * v)
			y3 += float64(w[3] * v)
		}
		sum += float64(y0*y0) + float64(y1*y1) + float64(y2*y2) + float64(y3*y3)
	}
	return sum
}

// Score returns the squared distance.
func (m *Mahalanobis) Score(row []float64) (float64, error) {
	if err := checkRow("mahalanobis", m.cols, row); err != nil {
		return 0, err
	}
	return m.distance(row), nil
}

// Explain writes z_j·(WᵀWz)_j per column. The parts sum to the score; one is negative where the column is less unusual
// than its correlated columns made it look.
func (m *Mahalanobis) Explain(row, parts []float64) error {
	if err := checkParts("mahalanobis", m.cols, row, parts); err != nil {
		return err
	}
	d := m.cols
	z := make([]float64, d)
	m.standardise(row, z)
	clear(parts)
	for i := range d {
		w := m.cov[i*d : i*d+i+1]
		var y float64
		for k, v := range w {
			y += float64(v * z[k])
		}
		for k, v := range w {
			parts[k] += float64(v * y)
		}
	}
	for j := range parts {
		parts[j] *= z[j]
	}
	return nil
}

// SizeBytes returns the memory of the fitted model, training scores included.
func (m *Mahalanobis) SizeBytes() int {
	return 8 * (cap(m.mean) + cap(m.inverse) + cap(m.whiten) + cap(m.cov) + cap(m.scores))
}
