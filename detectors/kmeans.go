package detectors

import "math"

// kMeans clusters rows: k-means++ for the first centres (Arthur and Vassilvitskii, 2007), then Lloyd's algorithm until no
// row changes its cluster, at most kMeansRounds times.
type kMeans struct {
	centers  []float64 // Cluster after cluster.
	own      []int32   // Cluster of every row.
	distance []float64 // Squared, of every row from the nearest centre so far.
	counts   []int32
}

// kMeansRounds is scikit-learn's limit.
const kMeansRounds = 300

// fit clusters the rows. There are at least k rows; fewer clusters than k have rows if fewer rows are distinct.
func (m *kMeans) fit(x Matrix, k int, seed uint64) {
	r := newRNG(seed, 0)
	d := x.Cols
	m.centers, m.own, m.distance = resize(m.centers, k*d), resize(m.own, x.Rows), resize(m.distance, x.Rows)
	m.counts = resize(m.counts, k)
	copy(m.centers, x.Row(r.below(x.Rows)))
	for i := range m.distance {
		m.distance[i] = math.Inf(1)
		m.own[i] = -1
	}
	for c := 1; c < k; c++ {
		copy(m.centers[c*d:(c+1)*d], x.Row(m.draw(x, m.centers[(c-1)*d:c*d], &r)))
	}
	for range kMeansRounds {
		if !m.assign(x) {
			return
		}
		m.average(x)
	}
	m.assign(x)
}

// draw picks a row with probability proportional to its squared distance from the nearest of the centres, of which the
// last is new.
func (m *kMeans) draw(x Matrix, last []float64, r *rng) int {
	var sum float64
	for i := range m.distance {
		m.distance[i] = min(m.distance[i], squaredDistance(x.Row(i), last), 1e290)
		sum += m.distance[i]
	}
	point := r.float() * sum
	chosen := 0
	for i, v := range m.distance {
		if v == 0 {
			continue
		}
		chosen = i
		if point < v {
			break
		}
		point -= v
	}
	return chosen
}

// assign moves every row to the nearest centre, the first of equals, and says whether one changed.
func (m *kMeans) assign(x Matrix) bool {
	d, changed := x.Cols, false
	for i := range m.own {
		best, nearest := int32(0), math.Inf(1)
		for c := range m.counts {
			if v := squaredDistance(x.Row(i), m.centers[c*d:(c+1)*d]); v < nearest {
				best, nearest = int32(c), v
			}
		}
		if m.own[i] != best {
			m.own[i], changed = best, true
		}
	}
	return changed
}

// average moves every centre to the mean of its rows. One without rows stays.
func (m *kMeans) average(x Matrix) {
	d := x.Cols
	clear(m.counts)
	for _, c := range m.own {
		m.counts[c]++
	}
	for c, count := range m.counts {
		if count > 0 {
			clear(m.centers[c*d : (c+1)*d])
		}
	}
	for i, c := range m.own {
		center, share := m.centers[int(c)*d:(int(c)+1)*d], float64(m.counts[c])
		for j, v := range x.Row(i) {
			center[j] += v / share
		}
	}
}

// sizeBytes returns the memory of the centres and the scratch.
func (m *kMeans) sizeBytes() int {
	return 8*(cap(m.centers)+cap(m.distance)) + 4*(cap(m.own)+cap(m.counts))
}
