package decision

import (
	"math"
	"slices"
)

// sample is the sliding sample M of past statistics: a ring in order of arrival, and the largest of its values in ascending
// order. Values are float32, to which every statistic is rounded before it is compared: half the memory, the same order.
//
// Only its largest values decide, and few events change them. So top holds every value of the ring that is at least cut, and
// an event below cut costs a store into the ring. When top has become too short for a question, or too long to be cheap, it is
// gathered again from the ring. What top holds never changes an answer: it is no state, only a shortcut.
type sample struct {
	size  int
	ring  []float32 // In order of arrival; head is the oldest once it is full.
	head  int
	cut   float32
	top   []float32
	limit int // Length from which top is gathered again.

	theta float64 // Answer of the last threshold at rate, while asked is true.
	rate  float64
	asked bool
}

func newSample(size int) sample { return sample{size: size, cut: float32(math.Inf(1))} }

func (s *sample) len() int { return len(s.ring) }

// add takes a value in; the oldest leaves when the sample is full.
func (s *sample) add(v float32) {
	if len(s.ring) < s.size {
		s.ring = append(s.ring, v)
		s.asked = false // The rank of the threshold depends on the length.
	} else {
		old := s.ring[s.head]
		s.ring[s.head] = v
		if s.head++; s.head == s.size {
			s.head = 0
		}
		if old == v {
			return
		}
		if old >= s.cut {
			at, _ := slices.BinarySearch(s.top, old)
			s.top = slices.Delete(s.top, at, at+1)
			s.asked = false
		}
	}
	if v >= s.cut {
		at, _ := slices.BinarySearch(s.top, v)
		s.top = slices.Insert(s.top, at, v)
		s.asked = false
	}
}

// largest returns the n largest values in ascending order; n is at most the sample's length. The slice belongs to the sample.
func (s *sample) largest(n int) []float32 {
	if len(s.top) < n || len(s.top) > s.limit {
		s.gather(n)
	}
	return s.top[len(s.top)-n:]
}

// gather fills top anew with about three times as many values as are asked for. Equal values may make it longer; a limit of
// twice its length keeps them from gathering at every event.
func (s *sample) gather(n int) {
	s.cut = kthLargest(s.ring, min(3*n+16, len(s.ring)))
	s.top = s.top[:0]
	for _, v := range s.ring {
		if v >= s.cut {
			s.top = append(s.top, v)
		}
	}
	slices.Sort(s.top)
	s.limit = max(6*n+64, 2*len(s.top))
}

// kthLargest returns the k-th largest value, k from 1, in three counting passes without memory of its own: the values as
// unsigned integers of the same order, eleven, eleven and ten bits at a time.
func kthLargest(values []float32, k int) float32 {
	var prefix, mask uint32
	for _, digit := range [3]struct{ shift, bits uint32 }{{21, 11}, {10, 11}, {0, 10}} {
		var counts [1 << 11]int32
		for _, v := range values {
			if b := ordered(v); b&mask == prefix {
				counts[b>>digit.shift&(1<<digit.bits-1)]++
			}
		}
		at := uint32(1)<<digit.bits - 1
		for ; int(counts[at]) < k; at-- {
			k -= int(counts[at])
		}
		prefix |= at << digit.shift
		mask |= (1<<digit.bits - 1) << digit.shift
	}
	if prefix>>31 != 0 {
		return math.Float32frombits(prefix &^ (1 << 31))
	}
	return math.Float32frombits(^prefix)
}

// ordered maps a float to an unsigned integer of the same order.
func ordered(v float32) uint32 {
	if b := math.Float32bits(v); b>>31 == 0 {
		return b | 1<<31
	} else {
		return ^b
	}
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
	if s.asked && s.rate == rate {
		return s.theta
	}
	s.theta, s.rate, s.asked = floor, rate, true
	if j := int(rate*float64(n+1) + 1e-9); j >= 1 {
		s.theta = max(float64(s.largest(min(j, n))[0]), floor)
	} else {
		start, excess := s.tail()
		s.theta = max(start+float64(excess*math.Log(0.05/rate)), floor)
	}
	return s.theta
}

// tail returns the 95 % quantile and the mean excess above it.
func (s *sample) tail() (start, excess float64) {
	n := s.len()
	upper := s.largest(n - int(0.95*float64(n)))
	start = float64(upper[0])
	var sum float64
	for _, v := range upper {
		sum += float64(v)
	}
	return start, sum/float64(len(upper)) - start
}

// deepest bounds the depth: on a past that hardly varies the exponential tail says less than a number can hold.
const deepest = 300

// depth returns -log10 of the share of events expected to reach v: its rank in the sample, and beyond the 95 % quantile an
// exponential tail, in [0, 300]. It has the same unit on every stream.
func (s *sample) depth(v float32) float64 {
	n := s.len()
	if n == 0 {
		return 0
	}
	start, excess := s.tail()
	if float64(v) > start {
		return min(-math.Log10(0.05)+(float64(v)-start)/max(excess, 1e-9)/math.Ln10, deepest)
	}
	reach := 0
	for _, x := range s.ring {
		if x >= v {
			reach++
		}
	}
	return -math.Log10(float64(reach+1) / float64(n+1))
}

// fill replaces the values, oldest first.
func (s *sample) fill(values []float32) {
	*s = newSample(s.size)
	s.ring = append(s.ring, values...)
}
