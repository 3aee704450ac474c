package evaluate

import (
	"math"
	"reflect"
)

// Spread returns the mean and the standard deviation (of a sample, n-1; NaN for one) of the figures of runs that differ in
// their seed only. Figures that do not apply to a run are left out of it. Counts are those of the first run.
func Spread(runs []Measurements) (mean, deviation Measurements) {
	if len(runs) == 0 {
		return mean, deviation
	}
	mean, deviation = runs[0], runs[0]
	for i := range reflect.TypeFor[Measurements]().NumField() {
		if _, ok := reflect.ValueOf(runs[0]).Field(i).Interface().(Figure); !ok {
			continue
		}
		var known []Figure
		for _, r := range runs {
			if f := reflect.ValueOf(r).Field(i).Interface().(Figure); f.Known() {
				known = append(known, f)
			}
		}
		m, d := SpreadOf(known)
		reflect.ValueOf(&mean).Elem().Field(i).SetFloat(float64(m))
		reflect.ValueOf(&deviation).Elem().Field(i).SetFloat(float64(d))
	}
	return mean, deviation
}

// SpreadOf returns the mean and the standard deviation (of a sample; NaN for one) of figures.
func SpreadOf(x []Figure) (mean, deviation Figure) {
	if len(x) == 0 {
		return nan, nan
	}
	n := Figure(len(x))
	for _, v := range x {
		mean += v / n
	}
	if len(x) == 1 {
		return mean, nan
	}
	var square float64
	for _, v := range x {
		square += float64((v - mean) * (v - mean))
	}
	return mean, Figure(math.Sqrt(square / float64(len(x)-1)))
}
