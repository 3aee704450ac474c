package emitters

import (
	"math"
	"math/rand/v2"
)

// wander is a stationary first-order autoregressive process of mean 0 and standard deviation 1: what a load or a
// temperature does between one reading and the next.
type wander struct{ value float64 }

// step moves on; memory in [0, 1) is the correlation with the step before.
func (w *wander) step(rng *rand.Rand, memory float64) float64 {
	w.value = memory*w.value + math.Sqrt(1-memory*memory)*rng.NormFloat64()
	return w.value
}

// lognormal has median 1; spread is the standard deviation of the logarithm.
func lognormal(rng *rand.Rand, spread float64) float64 { return math.Exp(spread * rng.NormFloat64()) }

// pareto is at least 1 and exceeds x with probability x^-index: the heavy tail of response times and amounts.
func pareto(rng *rand.Rand, index float64) float64 { return math.Pow(1-rng.Float64(), -1/index) }

// daily is a day's pattern in [-1, 1] at an hour in [0, 24): lowest at four in the night, highest in the afternoon.
func daily(hour float64) float64 { return -math.Cos(2 * math.Pi * (hour - 4) / 24) }

func clamp(v, low, high float64) float64 { return min(max(v, low), high) }
