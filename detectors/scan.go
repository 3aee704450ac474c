package detectors

import "math"

// scanLeafGo writes the squared distances of q from the 16 slots of a leaf, whose values are column by column, and
// returns one bit for each slot whose distance is at most worst. There is no branch: non-negative floats, and NaN after
// them, order like their bits.
func scanLeafGo(values, q []float64, worst float64, distances *[leafRows]float64) uint32 {
	clear(distances[:])
	rest := q
	for ; len(rest) >= 2; rest, values = rest[2:], values[2*leafRows:] {
		columns := (*[2 * leafRows]float64)(values)
		v, w := rest[0], rest[1]
		for i := range distances {
			a, b := v-columns[i], w-columns[leafRows+i]
			distances[i] = distances[i] + float64(a*a) + float64(b*b)
		}
	}
	if len(rest) > 0 {
		column := (*[leafRows]float64)(values)
		for i := range distances {
			d := rest[0] - column[i]
			distances[i] += float64(d * d)
		}
	}
	limit := int64(math.Float64bits(worst))
	var near uint32
	for i, d := range distances {
		near |= uint32(1-uint64(limit-int64(math.Float64bits(d)))>>63) << i
	}
	return near
}
