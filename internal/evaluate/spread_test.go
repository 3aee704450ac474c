package evaluate

import (
	"math"
	"testing"
)

func TestSpread(t *testing.T) {
	t.Parallel()
	mean, deviation := Spread([]Measurements{{ROC: 1, Delay: nan, Events: 7, FAR: nan}, {ROC: 2, Delay: 4, Events: 7, FAR: nan}, {ROC: 6, Delay: 8, Events: 7, FAR: nan}})
	if mean.ROC != 3 || mean.Delay != 6 || mean.Events != 7 || mean.FAR.Known() {
		t.Errorf("mean %+v", mean)
	}
	if math.Abs(float64(deviation.ROC)-math.Sqrt(7)) > 1e-12 || math.Abs(float64(deviation.Delay)-math.Sqrt(8)) > 1e-12 || deviation.FAR.Known() {
		t.Errorf("deviation %+v", deviation)
	}
	if _, d := Spread([]Measurements{{ROC: 1}}); d.ROC.Known() {
		t.Errorf("one run has the deviation %v", d.ROC)
	}
}
