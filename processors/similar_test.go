package processors

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"anomalystream/streams"
)

// TestSimilar checks what is like a judged anomaly, whose features are b, then a, of three features with two columns each.
func TestSimilar(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(nil))
	s := lived(t, e, 300)
	if !e.Instruct(s, said("v", streams.VerdictExpected, 250, 250)) {
		t.Fatal("the verdict was not taken")
	}
	v := s.verdict("v")
	like := func(list ...streams.SeenFeature) (out []streams.Contribution) {
		for i, f := range list {
			out = append(out, streams.Contribution{Feature: f.Feature, Share: []float64{0.45, 0.35, 0.2}[i], Deviation: f.Columns[0].Deviation, Columns: f.Columns})
		}
		return out
	}
	b, a, c := seen("b", 20, 19), seen("a", 14, 13), seen("c", 0, 0)
	for name, x := range map[string]struct {
		list []streams.Contribution
		want float64
	}{
		"the same":                      {like(b, a, c), 0},
		"c does not matter":             {like(b, a, seen("c", 50, 50)), 0},
		"a column of b":                 {like(seen("b", 20, 19+3.85), a, c), 0.5},
		"another of a, downwards":       {like(b, seen("a", 14-6.2, 13), c), 1},
		"the farthest column":           {like(seen("b", 26, 19), seen("a", 14, 13-11.8), c), 2},
		"the other way":                 {like(seen("b", -20, -19), a, c), 5},
		"in another order":              {like(a, b, c), 0},
		"led by another feature":        {like(c, b, a), math.Inf(1)},
		"the leading one is not guilty": {like(a, c, b), math.Inf(1)},
	} {
		if got := v.distance(x.list); math.Abs(got-x.want) > 1e-12 && got != x.want {
			t.Errorf("%s: got a distance of %v, want %v", name, got, x.want)
		}
	}
	for i, list := range [][]streams.SeenFeature{
		nil,
		{{Feature: "b", Columns: []streams.ColumnDeviation{{Column: "value", Deviation: 20}}}},
		{{Feature: "b", Columns: []streams.ColumnDeviation{{Column: "value", Deviation: 20}, {Column: "diff", Deviation: 19}}}},
		{b, seen("gone", 1, 1)},
		{b, b},
	} {
		f := said(fmt.Sprint("w", i), streams.VerdictExpected, 250, 250)
		f.Seen = list
		if !e.Instruct(s, f) {
			t.Fatal("the verdict was not taken")
		}
		if d := s.verdict(f.ID).distance(like(b, a, c)); !math.IsInf(d, 1) {
			t.Errorf("%v, seen under other columns, is at a distance of %v", list, d)
		}
	}
}

// TestNearestVerdict checks which of several verdicts on similar anomalies counts.
func TestNearestVerdict(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(nil))
	s := lived(t, e, 300)
	why := &streams.Explanation{Contributions: []streams.Contribution{{Feature: "b", Columns: seen("b", 10, 10).Columns}}}
	say := func(id, kind string, value float64) {
		f := said(id, kind, 250, 250)
		f.Seen = []streams.SeenFeature{seen("b", value, 10)}
		e.Instruct(s, f)
	}
	check := func(want string) {
		t.Helper()
		got := ""
		if v := s.suppressing(why, 3, at(300)); v != nil {
			got = v.id
		}
		if got != want {
			t.Errorf("got verdict %q, want %q", got, want)
		}
	}
	check("")
	say("far", streams.VerdictExpected, 13)
	check("far")
	say("near", streams.VerdictExpected, 12)
	check("near")
	say("real", streams.VerdictReal, 11)
	check("")
	say("same", streams.VerdictExpected, 10)
	check("same")
	say("disputed", streams.VerdictReal, 10)
	check("")
	e.Instruct(s, takenBack("disputed", 1))
	check("same")
}

// TestSilencedNoise: calls of noise about what is silenced as expected lower no rate while it is.
func TestSilencedNoise(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, testDefinition(nil))
	s, g := livedOn(t, e, 300)
	stream := e.Rate()
	check := func(want float64) {
		t.Helper()
		for _, s := range []*State{s, restored(t, e, s)} {
			if got := e.Status(s).RequestedRate; got != want*stream {
				t.Fatalf("got a requested rate of %v, want %v of %v", got, want, stream)
			}
		}
	}
	say := func(id, kind string, until int64, list ...streams.SeenFeature) {
		f := said(id, kind, 250, 250)
		f.Seen, f.Until = list, at(until)
		if !e.Instruct(s, f) {
			t.Fatal("the verdict was not taken")
		}
	}
	say("n1", streams.VerdictNoise, 9000, seen("b", 10, 10))
	say("n2", streams.VerdictNoise, 9000, seen("b", 11, 9))
	check(0.5)
	say("another", streams.VerdictExpected, 9000, seen("b", 25, 10))
	say("led by another", streams.VerdictExpected, 9000, seen("a", 10, 10), seen("b", 10, 10))
	check(0.5)
	say("e1", streams.VerdictExpected, 9000, seen("b", 10.5, 10), seen("a", 3, 3))
	check(1)
	say("n3", streams.VerdictNoise, 9000, seen("b", -10, -10))
	say("n4", streams.VerdictNoise, 9000)
	check(0.5)
	e.Instruct(s, takenBack("e1", 0))
	check(0.125)
	say("e2", streams.VerdictExpected, 310, seen("b", 10.5, 10))
	check(0.5)
	for range 20 {
		step(t, e, s, g.next())
	}
	check(0.125)
}

// TestRawVerdicts reads a state of before verdicts knew what the detectors saw: they are in force, and similar to nothing.
func TestRawVerdicts(t *testing.T) {
	t.Parallel()
	saved, err := os.ReadFile(filepath.Join("testdata", "state-v2-raw-verdicts.bin"))
	if err != nil {
		t.Fatal(err)
	}
	e := newTestEngine(t, testDefinition(goldenStates()["verdicts"].change))
	s, err := e.RestoreState("e", saved)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{"one": streams.VerdictReal, "two": streams.VerdictExpected, "three": streams.VerdictNoise, "unknown": ""}
	if len(s.verdicts) != len(kinds) {
		t.Errorf("%d verdicts, want %d", len(s.verdicts), len(kinds))
	}
	for _, v := range s.verdicts {
		if kind, ok := kinds[v.id]; !ok || v.kind != kind || len(v.sights) > 0 {
			t.Errorf("got verdict %+v", v)
		}
	}
}
