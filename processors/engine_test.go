package processors

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

// testDefinition returns a stream of three features.
func testDefinition(change func(*streams.Definition)) *streams.Definition {
	d := streams.DefaultDefinition("test")
	for _, name := range []string{"a", "b", "c"} {
		d.Features = append(d.Features, streams.Feature{Name: name, Path: name, Missing: streams.MissingReject, Direction: streams.DirectionBoth})
	}
	if change != nil {
		change(&d)
	}
	return &d
}

func newTestEngine(t testing.TB, d *streams.Definition) *Engine {
	t.Helper()
	e, err := NewEngine(d)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// traffic makes believable events; every 400th is far off in two features: one alone is not enough for a majority of the default detectors.
type traffic struct {
	rng   *rand.Rand
	n     int64
	names []string
}

func newTraffic(seed uint64) *traffic {
	return &traffic{rng: rand.New(rand.NewPCG(seed, 1)), names: []string{"a", "b", "c"}}
}

func (g *traffic) next() *streams.Event {
	base := g.rng.NormFloat64()
	ev := &streams.Event{
		Stream: "test", Entity: "e", Time: time.Unix(1_700_000_000+7*g.n, 0).UTC(), Names: g.names,
		Values: []float64{10 + base + 0.3*g.rng.NormFloat64(), 5 - base + 0.3*g.rng.NormFloat64(), math.Exp(g.rng.NormFloat64())},
		Source: streams.Position{Topic: "test", Partition: 3, Offset: g.n},
	}
	if g.n%400 == 399 {
		ev.Values[0] += 15
		ev.Values[1] += 15
	}
	g.n++
	return ev
}

// step applies an event that must be accepted.
func step(t testing.TB, e *Engine, s *State, ev *streams.Event) Result {
	t.Helper()
	r, reject := e.Step(s, ev)
	if reject != nil {
		t.Fatalf("event %d: %v", ev.Source.Offset, reject)
	}
	return r
}

// TestStepHoldsTheRule checks the life of a key: warm-up without scores, then a score in [0, 1] that is at least 0.6 exactly
// when the vote holds, refits on schedule, and the injected outliers found.
func TestStepHoldsTheRule(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(nil))
	s, g := e.NewState("e"), newTraffic(1)
	found, outliers, flagged, scored := 0, 0, 0, 0
	for i := range 6000 {
		ev := g.next()
		r := step(t, e, s, ev)
		if got, want := r.Scored, i >= 200; got != want {
			t.Fatalf("event %d: scored is %v", i, got)
		}
		if got, want := r.Refitted, i+1 >= 200 && (i+1-200)%500 == 0; got != want && !r.Drift {
			t.Fatalf("event %d: refitted is %v", i, got)
		}
		if !r.Scored {
			continue
		}
		scored++
		if r.Score < 0 || r.Score > 1 || (r.Score >= 0.6) != r.Flag || r.Flag != (r.Votes >= r.Needed) || r.Flag != (r.Anomaly != nil) {
			t.Fatalf("event %d: %+v", i, r)
		}
		if r.Flag {
			flagged++
			checkAnomaly(t, ev, r.Anomaly)
		}
		if i%400 == 399 {
			outliers++
			if r.Flag && r.Anomaly.Why.Contributions[0].Feature != "c" {
				found++
			}
		}
	}
	if found < outliers*9/10 {
		t.Errorf("%d of %d outliers were found and blamed on their feature", found, outliers)
	}
	if rate := float64(flagged-found) / float64(scored); rate > 0.02 {
		t.Errorf("the false-alarm rate is %v, asked for was 0.01", rate)
	}
	status := e.Status(s)
	if status.Phase != streams.PhaseReady || status.Seen != 6000 || status.Anomalies != int64(flagged) || status.WarmUpHave != 200 {
		t.Errorf("status: %+v", status)
	}
}

func checkAnomaly(t *testing.T, ev *streams.Event, a *streams.Anomaly) {
	t.Helper()
	var sum float64
	for _, c := range a.Why.Contributions {
		sum += c.Share
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Fatalf("anomaly %s: the shares sum to %v", a.ID, sum)
	}
	if a.ID != ev.Source.AnomalyID("test") || a.Features["b"] != ev.Values[1] || a.Why.Sentence == "" || len(a.Detectors) != 3 {
		t.Fatalf("anomaly: %+v", a)
	}
}

