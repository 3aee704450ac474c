package detectors

import "math"

// metric is a distance between rows, computed in two steps: key, which orders like the distance and is what searches
// compare, and root, which turns a key into the distance.
type metric struct {
	kind metricKind
	p    float64 // Of the Minkowski distance.
}

type metricKind uint8

const (
	euclidean metricKind = iota // Key: Σ d², added column by column.
	manhattan                   // Key: Σ |d|.
	chebyshev                   // Key: max |d|.
	minkowski                   // Key: Σ |d|^p.
)

// newMetric reads metric and p as scikit-learn has them: euclidean is minkowski with its default p of 2.
func newMetric(p *params) metric {
	name := p.choice("metric", "minkowski", "euclidean", "l2", "manhattan", "l1", "cityblock", "chebyshev")
	power := p.float("p", 2, "a number above 0", func(v float64) bool { return v > 0 })
	switch {
	case name == "chebyshev":
		return metric{kind: chebyshev}
	case name == "euclidean" || name == "l2" || name == "minkowski" && power == 2:
		return metric{kind: euclidean}
	case name != "minkowski" || power == 1:
		return metric{kind: manhattan}
	}
	return metric{kind: minkowski, p: power}
}

// key returns the key of two rows of the same width. Every search uses this order of operations, so that their keys
// are the same bits: products are rounded before they are added, on every processor.
func (m metric) key(a, b []float64) float64 {
	b = b[:len(a)]
	var sum float64
	switch m.kind {
	case euclidean:
		return squaredDistance(a, b)
	case manhattan:
		for j, v := range a {
			sum += math.Abs(v - b[j])
		}
	case chebyshev:
		for j, v := range a {
			sum = max(sum, math.Abs(v-b[j]))
		}
	default:
		for j, v := range a {
			sum += math.Pow(math.Abs(v-b[j]), m.p)
		}
	}
	return sum
}

// squaredDistance is the Euclidean key of two rows of the same width.
func squaredDistance(a, b []float64) float64 {
	b = b[:len(a)]
	var sum float64
	for j, v := range a {
		d := v - b[j]
		sum += float64(d * d)
	}
	return sum
}

// root turns a key into a distance.
func (m metric) root(key float64) float64 {
	switch m.kind {
	case euclidean:
		return math.Sqrt(key)
	case minkowski:
		return math.Pow(key, 1/m.p)
	}
	return key
}
