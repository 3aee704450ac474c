package decision

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func ones(k int) []float64 {
	w := make([]float64, k)
	for i := range w {
		w[i] = 1
	}
	return w
}

// training makes the outcome of fits from training scores, rows by detectors.
func training(rows [][]float64) []Training {
	out := make([]Training, len(rows[0]))
	for j := range out {
		column := columnOf(rows, j)
		out[j] = Training{Scores: column, Median: percentile(column, 0.5), Q95: percentile(column, 0.95)}
	}
	return out
}

// source makes raw scores of k detectors that have something in common; level moves all of them.
type source struct {
	rng   *rand.Rand
	k     int
	level float64
}

func (s *source) next() []float64 {
	common := s.rng.NormFloat64()
	row := make([]float64, s.k)
	for j := range row {
		row[j] = float64(j+1)*(0.7*common+s.rng.NormFloat64()+s.level) + 3
		if j == 1 {
			row[j] = math.Floor(row[j]) // A histogram's scores have many ties.
		}
	}
	return row
}

func (s *source) rows(n int) [][]float64 {
	rows := make([][]float64, n)
	for i := range rows {
		rows[i] = s.next()
	}
	return rows
}

// TestCalibratorAgreesWithTheOracle runs whole lives, with refits, changes of level and many waiting alarms, beside the rule
// written without shortcuts.
func TestCalibratorAgreesWithTheOracle(t *testing.T) {
	t.Parallel()
	for i, cfg := range []Config{
		{Weights: ones(3), Buffer: 700, Delay: 300, Regime: true},
		{Weights: ones(4), Buffer: 1500, Delay: 300, Regime: true},
		{Weights: ones(1), Buffer: 300, Delay: 120, Regime: true},
		{Weights: ones(2), Buffer: 500, Delay: 300},
		{Weights: ones(5), Buffer: 500, Delay: 300, Regime: true, Vote: Any},
		{Weights: ones(3), Buffer: 500, Delay: 300, Regime: true, Vote: All},
		{Weights: ones(3), Buffer: 900, Delay: 300, Regime: true, Mean: true},
	} {
		for _, rate := range []float64{0.002, 0.01, 0.05} {
			t.Run(fmt.Sprintf("%d at %v", i, rate), func(t *testing.T) {
				t.Parallel()
				src := &source{rng: rand.New(rand.NewPCG(uint64(i), 7)), k: len(cfg.Weights)}
				c, o := New(cfg), newOracle(cfg, rate)
				window := src.rows(200)
				c.Rescale(training(window))
				o.rescale(window)
				for _, row := range src.rows(200) {
					c.Seed(row)
					o.remember(o.statistic(row))
				}
				refits, drifts := 0, 0
				for n := range 2500 {
					if n%1100 == 1000 {
						src.level = 6 - src.level
					}
					row := src.next()
					if n%150 == 0 {
						row[n%len(row)] += 40
					}
					window = append(window, row)
					d := c.Judge(row, rate)
					got := verdict{Score: d.Score, Severity: d.Severity, Statistic: d.Statistic, Threshold: d.Threshold, Depth: c.Depth(d.Statistic), Anomaly: d.Anomaly, Votes: d.Votes}
					c.Learn(&d)
					got.Drift = d.Drift
					want := o.step(row)
					if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-12, 1e-12)); diff != "" {
						t.Fatalf("event %d (-oracle +calibrator):\n%s", n, diff)
					}
					if !want.Drift && n%500 != 499 {
						continue
					}
					refits++
					keep := 1000
					if want.Drift {
						drifts++
						keep = RegimeRows
					}
					window = window[max(0, len(window)-keep):]
					c.Rescale(training(window))
					c.Rejudge(training(window), rate, func(age int64) int { return max(len(window)-1-int(age), -1) })
					o.rescale(window)
					o.judgeAgain(window)
					if got, want := c.Waiting(), len(o.waiting); got != want {
						t.Fatalf("event %d: %d alarms wait after the refit, want %d", n, got, want)
					}
				}
				if cfg.Regime && cfg.Delay > 200 && rate > 0.005 && drifts == 0 {
					t.Errorf("%d refits, none by a new regime: the test does not reach the rule", refits)
				}
			})
		}
	}
}

