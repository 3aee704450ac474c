package detectors

import (
	"math"
	"slices"
)

// Percentile returns the q-th percentile, q in [0, 100], of values in any order by NumPy's default rule (linear
// interpolation, R type 7), to the last bit. It is NaN for no values or any NaN among them.
func Percentile(values []float64, q float64) float64 {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return percentileSorted(sorted, q)
}

// percentileSorted is Percentile of values in ascending order. A NaN sorts first, as slices.Sort does it.
func percentileSorted(v []float64, q float64) float64 {
	n := len(v)
	if n == 0 || math.IsNaN(v[0]) || math.IsNaN(q) {
		return math.NaN()
	}
	i, t := percentilePosition(n, q)
	return interpolate(v[i], v[min(i+1, n-1)], t)
}

// percentilePosition returns the index below the percentile of n values and the share of the way to the next one.
func percentilePosition(n int, q float64) (i int, t float64) {
	h := float64(float64(n-1) * (min(max(q, 0), 100) / 100))
	i = int(h)
	return i, h - float64(i)
}

// interpolate goes the share t of the way from a to b, in the form that NumPy uses for either half.
func interpolate(a, b, t float64) float64 {
	if a == b {
		return a // Also where both are infinite.
	}
	if t < 0.5 {
		return a + float64((b-a)*t)
	}
	return b - float64((b-a)*(1-t))
}

// Median95 returns the median and the 95th percentile of scores, the same bits as Percentile, in linear time. It
// reorders a copy in scratch, which is grown if it is shorter than scores and may be nil. Scores hold no NaN.
func Median95(scores, scratch []float64) (median, q95 float64) {
	n := len(scores)
	if n == 0 {
		return math.NaN(), math.NaN()
	}
	if len(scratch) < n {
		scratch = make([]float64, n)
	}
	v := scratch[:n]
	copy(v, scores)
	i, t := percentilePosition(n, 95)
	q95 = orderPair(v, i, t)
	j, u := percentilePosition(n, 50)
	if j+1 < i {
		v = v[:i] // The median and the value after it are left of the other quantile.
	}
	return orderPair(v, j, u), q95
}

// orderPair selects the i-th smallest value, after which those left of i are no larger, and interpolates to the next.
func orderPair(v []float64, i int, t float64) float64 {
	a := quickselect(v, i)
	if t == 0 || i+1 >= len(v) {
		return a
	}
	return interpolate(a, slices.Min(v[i+1:]), t)
}

// quickselect moves the k-th smallest value (from 0) to position k, smaller ones before and larger ones behind it, and
// returns it. It is the median-of-three form of Hoare's algorithm, which takes equal values in its stride, with a sort
// if the pivots are bad again and again.
func quickselect(v []float64, k int) float64 {
	lo, hi := 0, len(v)-1
	for budget := 64; hi-lo > 12; budget-- {
		if budget == 0 {
			slices.Sort(v[lo : hi+1])
			return v[k]
		}
		mid := int(uint(lo+hi) >> 1)
		pivot := median3(v[lo], v[mid], v[hi])
		i, j := lo, hi
		for i <= j {
			for v[i] < pivot {
				i++
			}
			for v[j] > pivot {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return v[k]
		}
	}
	for i := lo + 1; i <= hi; i++ {
		x, j := v[i], i
		for ; j > lo && v[j-1] > x; j-- {
			v[j] = v[j-1]
		}
		v[j] = x
	}
	return v[k]
}

func median3(a, b, c float64) float64 { return max(min(a, b), min(max(a, b), c)) }