// TestRestoreGoesOnAlike saves and restores at many moments, in the warm-up and between refits, and compares everything after.
func TestRestoreGoesOnAlike(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*streams.Definition){
		"default": nil,
		"transforms": func(d *streams.Definition) {
			d.Features[0].Transforms = []string{"value", "diff", "median_residual", "rolling_sd", "lag(3)"}
			d.Features[1].Transforms = []string{"log", "ewma_residual(0.3)", "hour_sin_cos", "weekday_sin_cos", "season_residual"}
			d.Window, d.Refit, d.WarmUp = 300, 100, 60
		},
		"compact": func(d *streams.Definition) {
			d.Profile, d.Window, d.Refit, d.Buffer = streams.ProfileCompact, 256, 500, 1000
			d.Features[1].Transforms = []string{"ewma_residual"}
		},
		"learners": func(d *streams.Definition) {
			d.Detectors = []streams.DetectorSpec{{Name: "hst"}, {Name: "rrcf", Params: map[string]any{"num_trees": 5, "tree_size": 32}}, {Name: "mahalanobis"}}
			d.Window, d.Refit = 300, 200
		},
		"guards": func(d *streams.Definition) {
			d.Window, d.Refit, d.WarmUp = 300, 100, 60
			top, least := 12.5, 2.0
			d.Rules = []streams.Rule{
				{Name: "top", Field: "a", Max: &top}, {Name: "few", MaxAnomalies: 2}, {Name: "rises", Field: "b", Direction: streams.DirectionUp, MinDeviation: &least},
			}
			no := false
			d.Maintenance = []streams.Window{{Name: "hourly", Cron: "5 * * * *", Duration: "9m", Learn: &no}, {Name: "daily", Cron: "0 3 * * *", Duration: "1h"}}
			d.Features[0].Stuck, d.Features[1].Stuck = streams.StuckAuto, "2"
			d.Late = streams.Late{After: 30 * time.Second, Policy: streams.LateScoreOnly}
		},
		"wildcard": func(d *streams.Definition) {
			d.Features = []streams.Feature{{Name: "*", Missing: streams.MissingReject}}
			d.Window, d.Refit = 400, 150
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newTestEngine(t, testDefinition(change))
			want, g := e.NewState("e"), newTraffic(2)
			got := want
			for i := range 2500 {
				if i%97 == 0 {
					saved := e.AppendState(nil, got)
					restored, err := newTestEngine(t, testDefinition(change)).RestoreState("e", saved)
					if err != nil {
						t.Fatalf("event %d: %v", i, err)
					}
					if again := e.AppendState(nil, restored); string(again) != string(saved) {
						t.Fatalf("event %d: saving what was restored gives other bytes", i)
					}
					got = restored
				}
				ev := g.next()
				a, b := step(t, e, want, ev), step(t, e, got, ev)
				if diff := cmp.Diff(a, b); diff != "" {
					t.Fatalf("event %d (-never restored +restored):\n%s", i, diff)
				}
			}
		})
	}
}

// TestPeekChangesNothing compares a peek with the step that follows.
func TestPeekChangesNothing(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(nil))
	s, g := e.NewState("e"), newTraffic(3)
	for i := range 1500 {
		ev := g.next()
		before := string(e.AppendState(nil, s))
		peek, reject := e.Peek(s, ev)
		if reject != nil {
			t.Fatal(reject)
		}
		if after := string(e.AppendState(nil, s)); i%100 == 0 && before != after {
			t.Fatalf("event %d: the peek changed the state", i)
		}
		r := step(t, e, s, ev)
		if peek.Scored != r.Scored || peek.Score != r.Score || peek.Flag != r.Flag {
			t.Fatalf("event %d: peek %+v, step %+v", i, peek, r)
		}
	}
}

// TestDirectionAndDeviation checks that deviations that do not matter make no anomaly, and that the others still do.
func TestDirectionAndDeviation(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(func(d *streams.Definition) {
		d.Features = d.Features[:1]
		d.Features[0].Direction, d.Features[0].MinDeviation = streams.DirectionUp, 8
	}))
	s, g := e.NewState("e"), newTraffic(4)
	for i := range 4000 {
		ev := g.next()
		ev.Names, ev.Values = ev.Names[:1], ev.Values[:1]
		up := i%400 == 399
		if i%400 == 199 {
			ev.Values[0] -= 15
		}
		if r := step(t, e, s, ev); r.Scored && r.Flag != up {
			t.Errorf("event %d with value %v: flagged is %v", i, ev.Values[0], r.Flag)
		}
	}
}

// TestDetectorsThatCannotBeFitted checks that a detector without a fit has no vote, that the others decide, and that a key where
// no detector can be fitted yet begins to score when one can.
func TestDetectorsThatCannotBeFitted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		detectors []streams.DetectorSpec
		scoredAt  int64 // First event with a score.
		voters    int
	}{
		"one of three":  {[]streams.DetectorSpec{{Name: "iforest"}, {Name: "hbos"}, {Name: "knn", Params: map[string]any{"n_neighbors": 5000}}}, 50, 2},
		"none at first": {[]streams.DetectorSpec{{Name: "knn", Params: map[string]any{"n_neighbors": 120}}}, 150, 1},
	} {
		e := newTestEngine(t, testDefinition(func(d *streams.Definition) {
			d.WarmUp, d.Refit, d.Window, d.Detectors = 50, 100, 400, c.detectors
		}))
		s, g := e.NewState("e"), newTraffic(5)
		for i := range int64(900) {
			r := step(t, e, s, g.next())
			if r.Scored != (i >= c.scoredAt) || r.Scored && r.Voters != c.voters {
				t.Fatalf("%s: event %d: scored %v by %d", name, i, r.Scored, r.Voters)
			}
		}
		if status := e.Status(s); c.voters < len(c.detectors) && (status.Phase != streams.PhaseDegraded || len(status.Failures) != 1) {
			t.Errorf("%s: status %s, failures %v", name, status.Phase, status.Failures)
		}
	}
}
