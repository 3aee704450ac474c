// Package features turns raw feature values into the columns that detectors see: causal transforms, each computed from the
// event and the state of its key alone.
package features

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind names a transform.
type Kind string

// The transforms. Those of time (HourSinCos, WeekdaySinCos) give two columns, the others one.
const (
	Value          Kind = "value"           // x.
	Diff           Kind = "diff"            // x minus the value before.
	EWMAResidual   Kind = "ewma_residual"   // x minus the exponentially weighted mean of the values before; argument: factor, 0.1.
	MedianResidual Kind = "median_residual" // x minus the median of the values before; argument: how many, 10.
	RollingSD      Kind = "rolling_sd"      // log(1 + standard deviation) of the last values, x included; argument: how many, 20.
	Lag            Kind = "lag"             // The value n events before; argument: n, 1.
	Log            Kind = "log"             // sign(x)·log(1 + |x|).
	HourSinCos     Kind = "hour_sin_cos"    // Time of day on a circle, UTC.
	WeekdaySinCos  Kind = "weekday_sin_cos" // Time of week on a circle, UTC.
	SeasonResidual Kind = "season_residual" // x minus the median around the same time 1, 2, 3 and 7 days ago; argument: slot, 5m.
)

// Transform is one transform with its argument.
type Transform struct {
	Kind   Kind
	Factor float64       // EWMAResidual, in (0, 1].
	Count  int           // MedianResidual, RollingSD, Lag.
	Slot   time.Duration // SeasonResidual.
}

// String is what ParseTransform reads.
func (t Transform) String() string {
	switch t.Kind {
	case EWMAResidual:
		return fmt.Sprintf("%s(%g)", t.Kind, t.Factor)
	case MedianResidual, RollingSD, Lag:
		return fmt.Sprintf("%s(%d)", t.Kind, t.Count)
	case SeasonResidual:
		return fmt.Sprintf("%s(%s)", t.Kind, t.Slot)
	}
	return string(t.Kind)
}

// width is the number of columns a transform gives.
func (t Transform) width() int {
	if t.Kind == HourSinCos || t.Kind == WeekdaySinCos {
		return 2
	}
	return 1
}

// ParseTransform reads a transform such as "value", "ewma_residual(0.05)" or "lag(3)".
func ParseTransform(text string) (Transform, error) {
	name, arg, hasArg := strings.Cut(strings.TrimSpace(text), "(")
	if hasArg {
		var closed bool
		if arg, closed = strings.CutSuffix(strings.TrimSpace(arg), ")"); !closed {
			return Transform{}, fmt.Errorf("transform %q: the parenthesis is not closed", text)
		}
		arg = strings.TrimSpace(arg)
	}
	t := Transform{Kind: Kind(strings.TrimSpace(name))}
	bad := func(want string) error { return fmt.Errorf("transform %q: expected %s", text, want) }
	count := func(def, low, high int) (err error) {
		if t.Count = def; hasArg {
			t.Count, err = strconv.Atoi(arg)
		}
		if err != nil || t.Count < low || t.Count > high {
			return bad(fmt.Sprintf("a whole number from %d to %d in the parenthesis", low, high))
		}
		return nil
	}
	var err error
	switch t.Kind {
	case Value, Diff, Log, HourSinCos, WeekdaySinCos:
		if hasArg {
			err = bad("no argument")
		}
	case EWMAResidual:
		if t.Factor = 0.1; hasArg {
			if t.Factor, err = strconv.ParseFloat(arg, 64); err != nil || !(t.Factor > 0 && t.Factor <= 1) {
				err = bad("a factor above 0 and at most 1 in the parenthesis")
			}
		}
	case MedianResidual:
		err = count(10, 1, 1000)
	case RollingSD:
		err = count(20, 2, 1000)
	case Lag:
		err = count(1, 1, 1000)
	case SeasonResidual:
		if t.Slot = 5 * time.Minute; hasArg {
			if t.Slot, err = time.ParseDuration(arg); err != nil || t.Slot < time.Minute || t.Slot > 6*time.Hour || 24*time.Hour%t.Slot != 0 {
				err = bad("a duration from 1m to 6h that divides a day in the parenthesis")
			}
		}
	default:
		err = fmt.Errorf("unknown transform %q, expected one of: %s", text, strings.Join(kindNames(), ", "))
	}
	if err != nil {
		return Transform{}, err
	}
	return t, nil
}

func kindNames() []string {
	var names []string
	for _, k := range []Kind{Value, Diff, EWMAResidual, MedianResidual, RollingSD, Lag, Log, HourSinCos, WeekdaySinCos, SeasonResidual} {
		names = append(names, string(k))
	}
	return names
}

// Defaults returns the transforms of a feature that names none: residuals to a slow average where several features describe
// the same thing, change and residual to the recent median where one feature stands alone.
func Defaults(features int) []Transform {
	if features == 1 {
		return []Transform{{Kind: Value}, {Kind: Diff}, {Kind: MedianResidual, Count: 10}}
	}
	return []Transform{{Kind: Value}, {Kind: EWMAResidual, Factor: 0.1}}
}

// untilSeason is how many values before give the expected one while too few days are known.
const untilSeason = 10

// history is how many past values a feature's transforms need.
func history(transforms []Transform) int {
	n := 0
	for _, t := range transforms {
		switch t.Kind {
		case Diff:
			n = max(n, 1)
		case MedianResidual, RollingSD, Lag:
			n = max(n, t.Count)
		case SeasonResidual:
			n = max(n, untilSeason)
		}
	}
	return n
}

// circle returns the point of a time within a period.
func circle(at time.Time, period time.Duration) (sin, cos float64) {
	const monday = 4 * 24 * time.Hour // 1970-01-05, the first Monday of the epoch.
	phase := time.Duration(((at.UnixNano()-int64(monday))%int64(period) + int64(period)) % int64(period))
	return math.Sincos(2 * math.Pi * float64(phase) / float64(period))
}

// medianOf returns the median of values, which it reorders.
func medianOf(v []float64) float64 {
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
