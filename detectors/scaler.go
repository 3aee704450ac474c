package detectors

import "math"

// scaledLimit bounds what a Scaler returns, so that later casts to float32 and squares stay finite.
const scaledLimit = 1e6

// Scaler standardises columns: x' = (x - mean) / sd over the rows it was fitted on, sd with divisor n, clipped to
// [-1e6, 1e6]. A column with sd below 1e-12*max(1, |mean|) gets sd 1: a constant stays visible, in its own units, to
// detectors that measure distances. The zero value is unfitted.
type Scaler struct {
	mean, sd []float64 // Halves of one slab.
}

// Fit replaces the columns' means and standard deviations. It refuses what a detector's Fit refuses.
func (s *Scaler) Fit(x Matrix) error {
	if err := checkMatrix("scaler", x); err != nil {
		return err
	}
	if len(s.mean) != x.Cols {
		slab := make([]float64, 2*x.Cols)
		s.mean, s.sd = slab[:x.Cols:x.Cols], slab[x.Cols:]
	}
	moments(x, s.mean, s.sd)
	for j, sd := range s.sd {
		if sd < 1e-12*max(1, math.Abs(s.mean[j])) {
			s.sd[j] = 1
		}
	}
	return nil
}

// Mean returns the means of the columns. The slice belongs to the scaler.
func (s *Scaler) Mean() []float64 { return s.mean }

// Scale returns what the columns are divided by. The slice belongs to the scaler.
func (s *Scaler) Scale() []float64 { return s.sd }

// Transform writes the standardised row to out, which may be row itself. A row of another width is refused with a
// *DataError; NaN stays NaN for the detectors to refuse.
func (s *Scaler) Transform(row, out []float64) error {
	if len(row) != len(s.mean) || len(out) != len(row) || len(row) == 0 {
		return badWidth("scaler", len(s.mean), min(len(row), len(out)))
	}
	mean, sd := s.mean[:len(row)], s.sd[:len(row)]
	out = out[:len(row)]
	for j, v := range row {
		z := (v - mean[j]) / sd[j]
		if z > scaledLimit {
			z = scaledLimit
		} else if z < -scaledLimit {
			z = -scaledLimit
		}
		out[j] = z
	}
	return nil
}

// TransformMatrix writes the standardised rows of x to out, which has the same shape and may be x itself.
func (s *Scaler) TransformMatrix(x, out Matrix) error {
	if x.Rows != out.Rows || x.Cols != out.Cols {
		return badWidth("scaler", x.Cols, out.Cols)
	}
	for i := range x.Rows {
		if err := s.Transform(x.Row(i), out.Row(i)); err != nil {
			return err
		}
	}
	return nil
}

// moments writes mean and population standard deviation of every column. The second pass corrects the mean for what
// the first sum rounded away; columns whose squares would overflow are computed at a smaller scale.
func moments(x Matrix, mean, sd []float64) {
	n := float64(x.Rows)
	clear(mean)
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			mean[j] += v
		}
	}
	for j := range mean {
		mean[j] /= n
	}
	clear(sd)
	rest := make([]float64, 64)
	if x.Cols > len(rest) {
		rest = make([]float64, x.Cols)
	}
	rest = rest[:x.Cols]
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			d := v - mean[j]
			rest[j] += d
			sd[j] += float64(d * d)
		}
	}
	for j := range sd {
		shift := rest[j] / n
		sd[j] = math.Sqrt(max(0, sd[j]/n-float64(shift*shift)))
		mean[j] += shift
		if sd[j]-sd[j] != 0 || mean[j]-mean[j] != 0 {
			mean[j], sd[j] = hugeMoments(x, j)
		}
	}
}

// hugeMoments computes the moments of a column whose sum or squares overflow, divided by its largest magnitude.
func hugeMoments(x Matrix, j int) (mean, sd float64) {
	var scale float64
	for i := j; i < len(x.Data); i += x.Cols {
		scale = max(scale, math.Abs(x.Data[i]))
	}
	n := float64(x.Rows)
	for i := j; i < len(x.Data); i += x.Cols {
		mean += x.Data[i] / scale / n
	}
	for i := j; i < len(x.Data); i += x.Cols {
		d := x.Data[i]/scale - mean
		sd += float64(d*d) / n
	}
	return mean * scale, min(math.Sqrt(sd)*scale, math.MaxFloat64)
}
