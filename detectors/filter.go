package detectors

import (
	"math"

	"gonum.org/v1/gonum/blas/gonum"
)

// rowFilter finds Euclidean neighbours among rows of many columns: a lower bound of every distance in single precision
// excludes most rows, and the others are compared exactly.
//
// Half the squared distance of x from q, less |q|²/2, is g = |x|²/2 - q·x. Computed in float32, with u = 2^-24 for its
// rounding and d columns, it is off by at most (d+4)u|x|² + (d+3)u|q|²/2: casts, products and d+1 additions. So with
// eps = 2(d+8)u,
//
//	f = |x|²/2·(1-eps) - q·x <= g + eps/2·|q|²
//
// and a row is excluded if f exceeds the g of the worst neighbour so far, plus that slack and what float64 rounds away and
// float32 flushes to zero.
// NaN, from an overflow, never exceeds anything.
type rowFilter struct {
	columns []float32 // Column by column.
	half    []float32 // |x|²/2·(1-eps) of every row.
	eps     float64
	largest float64 // Largest |x|².
}

// filterRange bounds squared lengths to where float32 does not overflow.
const filterRange = 1e30

// build replaces the filter by one of the rows of x. It is false if their lengths leave no use for it.
func (f *rowFilter) build(x Matrix) bool {
	f.eps = 2 * float64(x.Cols+8) * 0x1p-24
	f.columns, f.half = resize(f.columns, len(x.Data)), resize(f.half, x.Rows)
	f.largest = 0
	for i := range x.Rows {
		var sum float64
		for j, v := range x.Row(i) {
			f.columns[j*x.Rows+i] = float32(v)
			sum += float64(v * v)
		}
		f.largest = max(f.largest, sum)
		f.half[i] = float32(sum / 2 * (1 - f.eps))
	}
	return f.largest <= filterRange && x.Cols < 1<<16
}

// search fills the list with the rows of x nearest to q, without the row self. It is false, and the list as it was,
// if q is too long.
func (f *rowFilter) search(x Matrix, q []float64, self int32, list *nearest) bool {
	var length float64
	for _, v := range q {
		length += float64(v * v)
	}
	if !(length <= filterRange) {
		return false
	}
	list.query = list.query[:0]
	for _, v := range q {
		list.query = append(list.query, float32(v))
	}
	list.approx = resize(list.approx, len(f.half))
	approx := list.approx
	f.bound(list.query, approx)
	b := filterBound{
		shift: length/2*(1-f.eps) - 0x1p-147*float64(len(q))*(1+math.Sqrt(length)+math.Sqrt(f.largest)),
		first: sampledCut(approx, len(list.keys)),
	}
	if b.scan(x, q, self, list); b.cut(list) > b.first {
		// Fewer than k rows passed, or one of them is not nearer than what the sample excluded.
		list.reset(len(list.keys))
		b.first = float32(math.Inf(1))
		b.scan(x, q, self, list)
	}
	return true
}

// boundGo writes the f of every row.
func (f *rowFilter) boundGo(q, approx []float32) {
	copy(approx, f.half)
	n := len(approx)
	for j, v := range q {
		gonum.Implementation{}.Saxpy(n, -v, f.columns[j*n:(j+1)*n], 1, approx, 1)
	}
}

// filterBound excludes rows in one search.
type filterBound struct {
	shift float64 // What separates half a squared distance from f, slack for rounding included.
	first float32 // A guess of the final cut.
}

// cut returns what the f of a row that belongs into the list cannot exceed.
func (b *filterBound) cut(list *nearest) float32 {
	worst := list.keys[len(list.keys)-1]
	if !(worst < math.MaxFloat32) {
		return float32(math.Inf(1))
	}
	c := worst/2*(1+0x1p-32) - b.shift
	return float32(c + math.Abs(c)*0x1p-22) // More than the cast can round away.
}

// scan compares exactly what no cut excludes.
func (b *filterBound) scan(x Matrix, q []float64, self int32, list *nearest) {
	cut := b.first
	for i, v := range list.approx {
		if v > cut || int32(i) == self {
			continue
		}
		list.offer(squaredDistance(q, x.Row(i)), int32(i))
		cut = min(b.first, b.cut(list))
	}
}

// sampledCut returns a value that 2k to 3k of many values do not exceed, infinity where a sample does not pay.
func sampledCut(values []float32, k int) float32 {
	const samples, most = 128, 8
	rank := 2 + 2*k*samples/len(values)
	if len(values) < 4*samples || rank > most {
		return float32(math.Inf(1))
	}
	var least [most]float32 // In ascending order.
	for i := range least {
		least[i] = float32(math.Inf(1))
	}
	for i := range samples {
		v := values[i*len(values)/samples]
		j := rank - 1
		if !(v < least[j]) {
			continue
		}
		for ; j > 0 && least[j-1] > v; j-- {
			least[j] = least[j-1]
		}
		least[j] = v
	}
	return least[rank-1]
}

// sizeBytes returns the memory of the filter.
func (f *rowFilter) sizeBytes() int { return 4 * (cap(f.columns) + cap(f.half)) }
