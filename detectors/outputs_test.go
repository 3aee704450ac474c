package detectors

import (
	"errors"
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// binomialOracle adds the terms of the distribution as rationals rounded to 200 bits.
func binomialOracle(x, n int, p float64) float64 {
	sum, one := new(big.Float).SetPrec(200), big.NewFloat(1).SetPrec(200)
	success := big.NewFloat(p).SetPrec(200)
	failure := new(big.Float).SetPrec(200).Sub(one, success)
	for i := 0; i <= x; i++ {
		term := new(big.Float).SetPrec(200).SetInt(new(big.Int).Binomial(int64(n), int64(i)))
		for range i {
			term.Mul(term, success)
		}
		for range n - i {
			term.Mul(term, failure)
		}
		sum.Add(sum, term)
	}
	v, _ := sum.Float64()
	return v
}

func TestBinomialCDF(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 10, 40, 200} {
		for _, x := range []int{0, 1, n / 2, n - 1, n, n + 3} {
			for k := range 5 {
				p := float64(1+k*n/4) / float64(2+n)
				want := 1.0
				if x < n {
					want = binomialOracle(x, n, p)
				}
				near(t, "binomial", binomialCDF(x, n, p), want, 1e-11)
			}
		}
	}
}

func TestOutputsRefuse(t *testing.T) {
	t.Parallel()
	var data *DataError
	if _, err := NewOutputs(nil, 0.1); !errors.As(err, &data) {
		t.Errorf("no scores: got %v, want a *DataError", err)
	}
	for _, c := range []float64{0, -0.1, 0.51, 1, math.NaN(), math.Inf(1)} {
		var param *ParamError
		if _, err := NewOutputs([]float64{1}, c); !errors.As(err, &param) || param.Param != "contamination" {
			t.Errorf("contamination %v: got %v, want a *ParamError", c, err)
		}
	}
}

// TestOutputsOfEqualScores is where PyOD gives NaN or noise.
func TestOutputsOfEqualScores(t *testing.T) {
	t.Parallel()
	o := outputsOf(t, slices.Repeat([]float64{0.3}, 12), 0.1)
	for _, c := range []struct {
		score, linear, unify float64
		label                bool
		rank                 int
	}{{0.3, 0, 0, false, 0}, {0.2, 0, 0, false, 0}, {0.4, 0.1, 1, true, 12}, {2, 1, 1, true, 12}} {
		near(t, "linear", o.ProbabilityLinear(c.score), c.linear, 1e-15)
		near(t, "unify", o.ProbabilityUnify(c.score), c.unify, 0)
		if o.Label(c.score) != c.label || o.Rank(c.score) != c.rank {
			t.Errorf("score %v: got label %v and rank %d, want %v and %d", c.score, o.Label(c.score), o.Rank(c.score), c.label, c.rank)
		}
	}
	nan := outputsOf(t, []float64{1, math.NaN(), math.Inf(1)}, 0.1)
	if !math.IsNaN(nan.Threshold()) || nan.Label(math.Inf(1)) {
		t.Errorf("scores with NaN: got threshold %v, want NaN and no label", nan.Threshold())
	}
}

// TestOutputsProperties: everything derived from a score is monotone in it, and a copied slice stays what it was.
func TestOutputsProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		scores := rapid.SliceOfN(rapid.Float64Range(-1e3, 1e3), 1, 60).Draw(t, "scores")
		c := rapid.Float64Range(0.001, 0.5).Draw(t, "contamination")
		a := rapid.Float64Range(-2e3, 2e3).Draw(t, "a")
		b := a + rapid.Float64Range(0, 100).Draw(t, "step")
		before := slices.Clone(scores)
		o, err := NewOutputs(scores, c)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(scores, before) {
			t.Fatal("the scores were changed")
		}
		if o.Rank(a) > o.Rank(b) || o.ProbabilityLinear(a) > o.ProbabilityLinear(b) || o.ProbabilityUnify(a) > o.ProbabilityUnify(b) || o.Label(a) && !o.Label(b) {
			t.Fatalf("%v and %v: rank, probability or label falls", a, b)
		}
		for _, p := range []float64{o.ProbabilityLinear(a), o.ProbabilityUnify(a), o.Confidence(a)} {
			if !(p >= 0 && p <= 1) {
				t.Fatalf("%v: probability %v", a, p)
			}
		}
		labels := 0
		for _, s := range scores {
			if o.Label(s) {
				labels++
			}
		}
		if limit := c*float64(len(scores)) + 1; float64(labels) > limit {
			t.Fatalf("%d labels among %d at contamination %v", labels, len(scores), c)
		}
	})
}
