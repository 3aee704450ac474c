package processors

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

// at is the time of an event of the test traffic.
func at(n int64) time.Time { return time.Unix(1_700_000_000+7*n, 0).UTC() }

// said is a verdict on the events from one number to another of the test traffic; ids are in the order of time.
func said(id, kind string, from, to int64) *streams.Feedback {
	return &streams.Feedback{
		ID: id, Action: streams.ActionVerdict, Verdict: kind, Stream: "test", Entity: "e", From: at(from), To: at(to), Until: at(100_000),
		Seen: []streams.SeenFeature{seen("b", 20, 19), seen("a", 14, 13)}, Alert: 3, At: at(to),
	}
}

// seen is what detectors saw of a feature of the test streams.
func seen(feature string, value, residual float64) streams.SeenFeature {
	return streams.SeenFeature{Feature: feature, Columns: []streams.ColumnDeviation{{Column: "value", Deviation: value}, {Column: "ewma_residual(0.1)", Deviation: residual}}}
}

func takenBack(id string, n int64) *streams.Feedback {
	return &streams.Feedback{ID: "back-" + id, Action: streams.ActionWithdraw, Withdraw: id, Stream: "test", Entity: "e", Until: at(100_000), At: at(100_000 + n)}
}

// restored is a state after a restart.
func restored(t *testing.T, e *Engine, s *State) *State {
	t.Helper()
	again, err := e.RestoreState("e", e.AppendState(nil, s))
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// waysToLearn are a stream whose models learn by fits alone, and one with detectors that learn each row.
var waysToLearn = map[string]func(*streams.Definition){
	"default": nil,
	"learns row by row": func(d *streams.Definition) {
		d.Detectors = []streams.DetectorSpec{{Name: "rcf", Weight: 1}, {Name: "mahalanobis", Weight: 1}}
	},
}

// TestRealTroubleIsNotLearned checks that the rows of real trouble leave the models at once, come back when the verdict is
// withdrawn or ends, and that a restart changes nothing.
func TestRealTroubleIsNotLearned(t *testing.T) {
	t.Parallel()
	for name, change := range waysToLearn {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newTestEngine(t, testDefinition(change))
			s, g := lived(t, e, 900), newTraffic(9)
			before := e.Status(s)
			verdict := said("x", streams.VerdictReal, 500, 799)
			if !e.Instruct(s, verdict) || e.Instruct(s, verdict) {
				t.Fatal("want the verdict taken once")
			}
			if got := e.Status(s).Generation; got != before.Generation+1 {
				t.Errorf("got generation %d after %d, want a fit at once", got, before.Generation)
			}
			if got := len(s.training(nil)); got != 600 || s.models.rows != 600 {
				t.Errorf("got %d training rows, the models have %d, want 600 of 900", got, s.models.rows)
			}
			twin := restored(t, e, s)
			for range 900 {
				g.next()
			}
			withdraw := takenBack("x", 1)
			for i := range 1400 {
				if i == 700 && (!e.Instruct(s, withdraw) || !e.Instruct(twin, withdraw) || e.Instruct(s, withdraw)) {
					t.Fatal("want the verdict taken back once")
				}
				if i%300 == 0 {
					twin = restored(t, e, twin)
				}
				ev := g.next()
				if diff := cmp.Diff(step(t, e, s, ev).Anomaly, step(t, e, twin, ev).Anomaly); diff != "" {
					t.Fatalf("event %d differs after a restart:\n%s", i, diff)
				}
				if got := slices.Contains(s.training(nil), 600); i < 700 && got || i >= 700 && s.fitFrom <= 600 && !got {
					t.Fatalf("event %d: row 600 in the training is %v", i, got)
				}
			}
			if !bytes.Equal(e.AppendState(nil, s), e.AppendState(nil, twin)) {
				t.Error("the states differ after restarts")
			}
		})
	}
}

