package features

import "time"

// Season remembers the mean value of each time slot of the last week.
type Season struct {
	Slot   time.Duration // Length of a slot; it divides a day.
	Mean   []float64     // One per slot of seven days and a margin, at slot number mod length.
	Number []int32       // Slot number the mean belongs to, 0 for none; slots are counted from the epoch.
	Count  uint32        // Values in the newest slot.
	Newest int32         // Its number.
}

// marginSlots are the neighbours on both sides that count as the same time of day.
const marginSlots = 2

func seasonSlots(slot time.Duration) int { return int(7*24*time.Hour/slot) + 2*marginSlots + 1 }

func newSeason(slot time.Duration) Season {
	n := seasonSlots(slot)
	return Season{Slot: slot, Mean: make([]float64, n), Number: make([]int32, n)}
}

func (s *Season) number(at time.Time) int32 { return int32(at.UnixNano() / int64(s.Slot)) }

// learn adds a value to its slot. A value older than the newest slot is left out: its time has passed.
func (s *Season) learn(at time.Time, x float64) {
	n := s.number(at)
	i := int(n) % len(s.Mean)
	switch {
	case n < s.Newest:
		return
	case n == s.Newest && s.Count > 0:
		s.Count++
		s.Mean[i] += (x - s.Mean[i]) / float64(s.Count)
		return
	}
	s.Newest, s.Count = n, 1
	s.Mean[i], s.Number[i] = x, n
}

// around returns the median of the slots around the same time 1, 2, 3 and 7 days ago, if at least five of them have a value.
func (s *Season) around(at time.Time, scratch *[]float64) (median float64, ok bool) {
	day := int32(24 * time.Hour / s.Slot)
	n := s.number(at)
	v := (*scratch)[:0]
	for _, days := range [4]int32{1, 2, 3, 7} {
		for k := n - days*day - marginSlots; k <= n-days*day+marginSlots; k++ {
			if k <= 0 || k >= n {
				continue
			}
			if i := int(k) % len(s.Mean); s.Number[i] == k {
				v = append(v, s.Mean[i])
			}
		}
	}
	*scratch = v[:0]
	if len(v) < 5 {
		return 0, false
	}
	return medianOf(v), true
}
