package processors

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"anomalystream/streams"
	"anomalystream/streams/guards"
)

func number(v float64) *float64 { return &v }

// brief makes definitions whose keys are soon ready.
func brief(d *streams.Definition) { d.WarmUp, d.Window, d.Refit = 60, 300, 100 }

// judgement is what the models say about an event.
type judgement struct {
	scored, flag, drift, refitted         bool
	score, severity, statistic, threshold float64
}

func judged(r Result) judgement {
	return judgement{r.Scored, r.Flag, r.Drift, r.Refitted, r.Score, r.Severity, r.Statistic, r.Threshold}
}

// TestRules checks that a value outside a hard range is one anomaly from the first event on, whatever the models say, and that
// the models, their calibration and the realised rate do not notice.
func TestRules(t *testing.T) {
	t.Parallel()
	plain := newTestEngine(t, testDefinition(brief))
	e := newTestEngine(t, testDefinition(func(d *streams.Definition) {
		brief(d)
		d.Rules = []streams.Rule{
			{Name: "hot", Field: "a", Entity: "?", Max: number(12)}, {Name: "cold", Field: "a", Min: number(8)},
			{Name: "others", Entity: "x*", Max: number(0)},
		}
	}))
	want, got, g := plain.NewState("e"), e.NewState("e"), newTraffic(1)
	kinds, early, both := map[string]int{}, 0, 0
	for i := range 3000 {
		ev := g.next()
		peek, _ := e.Peek(got, ev)
		a, b := step(t, plain, want, ev), step(t, e, got, ev)
		if judged(a) != judged(b) {
			t.Fatalf("event %d: %+v, without rules %+v", i, b, a)
		}
		breach := ev.Values[0] > 12 || ev.Values[0] < 8
		if (b.Anomaly != nil) != (breach || b.Flag) {
			t.Fatalf("event %d with %v: %+v", i, ev.Values, b)
		}
		if diff := cmp.Diff(peek.Anomaly, b.Anomaly); diff != "" {
			t.Fatalf("event %d (-peek +step):\n%s", i, diff)
		}
		if b.Anomaly == nil {
			continue
		}
		kinds[b.Anomaly.Kind]++
		if !breach {
			if diff := cmp.Diff(a.Anomaly, b.Anomaly); diff != "" {
				t.Fatalf("event %d (-without rules +with):\n%s", i, diff)
			}
			continue
		}
		an := b.Anomaly
		if an.Kind != streams.KindRule || an.Score < 0.6 || an.Score < b.Score || an.Severity < 9 || an.AlertScore < 4 || len(an.Features) != 3 ||
			an.Why.Contributions[0].Feature != "a" || an.Why.Contributions[0].Share != 1 || len(an.Why.Contributions) != 3 {
			t.Fatalf("event %d: %+v", i, an)
		}
		phrase := " is above the rule's maximum 12 (rule hot)."
		if ev.Values[0] < 8 {
			phrase = " is below the rule's minimum 8 (rule cold)."
		}
		if an.Why.Sentence != "a "+figure(ev.Values[0])+phrase && !b.Flag || !strings.HasPrefix(an.Why.Sentence, "a "+figure(ev.Values[0])+phrase) {
			t.Fatalf("event %d: %q", i, an.Why.Sentence)
		}
		if b.Flag {
			both++
			if !strings.HasSuffix(an.Why.Sentence, "detectors agree.") || an.Votes < an.Needed {
				t.Fatalf("event %d: %+v", i, an)
			}
		}
		if !b.Scored {
			early++
		}
		encoded, err := streams.MarshalAnomaly(an)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := streams.UnmarshalAnomaly(encoded); err != nil || again.Kind != streams.KindRule {
			t.Fatalf("event %d: %s, %v", i, encoded, err)
		}
	}
	if kinds[streams.KindRule] < 50 || kinds[streams.KindModel] == 0 || early == 0 || both == 0 {
		t.Fatalf("kinds %v, %d in the warm-up, %d flagged too", kinds, early, both)
	}
	a, b := plain.Status(want), e.Status(got)
	if b.Ruled != int64(kinds[streams.KindRule]) {
		t.Errorf("the status counts %d, want %d", b.Ruled, kinds[streams.KindRule])
	}
	b.Ruled, b.LastAnomaly = a.Ruled, a.LastAnomaly
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("status (-without rules +with):\n%s", diff)
	}
}

// TestRollupsCountEveryAnomaly: whoever waits for the anomalies of a minute finds as many as its rollup says.
func TestRollupsCountEveryAnomaly(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(func(d *streams.Definition) {
		brief(d)
		d.Rules = []streams.Rule{{Name: "hot", Field: "a", Max: number(11.5)}}
	}))
	s, g := e.NewState("e"), newTraffic(1)
	open := int64(0)
	for range 2000 {
		ev := g.next()
		r := step(t, e, s, ev)
		for _, c := range r.Closed {
			if c.Anomalies != open {
				t.Fatalf("minute %s: %d anomalies, want %d", c.Minute, c.Anomalies, open)
			}
			open = 0
		}
		if r.Anomaly != nil {
			open++
		}
	}
}