// TestVerdictsLeaveEnoughToLearn checks that verdicts on nearly all rows are passed over, the oldest first.
func TestVerdictsLeaveEnoughToLearn(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(nil))
	s := lived(t, e, 1000)
	e.Instruct(s, said("old", streams.VerdictReal, 0, 399))
	e.Instruct(s, said("new", streams.VerdictReal, 600, 899))
	if got := s.training(nil); len(got) != 700 || slices.Contains(got, 700) || !slices.Contains(got, 100) {
		t.Errorf("got %d training rows, want 700: all but those of the newer verdict", len(got))
	}
	e.Instruct(s, said("all", streams.VerdictReal, 0, 2000))
	if got := len(s.training(nil)); got != 700 {
		t.Errorf("got %d training rows, want 700: a verdict on everything leaves nothing to learn", got)
	}
}

// TestExpectedOfYoungDetector: the verdict has the models fitted anew, by which the same event seems stronger than it did. It is
// silenced all the same, and whether the process restarted before the verdict makes no difference.
func TestExpectedOfYoungDetector(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(func(d *streams.Definition) { d.Features = d.Features[:1] }))
	for seed := range uint64(10) {
		s, rng := e.NewState("e"), rand.New(rand.NewPCG(seed, 1))
		next := func(n int64, v float64) *streams.Event {
			return &streams.Event{Stream: "test", Entity: "e", Time: at(n), Names: []string{"a"}, Values: []float64{v}, Source: streams.Position{Topic: "test", Offset: n}}
		}
		for n := range int64(400) {
			step(t, e, s, next(n, 10+rng.NormFloat64()))
		}
		a := step(t, e, s, next(400, 30)).Anomaly
		if a == nil {
			continue // Seldom, and another matter: a vote of few past scores.
		}
		v := said("v", streams.VerdictExpected, 400, 400)
		v.Describe(a)
		again := restored(t, e, s)
		if !e.Instruct(s, v) || !e.Instruct(again, v) {
			t.Fatal("the verdict was not taken")
		}
		if !bytes.Equal(e.AppendState(nil, s), e.AppendState(nil, again)) {
			t.Error("a restart before the verdict makes another state")
		}
		for n := range int64(60) {
			step(t, e, s, next(401+n, 10+rng.NormFloat64()))
		}
		if b := step(t, e, s, next(461, 30.1)).Anomaly; b != nil && b.Suppressed == "" {
			t.Errorf("seed %d: the same again, alert score %.2f after %.2f, is not silenced", seed, b.AlertScore, a.AlertScore)
		}
	}
}

