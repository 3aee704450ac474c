package decision

import (
	"math"
	"slices"
)

// sample is the sliding sample M of past statistics: a ring in order of arrival and the same values in ascending order. The
// values are float32, to which every statistic is rounded before it is compared: half the memory, the same order.
type sample struct {
	size   int
	ring   []float32 // In order of arrival; head is the oldest once it is full.
	head   int
	sorted []float32
}

func newSample(size int) sample { return sample{size: size} }

func (s *sample) len() int { return len(s.sorted) }

// add takes a value in; the oldest leaves when the sample is full.
func (s *sample) add(v float32) {
	if len(s.ring) < s.size {
		s.ring = append(s.ring, v)
		at, _ := slices.BinarySearch(s.sorted, v)
		s.sorted = slices.Insert(s.sorted, at, v)
		return
	}
	old := s.ring[s.head]
	s.ring[s.head] = v
	if s.head++; s.head == s.size {
		s.head = 0
	}
	from, _ := slices.BinarySearch(s.sorted, old)
	to, _ := slices.BinarySearch(s.sorted, v)
	if to > from { // The values between move down over the one that leaves.
		copy(s.sorted[from:to-1], s.sorted[from+1:to])
		s.sorted[to-1] = v
		return
	}
	copy(s.sorted[to+1:from+1], s.sorted[to:from])
	s.sorted[to] = v
}

// oldestFirst returns the values in order of arrival.
func (s *sample) oldestFirst() []float32 {
	return append(slices.Clone(s.ring[s.head:]), s.ring[:s.head]...)
}

// threshold returns the value that the share rate of the sample exceeds, at least floor. Where the sample is too small for
// the rate, an exponential tail continues it beyond its 95 % quantile.
func (s *sample) threshold(rate, floor float64) float64 {
	n := s.len()
	if n == 0 {
		return floor
	}
	if j := int(rate*float64(n+1) + 1e-9); j >= 1 {
		return max(float64(s.sorted[n-min(j, n)]), floor)
	}
	start, excess := s.tail()
	return max(start+excess*math.Log(0.05/rate), floor)
}

// tail returns the 95 % quantile and the mean excess above it.
func (s *sample) tail() (start, excess float64) {
	n := s.len()
	i := int(0.95 * float64(n))
	start = float64(s.sorted[i])
	var sum float64
	for _, v := range s.sorted[i:] {
		sum += float64(v)
	}
	return start, sum/float64(n-i) - start
}

// depth returns -log10 of the share of events expected to reach v: its rank in the sample, and beyond the 95 % quantile an
// exponential tail. It has the same unit on every stream.
func (s *sample) depth(v float32) float64 {
	n := s.len()
	if n == 0 {
		return 0
	}
	if i := int(0.95 * float64(n)); v <= s.sorted[i] {
		at, _ := slices.BinarySearch(s.sorted, v)
		return -math.Log10(float64(n-at+1) / float64(n+1))
	}
	start, excess := s.tail()
	return -math.Log10(0.05) + (float64(v)-start)/max(excess, 1e-9)/math.Ln10
}

// fill replaces the values, oldest first.
func (s *sample) fill(values []float32) {
	s.ring, s.head = append(s.ring[:0], values...), 0
	s.sorted = append(s.sorted[:0], values...)
	slices.Sort(s.sorted)
}
