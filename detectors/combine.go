package detectors

import "fmt"

// The combination functions of PyOD's package combo join the scores of several detectors: a matrix with one row per
// sample and one column per detector, every value finite. Raw scores of different detectors are on unrelated scales:
// standardise each column first, with a [Scaler] fitted on the training scores.

// Average returns the mean of every row, weighted if weights, one per column, are not nil.
func Average(scores Matrix, weights []float64) ([]float64, error) {
	if err := checkMatrix("average", scores); err != nil {
		return nil, err
	}
	weights, total, err := weightsOf("average", weights, scores.Cols)
	if err != nil {
		return nil, err
	}
	return eachRow(scores, func(row []float64) float64 {
		var sum float64
		for j, v := range row {
			sum += float64(weights[j] * v)
		}
		return sum / total
	}), nil
}

// Maximization returns the greatest value of every row.
func Maximization(scores Matrix) ([]float64, error) {
	if err := checkMatrix("maximization", scores); err != nil {
		return nil, err
	}
	return eachRow(scores, maxOf), nil
}

// MedianScore returns the median of every row, the mean of the two middle values for an even number of columns.
func MedianScore(scores Matrix) ([]float64, error) {
	if err := checkMatrix("median", scores); err != nil {
		return nil, err
	}
	scratch := make([]float64, 0, scores.Cols)
	return eachRow(scores, func(row []float64) float64 {
		v := append(scratch, row...)
		lower, upper := quickselect(v, (len(v)-1)/2), quickselect(v, len(v)/2)
		if len(v)%2 == 1 {
			return lower
		}
		return lower/2 + upper/2
	}), nil
}

// MajorityVote returns the label, 0 or 1, that most detectors gave every row, by weight if weights are not nil. A tie is
// 0, normal. Anything but 0 and 1 among the labels is refused.
func MajorityVote(labels Matrix, weights []float64) ([]float64, error) {
	if err := checkMatrix("majority_vote", labels); err != nil {
		return nil, err
	}
	for i, v := range labels.Data {
		if v != 0 && v != 1 {
			return nil, &DataError{Detector: "majority_vote", Row: i / labels.Cols, Col: i % labels.Cols, Reason: fmt.Sprintf("is %v, not a label 0 or 1", v)}
		}
	}
	weights, _, err := weightsOf("majority_vote", weights, labels.Cols)
	if err != nil {
		return nil, err
	}
	return eachRow(labels, func(row []float64) float64 {
		var votes [2]float64
		for j, v := range row {
			votes[int(v)] += weights[j]
		}
		if votes[1] > votes[0] {
			return 1
		}
		return 0
	}), nil
}

// AverageOfMaximum (aom) takes the greatest value within each bucket of columns and the mean of these, per row.
func AverageOfMaximum(scores Matrix, buckets [][]int) ([]float64, error) {
	return overBuckets("aom", scores, buckets, maxOf, meanOf)
}

// MaximumOfAverage (moa) takes the mean within each bucket of columns and the greatest of these, per row.
func MaximumOfAverage(scores Matrix, buckets [][]int) ([]float64, error) {
	return overBuckets("moa", scores, buckets, meanOf, maxOf)
}

// StaticBuckets deals the columns, shuffled, into n buckets of one size, as PyOD's method "static" does: n is from 2 to
// the number of columns and divides it.
func StaticBuckets(columns, n int, seed uint64) ([][]int, error) {
	if n < 2 || n > columns || columns%n != 0 {
		return nil, &ParamError{Detector: "combination", Param: "n_buckets", Value: n, Want: fmt.Sprintf("a divisor of %d of at least 2", columns)}
	}
	r := newRNG(seed, 0)
	order := shuffled(columns, &r)
	buckets := make([][]int, n)
	for i := range buckets {
		buckets[i] = order[i*columns/n : (i+1)*columns/n]
	}
	return buckets, nil
}

// DynamicBuckets draws n buckets of a random size from 2 to below half the columns, each without repetition, as PyOD's
// method "dynamic" means to: n is from 2 to the number of columns, of which there are at least 6. PyOD with a seed
// draws the same bucket n times; here they differ.
func DynamicBuckets(columns, n int, seed uint64) ([][]int, error) {
	if columns < 6 {
		return nil, &ParamError{Detector: "combination", Param: "method", Value: "dynamic", Want: "static for fewer than 6 columns"}
	}
	if n < 2 || n > columns {
		return nil, &ParamError{Detector: "combination", Param: "n_buckets", Value: n, Want: fmt.Sprintf("a whole number from 2 to %d", columns)}
	}
	r := newRNG(seed, 0)
	buckets := make([][]int, n)
	for i := range buckets {
		size := 2 + r.below(columns/2-2)
		buckets[i] = shuffled(columns, &r)[:size]
	}
	return buckets, nil
}

func shuffled(n int, r *rng) []int {
	order := make([]int, n)
	for i := range order {
		j := r.below(i + 1)
		order[i], order[j] = order[j], i
	}
	return order
}

func overBuckets(name string, scores Matrix, buckets [][]int, inner, outer func([]float64) float64) ([]float64, error) {
	if err := checkMatrix(name, scores); err != nil {
		return nil, err
	}
	if len(buckets) == 0 {
		return nil, &ParamError{Detector: name, Param: "buckets", Value: buckets, Want: "at least one"}
	}
	for _, bucket := range buckets {
		if len(bucket) == 0 {
			return nil, &ParamError{Detector: name, Param: "buckets", Value: buckets, Want: "no empty bucket"}
		}
		for _, column := range bucket {
			if column < 0 || column >= scores.Cols {
				return nil, &ParamError{Detector: name, Param: "buckets", Value: column, Want: fmt.Sprintf("a column from 0 to %d", scores.Cols-1)}
			}
		}
	}
	per, members := make([]float64, len(buckets)), make([]float64, 0, scores.Cols)
	return eachRow(scores, func(row []float64) float64 {
		for i, bucket := range buckets {
			members = members[:0]
			for _, column := range bucket {
				members = append(members, row[column])
			}
			per[i] = inner(members)
		}
		return outer(per)
	}), nil
}

// weightsOf checks weights, ones if nil, and returns them with their sum.
func weightsOf(name string, weights []float64, columns int) ([]float64, float64, error) {
	if weights == nil {
		weights = make([]float64, columns)
		for j := range weights {
			weights[j] = 1
		}
	}
	var total float64
	for _, w := range weights {
		if !(w >= 0) {
			return nil, 0, &ParamError{Detector: name, Param: "weights", Value: w, Want: "numbers of at least 0"}
		}
		total += w
	}
	if len(weights) != columns || !(total > 0) || total-total != 0 {
		return nil, 0, &ParamError{Detector: name, Param: "weights", Value: weights, Want: fmt.Sprintf("%d numbers with a positive, finite sum", columns)}
	}
	return weights, total, nil
}

func eachRow(m Matrix, f func(row []float64) float64) []float64 {
	out := make([]float64, m.Rows)
	for i := range out {
		out[i] = f(m.Row(i))
	}
	return out
}

func maxOf(v []float64) float64 {
	most := v[0]
	for _, x := range v[1:] {
		most = max(most, x)
	}
	return most
}

func meanOf(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}
