package detectors

import "math"

// noRow stands for a neighbour that was not found yet. It is larger than any row, so that every row wins against it.
const noRow = math.MaxInt32

// nearest is a list of the k nearest rows seen so far, in ascending order of (key, row): equal keys are ordered by row,
// never by the order in which the search met them. It carries the scratch memory of a search.
type nearest struct {
	keys  []float64
	rows  []int32
	found int // How many of them are rows; the others hold what bounds the search.

	stacks        treeStacks // Of kdTree.
	query, approx []float32  // Of rowFilter.

	guesses []float64 // Of neighbors.fit.
}

// reset empties the list for k rows, in its old memory if that suffices.
func (l *nearest) reset(k int) { l.resetWithin(k, math.Inf(1)) }

// resetWithin is reset for a search of which it is known that k rows have at most this key.
func (l *nearest) resetWithin(k int, key float64) {
	l.keys, l.rows, l.found = resize(l.keys, k), resize(l.rows, k), 0
	for i := range l.keys {
		l.keys[i], l.rows[i] = key, noRow
	}
}

// offer adds a row if it is nearer than the worst of the list.
func (l *nearest) offer(key float64, row int32) {
	keys, rows := l.keys, l.rows[:len(l.keys)]
	i := len(keys) - 1
	if key > keys[i] || key == keys[i] && row > rows[i] {
		return
	}
	if l.found <= i {
		i = l.found
		l.found++
	}
	for ; i > 0 && keys[i-1] > key; i-- {
		keys[i], rows[i] = keys[i-1], rows[i-1]
	}
	for ; i > 0 && keys[i-1] == key && rows[i-1] > row; i-- {
		keys[i], rows[i] = keys[i-1], rows[i-1]
	}
	keys[i], rows[i] = key, row
}

// neighbors finds the nearest rows of a matrix, the same rows with the same bits as a comparison with every row: by a
// k-d tree for few columns, by a filter in single precision for many, and by that comparison for metrics other than
// the Euclidean.
type neighbors struct {
	metric metric
	method searchMethod
	cols   int
	tree   kdTree
	filter rowFilter
	x      Matrix // Not used by the tree, which holds the rows itself.

	k   int       // Of the last fit.
	kth []float64 // Key of the k-th neighbour of every row.
}

type searchMethod uint8

const (
	everyRow searchMethod = iota
	byTree
	byFilter
)

// build replaces the rows by a copy of x.
func (s *neighbors) build(x Matrix) {
	s.cols = x.Cols
	s.method = everyRow
	if s.metric.kind == euclidean && x.Cols <= treeColumns {
		s.method = byTree
		s.x.Data = nil
		s.tree.build(x)
		return
	}
	s.x = Matrix{Rows: x.Rows, Cols: x.Cols, Data: append(s.x.Data[:0], x.Data...)}
	if s.metric.kind == euclidean && s.filter.build(x) {
		s.method = byFilter
	}
}

// search fills the list with the rows nearest to q, without the row self (-1 for none).
func (s *neighbors) search(q []float64, self int32, list *nearest) {
	switch {
	case s.method == byTree:
		s.tree.search(q, self, list)
	case s.method == byFilter && s.filter.search(s.x, q, self, list):
	default:
		for i := range s.x.Rows {
			if int32(i) != self {
				list.offer(s.metric.key(q, s.x.Row(i)), int32(i))
			}
		}
	}
}

// fit replaces the rows by a copy of x, which has more than k, finds the k nearest others of each and hands them to
// visit, in the order of the rows.
func (s *neighbors) fit(x Matrix, k int, list *nearest, visit func(row int, list *nearest)) {
	guesses := s.guess(x, k, list)
	s.build(x)
	s.kth, s.k = resize(s.kth, x.Rows), k
	for i := range x.Rows {
		s.searchWithin(x.Row(i), int32(i), guesses[i], list)
		s.kth[i] = list.keys[k-1]
		visit(i, list)
	}
}

// guess writes, for every row of x, a key that probably k other rows have at most, infinity if nothing is known.
//
// A window moves on by a part of its rows between fits, and its scale changes a little. So the row of the last fit that
// is nearest is often the row itself, and its k-th neighbour about as far away as now.
func (s *neighbors) guess(x Matrix, k int, list *nearest) []float64 {
	list.guesses = resize(list.guesses, x.Rows)
	known := s.method == byTree && s.k == k && s.cols == x.Cols
	for i := range list.guesses {
		list.guesses[i] = math.Inf(1)
		if known {
			list.guesses[i] = s.within(x.Row(i))
		}
	}
	return list.guesses
}

// within returns a key that probably k rows of the tree have at most: by the row that is nearest within a leaf, how far
// its k-th neighbour is and a tenth more, and half of how far the row is. That lets one search suffice for most rows and
// leaves it little to visit.
func (s *neighbors) within(q []float64) float64 {
	row, key := s.tree.near(q)
	distance := 1.1*math.Sqrt(s.kth[row]) + 0.5*math.Sqrt(key)
	return float64(distance * distance)
}

// nearestTo fills the list with the k rows of the last fit that are nearest to q.
func (s *neighbors) nearestTo(q []float64, list *nearest) {
	within := math.Inf(1)
	if s.method == byTree {
		within = s.within(q)
	}
	s.searchWithin(q, -1, within, list)
}

// searchWithin is search for the k of the last fit, with a guess of a key that k rows have at most. A guess that is too
// low costs a second search, and none changes what is found.
func (s *neighbors) searchWithin(q []float64, self int32, guess float64, list *nearest) {
	list.resetWithin(s.k, guess)
	s.search(q, self, list)
	if list.rows[s.k-1] == noRow {
		list.reset(s.k)
		s.search(q, self, list)
	}
}

// explain writes, per column, the mean over these rows of the squared difference to q.
func (s *neighbors) explain(q []float64, rows []int32, parts []float64) {
	for j := range parts {
		var sum float64
		for _, row := range rows {
			d := q[j] - s.value(int(row), j)
			sum += float64(d * d)
		}
		parts[j] = finite(sum/float64(len(rows)), 0)
	}
}

// value returns one value of a row.
func (s *neighbors) value(row, column int) float64 {
	if s.method == byTree {
		return s.tree.value(row, column)
	}
	return s.x.Data[row*s.cols+column]
}

// sizeBytes returns the memory of the search structure.
func (s *neighbors) sizeBytes() int {
	return 8*(cap(s.x.Data)+cap(s.kth)) + s.tree.sizeBytes() + s.filter.sizeBytes()
}