// TestLimits checks that what goes beyond a limit in an hour of event time is suppressed, and starts anew with the next hour.
func TestLimits(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(func(d *streams.Definition) {
		d.Rules = []streams.Rule{{Name: "all", Field: "a", Max: number(-1e9)}, {Name: "calm", Entity: "e", MaxAnomalies: 3}}
	}))
	s, g := e.NewState("e"), newTraffic(1)
	count := map[int64]int{}
	for i := range 1200 {
		ev := g.next()
		if i == 1100 {
			ev.Time = ev.Time.Add(-3 * time.Hour) // Late: it belongs to the hour at hand.
		}
		hour := s.lastEvent.Unix() / 3600
		hour = max(hour, ev.Time.Unix()/3600)
		count[hour]++
		want := ""
		if count[hour] > 3 {
			want = "limit:calm"
		}
		if r := step(t, e, s, ev); r.Anomaly.Suppressed != want {
			t.Fatalf("event %d, number %d of its hour: suppressed by %q", i, count[hour], r.Anomaly.Suppressed)
		}
	}
	if got := e.Status(s).Suppressed; got != int64(1200-3*len(count)) {
		t.Errorf("the status counts %d suppressed of 1200 in %d hours", got, len(count))
	}
}

// TestMaintenance compares keys with and without windows: inside everything is scored and nothing notifies; with learn: false
// the models stand as if the events had not come.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	no := false
	window := streams.Window{Name: "patch", Cron: "15 * * * *", Duration: "20m"}
	inside := func(at time.Time) bool { return at.Minute() >= 15 && at.Minute() < 35 }
	for _, learn := range []*bool{nil, &no} {
		plain := newTestEngine(t, testDefinition(brief))
		window.Learn = learn
		e := newTestEngine(t, testDefinition(func(d *streams.Definition) { brief(d); d.Maintenance = []streams.Window{window} }))
		want, got, g := plain.NewState("e"), e.NewState("e"), newTraffic(1)
		suppressed, unlearned := 0, int64(0)
		for i := range 4000 {
			ev := g.next()
			in := inside(ev.Time)
			var a Result
			if in && learn != nil { // The other key is not told; what it would say is what is scored.
				unlearned++
				a, _ = plain.Peek(want, ev)
			} else {
				a = step(t, plain, want, ev)
			}
			b := step(t, e, got, ev)
			if judged(a) != judged(b) {
				t.Fatalf("event %d: %+v, want %+v", i, judged(b), judged(a))
			}
			if b.Anomaly == nil {
				continue
			}
			by := ""
			if in {
				by = "window:patch"
				suppressed++
			}
			if b.Anomaly.Suppressed != by {
				t.Fatalf("event %d: suppressed by %q, want %q", i, b.Anomaly.Suppressed, by)
			}
		}
		if status := e.Status(got); suppressed == 0 || status.Suppressed != int64(suppressed) || status.Unlearned != unlearned || status.Seen != 4000 {
			t.Errorf("%d suppressed, %d unlearned; the status says %+v", suppressed, unlearned, status)
		}
		rate, realised := e.Status(got).RealisedRate, plain.Status(want).RealisedRate
		if *rate != *realised {
			t.Errorf("the realised rate is %v, want %v", *rate, *realised)
		}
	}
}