// TestExpectedSilencesTheLike checks which anomalies are suppressed, and until when.
func TestExpectedSilencesTheLike(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(nil))
	s, g := livedOn(t, e, 1600)
	odd := func() *streams.Event {
		ev := g.next()
		ev.Values = []float64{25, 20, 1}
		return ev
	}
	peek := func(s *State, change func(ev *streams.Event)) *streams.Anomaly {
		ev := odd()
		if change != nil {
			change(ev)
		}
		r, reject := e.Peek(s, ev)
		if reject != nil || r.Anomaly == nil {
			t.Fatalf("%v: no anomaly", ev.Values)
		}
		return r.Anomaly
	}
	a := peek(s, nil)
	if a.Suppressed != "" {
		t.Fatalf("suppressed by %q before any verdict", a.Suppressed)
	}
	v := said("v", streams.VerdictExpected, 1599, 1599)
	v.Describe(a)
	v.Until = at(1700)
	if !e.Instruct(s, v) {
		t.Fatal("the verdict was not taken")
	}
	guilty := slices.Index(s.plan.names, v.Guilty[0])
	edge := math.Inf(1) // How much higher the value may be in each of its columns.
	for i, c := range v.Seen[0].Columns {
		column := i*len(s.plan.names) + guilty
		edge = min(edge, (similarSpreads+similarShare*math.Abs(c.Deviation))*s.models.scaler.Scale()[column])
	}
	move := func(edges float64) func(ev *streams.Event) {
		return func(ev *streams.Event) { ev.Values[guilty] += edges * edge }
	}
	for name, c := range map[string]struct {
		change func(ev *streams.Event)
		want   string
	}{
		"the same":          {nil, "verdict:v"},
		"near":              {move(-0.2), "verdict:v"},
		"too far":           {move(1.5), ""},
		"another feature":   {func(ev *streams.Event) { ev.Values = []float64{10, 5, 500} }, ""},
		"when it has ended": {func(ev *streams.Event) { ev.Time = at(1700) }, ""},
	} {
		for kind, s := range map[string]*State{"": s, " after a restart": restored(t, e, s)} {
			if got := peek(s, c.change).Suppressed; got != c.want {
				t.Errorf("%s%s: got suppressed by %q, want %q", name, kind, got, c.want)
			}
		}
	}
	stronger := restored(t, e, s)
	stronger.verdicts[0].alert = a.AlertScore - 2*similarAlert
	if got := peek(stronger, nil).Suppressed; got != "" {
		t.Errorf("one much stronger than expected was suppressed by %q", got)
	}
	r := said("w", streams.VerdictReal, 1599, 1599)
	r.Describe(a)
	disputed := restored(t, e, s)
	if !e.Instruct(disputed, r) {
		t.Fatal("the verdict was not taken")
	}
	if got := peek(disputed, nil).Suppressed; got != "" {
		t.Errorf("one nearest to real trouble was suppressed by %q", got)
	}
	if !e.Instruct(s, takenBack("v", 0)) {
		t.Fatal("the verdict was not taken back")
	}
	if got := peek(s, nil).Suppressed; got != "" {
		t.Errorf("suppressed by %q, which was taken back", got)
	}
}

// TestNoiseLowersTheRate checks the rate requested of a key, its bounds, and that the score stays exact.
func TestNoiseLowersTheRate(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(func(d *streams.Definition) { d.Rate = 0.04 }))
	s, g := livedOn(t, e, 1200)
	check := func(want float64) {
		t.Helper()
		if got := e.Status(s).RequestedRate; math.Abs(got-want) > 1e-12 {
			t.Fatalf("got a requested rate of %v, want %v", got, want)
		}
	}
	theta := *e.Status(s).Threshold
	for i, want := range []float64{0.04, 0.02, 0.01, 0.005, 0.005} {
		v := said(fmt.Sprint("n", i), streams.VerdictNoise, 1000, 1010)
		v.Kind = []string{"", streams.KindModel, streams.KindGroup}[i%3]
		v.Until = at(2000 + int64(i))
		if !e.Instruct(s, v) {
			t.Fatal("the verdict was not taken")
		}
		check(want)
	}
	if got := *e.Status(s).Threshold; got <= theta {
		t.Errorf("got a threshold of %v after %v, want a higher one", got, theta)
	}
	if got := len(e.Status(s).Verdicts); got != 5 {
		t.Errorf("the status lists %d verdicts, want 5", got)
	}
	r := said("real", streams.VerdictReal, 100, 110)
	r.Alert = 2 // Found at 1 in 100.
	e.Instruct(s, r)
	check(math.Pow(10, realMargin-2))
	e.Instruct(s, takenBack("real", 0))
	for range 2100 - 1200 {
		ev := g.next()
		r := step(t, e, s, ev)
		if r.Scored && (r.Score >= 0.6) != (r.Votes >= r.Needed) {
			t.Fatalf("score %v with %d of %d votes", r.Score, r.Votes, r.Needed)
		}
	}
	check(0.04)
	e.Instruct(s, said("again", streams.VerdictReal, 2000, 2001)) // The next fit forgets what has ended.
	if got := len(s.verdicts); got != 1+1 {
		t.Errorf("%d verdicts are kept, want the new one and the one taken back, which has not ended", got)
	}
}

