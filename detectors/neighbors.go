package detectors

import (
	"math"
)

// noRow stands for a neighbour that was not found yet. It is larger than any row, so that every row wins against it.
const noRow = math.MaxInt32

// nearest is a list of the k nearest rows seen so far, in ascending order of (key, row): equal keys are ordered by row,
// never by the order in which the search met them.
type nearest struct {
	keys []float64
	rows []int32
}

// reset empties the list for k rows, in its old memory if that suffices.
func (l *nearest) reset(k int) {
	l.keys, l.rows = resize(l.keys, k), resize(l.rows, k)
	for i := range l.keys {
		l.keys[i], l.rows[i] = math.Inf(1), noRow
	}
}

// offer adds a row if it is nearer than the worst of the list.
func (l *nearest) offer(key float64, row int32) {
	keys, rows := l.keys, l.rows[:len(l.keys)]
	i := len(keys) - 1
	if key > keys[i] || key == keys[i] && row > rows[i] {
		return
	}
	for ; i > 0 && (keys[i-1] > key || keys[i-1] == key && rows[i-1] > row); i-- {
		keys[i], rows[i] = keys[i-1], rows[i-1]
	}
	keys[i], rows[i] = key, row
}

// neighbors finds the nearest rows of a matrix, the same rows with the same bits as a comparison with every row.
type neighbors struct {
	metric metric
	x      Matrix
}

// build replaces the rows by a copy of x.
func (s *neighbors) build(x Matrix) {
	s.x = Matrix{Rows: x.Rows, Cols: x.Cols, Data: append(s.x.Data[:0], x.Data...)}
}

// search fills the list with the rows nearest to q, without the row self (-1 for none).
func (s *neighbors) search(q []float64, self int32, list *nearest) {
	for i := range s.x.Rows {
		if int32(i) != self {
			list.offer(s.metric.key(q, s.x.Row(i)), int32(i))
		}
	}
}

// explain writes, per column, the mean over these rows of the squared difference to q.
func (s *neighbors) explain(q []float64, rows []int32, parts []float64) {
	clear(parts)
	for _, row := range rows {
		for j, v := range s.x.Row(int(row)) {
			d := q[j] - v
			parts[j] += float64(d * d)
		}
	}
	for j := range parts {
		parts[j] = finite(parts[j]/float64(len(rows)), 0)
	}
}

// sizeBytes returns the memory of the search structure.
func (s *neighbors) sizeBytes() int { return 8 * cap(s.x.Data) }

// medianOf returns the median of values that are neither empty nor NaN, in any order; it reorders a copy in scratch.
func medianOf(values, scratch []float64) float64 {
	v := append(scratch[:0], values...)
	i, t := percentilePosition(len(v), 50)
	return orderPair(v, i, t)
}
