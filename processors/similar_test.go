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
		"a column of b":                 {like(seen("b", 20, 19+4.35), a, c), 0.5},
		"another of a, downwards":       {like(b, seen("a", 14-7.2, 13), c), 1},
		"the farthest column":           {like(seen("b", 26, 19), seen("a", 14, 13-13.8), c), 2},
		"the other way":                 {like(seen("b", -20, -19), a, c), 40.0 / 9},
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