// TestFeedbackThatChangesNothing checks what is not applied: what is no verdict, has ended, belongs to a key without events, or
// calls noise what no model has found.
func TestFeedbackThatChangesNothing(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(nil))
	s := lived(t, e, 500)
	ended, absurd := said("ended", streams.VerdictReal, 1, 2), said("absurd", "splendid", 1, 2)
	ended.Until = at(499)
	elsewhere := func(kind string) *streams.Feedback {
		f := said("of a "+kind, streams.VerdictNoise, 1, 2)
		f.Kind = kind
		return f
	}
	comment := said("comment", streams.VerdictReal, 1, 2)
	comment.Action = streams.ActionComment
	saved := e.AppendState(nil, s)
	for _, f := range []*streams.Feedback{ended, absurd, comment, {ID: "empty"}, takenBack("", 0), elsewhere(streams.KindRule), elsewhere(streams.KindStuck), elsewhere(streams.KindSilent)} {
		if e.Instruct(s, f) {
			t.Errorf("feedback %q was applied", f.ID)
		}
	}
	if !bytes.Equal(saved, e.AppendState(nil, s)) {
		t.Error("feedback that was not applied changed the state")
	}
	wild := newTestEngine(t, testDefinition(goldenStates()["wildcard"].change))
	if wild.Instruct(wild.NewState("e"), said("early", streams.VerdictReal, 1, 2)) {
		t.Error("a verdict was applied to a key without events")
	}
	odd := said("odd", streams.VerdictExpected, 1, 2)
	odd.Seen, odd.Until, odd.From = []streams.SeenFeature{seen("a", 1, 1), seen("a", 1, 1), seen("gone", 1, 1)}, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{}
	if !e.Instruct(s, odd) {
		t.Error("a verdict with odd times was not applied")
	}
	if again := restored(t, e, s); !bytes.Equal(e.AppendState(nil, again), e.AppendState(nil, s)) {
		t.Error("a verdict with odd times is not restored as it was")
	}
	// One taken back before it comes has no effect when it does.
	if !e.Instruct(s, takenBack("late", 0)) || e.Instruct(s, said("late", streams.VerdictNoise, 1, 2)) {
		t.Error("want the withdrawal remembered and its verdict ignored")
	}
}

// TestTheNewestVerdictsCount checks the bound of their number: the same are kept in whatever order they come.
func TestTheNewestVerdictsCount(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(nil))
	kept := func(order []int) (ids []string) {
		s := lived(t, e, 300)
		for range 2 { // The second time changes nothing.
			for _, i := range order {
				e.Instruct(s, said(fmt.Sprintf("v%03d", i), streams.VerdictNoise, 1, int64(i)))
			}
		}
		for i := range s.verdicts {
			ids = append(ids, s.verdicts[i].id)
		}
		return ids
	}
	var up, down []int
	for i := range maxVerdicts + 10 {
		up, down = append(up, i), append([]int{i}, down...)
	}
	if diff := cmp.Diff(kept(up), kept(down)); diff != "" || len(kept(up)) != maxVerdicts || kept(up)[0] != "v010" {
		t.Errorf("got %v, and in the other order:\n%s", kept(up), diff)
	}
}

// TestVerdictBeforeTheModels checks that a rule's anomaly of the warm-up meets a verdict without models to measure distances by.
func TestVerdictBeforeTheModels(t *testing.T) {
	t.Parallel()
	top := -1e6 // Every value breaks it.
	e := newTestEngine(t, testDefinition(func(d *streams.Definition) { d.Rules = []streams.Rule{{Name: "top", Field: "a", Max: &top}} }))
	s, g := lived(t, e, 5), newTraffic(9)
	verdict := said("x", streams.VerdictExpected, 3, 3)
	verdict.Guilty = []string{"a"}
	if !e.Instruct(s, verdict) {
		t.Fatal("want the verdict taken")
	}
	if r := step(t, e, s, g.next()); r.Anomaly == nil || r.Anomaly.Kind != streams.KindRule || r.Anomaly.Suppressed != "" {
		t.Errorf("got %+v, want an anomaly of the rule that nothing silences", r.Anomaly)
	}
}
