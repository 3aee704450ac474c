package evaluate

import (
	"math"
	"slices"
	"sort"
)

// Ranking returns the area under the ROC curve and the average precision of a valid stream's judged rows, NaN unless there
// are rows of both kinds: the two figures of Measure that are cheap to have for many rankings.
func Ranking(s *Stream) (roc, ap Figure) {
	a, b := rocAP(s.labels()[s.From:], ranked(s.Rank[s.From:]))
	return Figure(a), Figure(b)
}

// descending returns the rows by falling score; ties stay in row order.
func descending(score []float64) []int {
	order := make([]int, len(score))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case score[a] > score[b]:
			return -1
		case score[a] < score[b]:
			return 1
		}
		return 0
	})
	return order
}

// rocAP returns the area under the ROC curve and the average precision, both with ties taken together; NaN unless there
// are rows of both kinds.
func rocAP(label []bool, score []float64) (roc, ap float64) {
	positives := count(label)
	negatives := len(label) - positives
	if positives == 0 || negatives == 0 {
		return math.NaN(), math.NaN()
	}
	order := descending(score)
	var hits, taken, area float64 // Area in units of one hit times one false alarm.
	for i := 0; i < len(order); {
		before, k := hits, i
		for k < len(order) && score[order[k]] == score[order[i]] {
			if label[order[k]] {
				hits++
			}
			k++
		}
		false0, false1 := taken-before, float64(k)-hits
		area += (false1 - false0) * (before + hits) / 2
		taken = float64(k)
		ap += (hits - before) / float64(positives) * hits / taken
		i = k
	}
	return area / float64(positives) / float64(negatives), ap
}

// cuts is the number of score thresholds of the volume under the precision-recall surface.
const cuts = 250

// vusPR is the volume under the precision-recall surface (Paparrizos et al., VLDB 2022) for buffers of 0 to buffer rows
// and evenly spaced rank cuts. With a buffer of b rows the label fades as sqrt(1 - d/b) over the b/2 rows on either side
// of an event; recall is weighted by the share of events (merged where their faded ends overlap) that hold a row at or
// above the cut. NaN unless there are rows of both kinds.
func vusPR(label []bool, score []float64, buffer int) float64 {
	events, n, positives := runs(label), len(label), count(label)
	if positives == 0 || positives == n {
		return math.NaN()
	}
	order := descending(score)
	cut, taken := rankCuts(score, order)
	core := sumsAt(order, taken, func(row int) float64 {
		if label[row] {
			return 1
		}
		return 0
	})
	var total float64
	soft := make([]float64, n)
	for b := 0; b <= buffer; b++ {
		merged := fade(soft, label, events, b)
		hits := sumsAt(order, taken, func(row int) float64 { return soft[row] })
		peaks := make([]float64, len(merged))
		for i, m := range merged {
			peaks[i] = slices.Max(score[m.first : m.last+1])
		}
		sort.Float64s(peaks)
		var last float64
		for k := range cut {
			found := float64(len(peaks)-sort.SearchFloat64s(peaks, cut[k])) / float64(len(peaks))
			recall := math.Min(hits[k]/(float64(positives)+(hits[k]-core[k])/2), 1) * found
			total += (recall - last) * hits[k] / float64(taken[k])
			last = recall
		}
	}
	return total / float64(buffer+1)
}

// rankCuts returns evenly spaced thresholds, falling, and how many rows are at or above each.
func rankCuts(score []float64, order []int) (cut []float64, taken []int) {
	n := len(order)
	step := float64(n-1) / float64(cuts-1)
	for i := range cuts {
		at := int(float64(i) * step)
		if i == cuts-1 {
			at = n - 1
		}
		c := score[order[at]]
		cut = append(cut, c)
		taken = append(taken, sort.Search(n, func(k int) bool { return score[order[k]] < c }))
	}
	return cut, taken
}

// sumsAt sums a value over the first taken[k] rows of an order, for each k; taken must not fall.
func sumsAt(order, taken []int, value func(row int) float64) []float64 {
	out := make([]float64, len(taken))
	var sum float64
	row := 0
	for k, t := range taken {
		for ; row < t; row++ {
			sum += value(order[row])
		}
		out[k] = sum
	}
	return out
}

// fade fills soft with the labels faded out over a buffer of b rows, and returns the events with their faded ends, merged
// where those meet.
func fade(soft []float64, label []bool, events []span, b int) []span {
	n, half := len(soft), b/2
	for i, on := range label {
		soft[i] = 0
		if on {
			soft[i] = 1
		}
	}
	var merged []span
	for _, e := range events {
		for i := e.last + 1; i <= min(e.last+half, n-1); i++ {
			soft[i] += math.Sqrt(1 - float64(i-e.last)/float64(b))
		}
		for i := max(e.first-half, 0); i < e.first; i++ {
			soft[i] += math.Sqrt(1 - float64(e.first-i)/float64(b))
		}
		low, high := max(e.first-half, 0), min(e.last+half, n-1)
		if len(merged) > 0 && low <= merged[len(merged)-1].last {
			merged[len(merged)-1].last = high
			continue
		}
		merged = append(merged, span{low, high})
	}
	for i, v := range soft {
		soft[i] = math.Min(v, 1)
	}
	return merged
}

func count(mask []bool) (n int) {
	for _, on := range mask {
		if on {
			n++
		}
	}
	return n
}
