package detectors

import "math"

// histogram is NumPy's equal-width histogram of one column, as PyOD uses it.
type histogram struct {
	lo, hi float64
	inv    float64 // Bins per unit, for a first guess that the edges then correct.
	edges  []float64
}

// newHistogram lays len(edges)-1 equal bins over [lo, hi], or half a unit around lo if both are equal, into edges. It is
// false if some bin would have no width: the range is a few units in the last place, or too wide for a float64.
func newHistogram(lo, hi float64, edges []float64) (histogram, bool) {
	if lo == hi {
		lo, hi = lo-0.5, hi+0.5
	}
	bins := len(edges) - 1
	step := (hi - lo) / float64(bins)
	for i := range edges {
		edges[i] = float64(float64(i)*step) + lo
	}
	edges[bins] = hi
	for i, e := range edges[1:] {
		if !(edges[i] < e) { // Also where the range overflowed to NaN.
			return histogram{}, false
		}
	}
	// The reciprocal of a tiny range may overflow: the guess is then clamped and corrected all the same.
	return histogram{lo: lo, hi: hi, inv: float64(bins) / (hi - lo), edges: edges}, true
}

// bin returns the counting bin of a value within [lo, hi]: bin i is [edge i, edge i+1), the last one closed. The guess
// by multiplication is off by one at most where bins are wide enough for float64, and then corrected by the edges.
func (h *histogram) bin(v float64) int {
	last := len(h.edges) - 2
	guess := (v - h.lo) * h.inv
	i := last
	if guess < float64(last) {
		i = int(guess)
	}
	for i > 0 && v < h.edges[i] {
		i--
	}
	for i < last && v >= h.edges[i+1] {
		i++
	}
	return i
}

// optimalBins returns PyOD's "auto" number of bins of a column with extremes lo and hi: the penalised maximum likelihood
// of Birgé and Rozenblac with the penalty inside the sum, as PyOD has it. Column values start at data[0] and are stride
// apart. It is 0 if no histogram can be built.
func optimalBins(data []float64, stride int, lo, hi float64) int {
	n := (len(data) + stride - 1) / stride
	limit := max(2, int(math.Sqrt(float64(n))))
	edges := make([]float64, limit+1)
	count := make([]int, limit)
	best, bestValue := 0, 0.0
	for b := 1; b < limit; b++ {
		h, ok := newHistogram(lo, hi, edges[:b+1])
		if !ok {
			break
		}
		clear(count)
		for i := 0; i < len(data); i += stride {
			count[h.bin(data[i])]++
		}
		penalty := float64(b) - 1 + math.Pow(math.Log(float64(b)), 2.5)
		var value float64
		for _, c := range count[:b] {
			value += float64(float64(c)*math.Log(float64(b*c)/float64(n)+1)) - penalty
		}
		if best == 0 || value > bestValue {
			best, bestValue = b, value
		}
	}
	return best
}