// TestInvariants checks on 300,000 random vectors that the score stays in [0, 1], reaches 0.6 exactly when the vote holds, is
// as the votes say, and never falls when a detector's score rises.
func TestInvariants(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	const lives, events = 300, 1000
	for life := range lives {
		k := 1 + life%5
		cfg := Config{Weights: ones(k), Buffer: 50 + rng.IntN(2000), Delay: 1 + rng.IntN(400), Regime: rng.IntN(2) == 0, Vote: Vote(rng.IntN(3)), Mean: rng.IntN(4) == 0}
		if rng.IntN(2) == 0 {
			for j := range cfg.Weights {
				cfg.Weights[j] = 0.1 + 3*rng.Float64()
			}
		}
		src := &source{rng: rng, k: k}
		fits := training(src.rows(200))
		if k > 1 && rng.IntN(3) == 0 {
			fits[rng.IntN(k)] = Training{Failed: true}
		}
		c := New(cfg)
		c.Rescale(fits)
		for range rng.IntN(200) {
			c.Seed(src.next())
		}
		rate := math.Pow(10, -4+3.5*rng.Float64())
		for range events {
			row := src.next()
			for j := range row {
				row[j] *= math.Pow(10, 6*rng.Float64()*rng.Float64()*float64(rng.IntN(2)))
			}
			before := c.Judge(row, rate)
			checkDecision(t, cfg, before)
			score := before.Score
			row[rng.IntN(k)] += math.Abs(rng.NormFloat64()) * math.Pow(10, 4*rng.Float64()-3)
			after := c.Judge(row, rate)
			checkDecision(t, cfg, after)
			if after.Score < score {
				t.Fatalf("life %d: the score fell from %v to %v as a detector's rose", life, score, after.Score)
			}
			c.Learn(&after)
		}
	}
}

func checkDecision(t *testing.T, cfg Config, d Decision) {
	t.Helper()
	holds := d.Anomaly
	if !cfg.Mean {
		holds = d.Votes >= d.Needed
	}
	if !(d.Score >= 0 && d.Score <= 1) || (d.Score >= Cut) != d.Anomaly || holds != d.Anomaly || !(d.Severity >= 0 && d.Severity <= mostSeverity*(1+1e-12)) {
		t.Fatalf("decision: %+v", d)
	}
	votes := 0
	for _, g := range d.Grades {
		if g >= Cut {
			votes++
		}
	}
	if votes != d.Votes || votes > d.Voters {
		t.Fatalf("%d grades vote, the decision says %d of %d", votes, d.Votes, d.Voters)
	}
}

// TestWeights checks a weighted vote against its definition: the weight of those that vote exceeds half.
func TestWeights(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	cfg := Config{Weights: []float64{3, 1, 1, 0.5}, Buffer: 500, Delay: 300}
	src := &source{rng: rng, k: 4}
	c := New(cfg)
	c.Rescale(training(src.rows(300)))
	both := [2]int{}
	for n := range 20000 {
		row := src.next()
		d := c.Judge(row, 0.05)
		var weight float64
		for k, g := range d.Grades {
			if g >= Cut {
				weight += cfg.Weights[k]
			}
		}
		if want := weight > 2.75; d.Anomaly != want {
			t.Fatalf("event %d: weight %v of 5.5 votes, anomaly is %v", n, weight, d.Anomaly)
		}
		if d.Anomaly {
			both[1]++
		} else if d.Votes > 0 {
			both[0]++
		}
		c.Learn(&d)
	}
	if both[0] == 0 || both[1] == 0 {
		t.Errorf("anomalies and outvoted detectors: %v, want some of both", both)
	}
}

// TestRequestedRate checks that independent events are flagged at the requested rate, whatever vote, and however the rate
// changes without a refit.
func TestRequestedRate(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"majority": {Weights: ones(3), Buffer: 5000, Delay: 300, Regime: true},
		"any":      {Weights: ones(3), Buffer: 5000, Delay: 300, Regime: true, Vote: Any},
		"all":      {Weights: ones(4), Buffer: 5000, Delay: 300, Regime: true, Vote: All},
		"mean":     {Weights: ones(3), Buffer: 5000, Delay: 300, Regime: true, Mean: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := &source{rng: rand.New(rand.NewPCG(8, 9)), k: len(cfg.Weights)}
			c := New(cfg)
			c.Rescale(training(src.rows(2000)))
			for range 200 {
				c.Seed(src.next())
			}
			for _, rate := range []float64{0.01, 0.002, 0.05} {
				flagged, scored := 0, 0
				for n := range 60000 {
					d := c.Judge(src.next(), rate)
					c.Learn(&d)
					if n >= 1000 {
						scored++
						if d.Anomaly {
							flagged++
						}
					}
				}
				if got := float64(flagged) / float64(scored) / rate; got < 0.7 || got > 1.4 {
					t.Errorf("at the requested rate %v the realised one is %.2f times that", rate, got)
				}
			}
		})
	}
}

// TestDepthIsBounded checks that a past without any spread gives no absurd alert score.
func TestDepthIsBounded(t *testing.T) {
	t.Parallel()
	s := newSample(100)
	s.fill(make([]float32, 100))
	if got := s.depth(math.MaxFloat32); got != deepest {
		t.Errorf("got %v, want %v", got, deepest)
	}
	if got := s.depth(0); got != 0 {
		t.Errorf("got %v for what is usual, want 0", got)
	}
}