// TestRelevanceOfEntities checks that a rule for some entities is the same as the feature's own setting, also when it comes
// while the engine runs.
func TestRelevanceOfEntities(t *testing.T) {
	t.Parallel()
	set := newTestEngine(t, testDefinition(func(d *streams.Definition) {
		brief(d)
		d.Features[0].Direction, d.Features[0].MinDeviation, d.Features[0].MinRelative = streams.DirectionUp, 2, 0.1
	}))
	d := testDefinition(brief)
	ruled := newTestEngine(t, d)
	rules, err := guards.New(d, []streams.Rule{
		{Name: "r", Field: "a", Entity: "e*", Direction: streams.DirectionUp, MinDeviation: number(2), MinRelative: number(0.1)},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	plain := newTestEngine(t, d)
	a, b, other, free := set.NewState("e"), ruled.NewState("e"), ruled.NewState("f"), plain.NewState("f")
	g, differs := newTraffic(6), false
	for i := range 2000 {
		if i == 150 { // In the middle of a generation.
			ruled.SetGuards(rules)
		}
		ev := g.next()
		x, y := step(t, set, a, ev), step(t, ruled, b, ev)
		if i >= 150 && x.Statistic != y.Statistic {
			t.Fatalf("event %d: %v, want %v", i, y.Statistic, x.Statistic)
		}
		u, v := step(t, ruled, other, ev), step(t, plain, free, ev)
		if judged(u) != judged(v) {
			t.Fatalf("event %d: the rule reached another entity", i)
		}
		differs = differs || y.Scored && y.Statistic != v.Statistic
	}
	if !differs {
		t.Error("the rule changed nothing")
	}
}

// TestLate checks each policy for late events, and that one event far ahead does not make all later ones late for good.
func TestLate(t *testing.T) {
	t.Parallel()
	late := func(policy string) func(*streams.Definition) {
		return func(d *streams.Definition) { brief(d); d.Late = streams.Late{After: time.Minute, Policy: policy} }
	}
	for _, policy := range []string{streams.LateScore, streams.LateScoreOnly, streams.LateTopic} {
		plain, e := newTestEngine(t, testDefinition(brief)), newTestEngine(t, testDefinition(late(policy)))
		want, got, g := plain.NewState("e"), e.NewState("e"), newTraffic(1)
		count := int64(0)
		for i := range 1500 {
			ev := g.next()
			old := i%50 == 49
			if old {
				ev.Time = ev.Time.Add(-time.Minute - 8*time.Second)
				count++
			} else if i%50 == 30 {
				ev.Time = ev.Time.Add(-time.Minute) // Not late yet: the newest is 7 s older than the event would be.
			}
			var a Result
			if old && policy != streams.LateScore {
				a, _ = plain.Peek(want, ev)
			} else {
				a = step(t, plain, want, ev)
			}
			b, reject := e.Step(got, ev)
			if (reject != nil) != (old && policy == streams.LateTopic) || b.Late != old {
				t.Fatalf("%s: event %d: late %v, %v", policy, i, b.Late, reject)
			}
			if reject != nil {
				if reject.Code != streams.CodeLate || !strings.Contains(reject.Reason, "1m1s older") {
					t.Fatalf("%s: event %d: %v", policy, i, reject)
				}
				continue
			}
			if judged(a) != judged(b) {
				t.Fatalf("%s: event %d: %+v, want %+v", policy, i, judged(b), judged(a))
			}
		}
		if status := e.Status(got); status.Late != count {
			t.Errorf("%s: the status counts %d, want %d", policy, status.Late, count)
		}
	}
	e := newTestEngine(t, testDefinition(late(streams.LateTopic)))
	s, g := e.NewState("e"), newTraffic(1)
	refused := 0
	for i := range 600 {
		ev := g.next()
		if i == 300 {
			ev.Time = ev.Time.AddDate(50, 0, 0)
		}
		if _, reject := e.Step(s, ev); reject != nil {
			refused++
		}
	}
	if refused != behindLimit {
		t.Errorf("%d events were refused after one of the year 2073, want %d", refused, behindLimit)
	}
}

// TestStuck checks the onset of a feature that repeats its value: once, by history or by number, never for a feature that has few
// values or mostly repeats them, and not because of missing values.
func TestStuck(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(func(d *streams.Definition) {
		brief(d)
		d.Features[0].Stuck, d.Features[1].Stuck, d.Features[2].Stuck = streams.StuckAuto, streams.StuckAuto, "5"
		d.Features[2].Missing = streams.MissingHold
	}))
	s, g := e.NewState("e"), newTraffic(1)
	var onsets []string
	for i := range 3000 {
		ev := g.next()
		ev.Values[1] = math.Round(ev.Values[1]) // Few values.
		switch {
		case i >= 1000 && i < 1100, i >= 1500 && i < 1507:
			ev.Values[0] = 10.5
		case i >= 2000 && i < 2100:
			ev.Values[2] = 1.5
		case i >= 2500 && i < 2600:
			ev.Values[2] = math.NaN()
		}
		if r := step(t, e, s, ev); r.Anomaly != nil && r.Anomaly.Kind == streams.KindStuck {
			onsets = append(onsets, ev.Time.Sub(time.Unix(1_700_000_000, 0)).String()+" "+r.Anomaly.Why.Contributions[0].Feature)
			if !strings.HasPrefix(r.Anomaly.Why.Sentence, r.Anomaly.Why.Contributions[0].Feature+" is stuck: ") || r.Anomaly.Score < 0.6 {
				t.Errorf("event %d: %+v", i, r.Anomaly)
			}
		}
	}
	at := func(i int, feature string) string { return (time.Duration(7*i) * time.Second).String() + " " + feature }
	// Reminders come every five minutes, half of the span after which the incident would end. The second time of a, seven values
	// are too few.
	want := []string{at(1007, "a"), at(1043, "a"), at(1086, "a"), at(2004, "c"), at(2043, "c"), at(2086, "c")}
	if !slices.Equal(onsets, want) {
		t.Errorf("got %v, want %v", onsets, want)
	}
	if got := e.Status(s).Stuck; got != 6 {
		t.Errorf("the status counts %d", got)
	}
}

// TestStuckLearns checks that a feature whose nature is to rest for long is reported a few times and then no more.
func TestStuckLearns(t *testing.T) {
	t.Parallel()
	r, g := &run{}, newTraffic(1)
	reported := 0
	for night := range 60 {
		for range 500 {
			if ev := g.next(); r.next(ev.Values[0], ev.Time, byHistory) {
				t.Fatalf("night %d: reported by day", night)
			}
		}
		for range 40 {
			if ev := g.next(); r.next(0, ev.Time, byHistory) {
				reported++
			}
		}
	}
	if reported == 0 || reported > 20 {
		t.Errorf("reported %d times in 60 nights", reported)
	}
}
