package evaluate

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// reference is what the evaluator in Python writes.
type reference struct {
	Sets, Streams map[string]map[string]*float64
	NAB           map[string]json.RawMessage
	Regime        map[string]map[string]*float64
}

func readReference(t *testing.T, path string) reference {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// compare checks every figure of the reference against ours, and returns how many there were.
func compare(t *testing.T, ref reference, streams []*Stream, o Options, span int) int {
	t.Helper()
	got := Evaluate(streams, o)
	n := 0
	check := func(where string, got any, want map[string]*float64) {
		b, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		var ours map[string]*float64
		if err := json.Unmarshal(b, &ours); err != nil {
			t.Fatal(err)
		}
		for name, w := range want {
			g, ok := ours[name]
			n++
			switch {
			case !ok:
				t.Errorf("%s: there is no %s", where, name)
			case (g == nil) != (w == nil):
				t.Errorf("%s: %s: got %v, want %v", where, name, g, w)
			case g != nil && math.Abs(*g-*w) > 1e-10*math.Max(1, math.Abs(*w)):
				t.Errorf("%s: %s: got %v, want %v", where, name, *g, *w)
			}
		}
	}
	for name, want := range ref.Sets {
		check(name, got.Sets[name], want)
	}
	for name, want := range ref.Streams {
		check(name, got.Streams[name], want)
	}
	for name, want := range ref.Regime {
		check(name, got.Shifts[name], want)
	}
	if len(got.Streams) != len(ref.Streams) || len(got.Sets) != len(ref.Sets) || len(got.Shifts) != len(ref.Regime) {
		t.Errorf("%d streams in %d sets with %d shifts, want %d, %d and %d", len(got.Streams), len(got.Sets), len(got.Shifts), len(ref.Streams), len(ref.Sets), len(ref.Regime))
	}
	if ref.NAB == nil {
		return n
	}
	var nab []*Stream
	for _, s := range streams {
		if s.Set == "nab" {
			nab = append(nab, s)
		}
	}
	r := MeasureNAB(nab, span, o.Threshold)
	for name, scores := range map[string]map[string]NABScore{
		"every row, best cut": r.EveryBest, fmt.Sprintf("every row, cut %g", o.Threshold): r.EveryFixed,
		fmt.Sprintf("episodes of %d rows, best cut", span): r.EpisodesBest, fmt.Sprintf("episodes of %d rows, cut %g", span, o.Threshold): r.EpisodesFixed,
	} {
		var want map[string]map[string]*float64
		if err := json.Unmarshal(ref.NAB[name], &want); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for profile, w := range want {
			check(name+" "+profile, scores[profile], w)
		}
	}
	return n
}

// TestAgreesWithReference measures the streams of testdata, whose README says where the expected figures come from.
func TestAgreesWithReference(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		expected, rankBy string
		options          Options
		span             int
	}{
		{"testdata/expected.json", "score", Options{Epsilon: 0.01, Threshold: 0.6}, 150},
		{"testdata/expected-severity.json", "severity", Options{Epsilon: 0.05, Threshold: 0.5, Buffer: 7}, 20},
	} {
		streams, err := ReadTree("testdata/scores", "testdata/tree", tt.rankBy)
		if err != nil {
			t.Fatal(err)
		}
		if n := compare(t, readReference(t, tt.expected), streams, tt.options, tt.span); n < 170 {
			t.Errorf("%s: only %d figures were compared", tt.expected, n)
		}
	}
}

// TestRankingByHand compares with the definitions, written literally.
func TestRankingByHand(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 40).Draw(t, "n")
		label, score := make([]bool, n), make([]float64, n)
		for i := range n {
			label[i] = rapid.Bool().Draw(t, "label")
			score[i] = float64(rapid.IntRange(0, 9).Draw(t, "score"))
		}
		positives := count(label)
		if positives == 0 || positives == n {
			return
		}
		var won, ap float64
		for i := range n {
			for j := range n {
				switch {
				case !label[i] || label[j]:
				case score[i] > score[j]:
					won++
				case score[i] == score[j]:
					won += 0.5
				}
			}
		}
		roc := won / float64(positives) / float64(n-positives)
		for cut := 9.0; cut >= 0; cut-- {
			var hits, more, taken float64
			for i := range n {
				if score[i] >= cut {
					taken++
					if label[i] {
						hits++
						if score[i] == cut {
							more++
						}
					}
				}
			}
			if taken > 0 {
				ap += more / float64(positives) * hits / taken
			}
		}
		if gotROC, gotAP := rocAP(label, score); math.Abs(gotROC-roc) > 1e-12 || math.Abs(gotAP-ap) > 1e-12 {
			t.Fatalf("got %v, %v, want %v, %v", gotROC, gotAP, roc, ap)
		}
	})
}

func TestStandingOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		score := rapid.SliceOf(rapid.SampledFrom([]float64{0, 1, 2, 3, math.NaN()})).Draw(t, "score")
		span := rapid.IntRange(1, 6).Draw(t, "span")
		got := standingOut(score, span)
		for i, v := range score {
			keep := v == v
			for j := max(0, i-span); j < i; j++ {
				keep = keep && !(score[j] >= v)
			}
			if keep != (got[i] == v) || !keep && got[i] == got[i] {
				t.Fatalf("row %d of %v: got %v", i, score, got)
			}
		}
	})
}

// TestPerfectAndUseless pins the scale of the figures.
func TestPerfectAndUseless(t *testing.T) {
	t.Parallel()
	s := &Stream{Name: "x", Set: "nab", From: 10, Segments: []Segment{{Start: 50, End: 59}, {Start: 120, End: 129}}}
	for i := range 200 {
		on := i >= 50 && i < 60 || i >= 120 && i < 130
		s.Score, s.Flag = append(s.Score, 0.1), append(s.Flag, on)
		if on {
			s.Score[i] = 0.9
		}
	}
	s.Rank = s.Score
	r := Evaluate([]*Stream{s}, Options{})
	m := r.Streams["nab/x"]
	if m.ROC != 1 || m.AP != 1 || m.VUS < 0.9 || m.Recall != 1 || m.Delay != 0 || m.FAR != 0 || m.F1 != 1 || m.RowF1 != 1 || m.Precision != 1 || m.Bad != 0 || m.PerDay.Known() || m.HR150.Known() {
		t.Errorf("perfect scores: got %+v", m)
	}
	if got := r.NAB.EveryFixed["standard"].Score; math.Abs(float64(got)-100) > 1e-9 {
		t.Errorf("perfect scores: got a Numenta score of %v", got)
	}
	for i := range s.Score {
		s.Score[i], s.Flag[i] = 0.1, false
	}
	r = Evaluate([]*Stream{s}, Options{})
	if m := r.Streams["nab/x"]; m.ROC != 0.5 || m.Recall != 0 || m.F1 != 0 || m.Precision.Known() || m.Delay.Known() {
		t.Errorf("one score for all: got %+v", m)
	}
	if got := r.NAB.EveryFixed["standard"]; got.Score != 0 {
		t.Errorf("no alarm: got a Numenta score of %+v", got)
	}
	if got := m.Delay.Format(0) + m.PerDay.Format(1) + m.AP.Format(2); got != "0-1.00" {
		t.Errorf("formatted: got %s", got)
	}
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := dir + "/" + name
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"no column":    {second(ReadScores(file("a.csv", "row,score\n0,1\n"), 5, "")), `no column "flag"`},
		"no rank":      {second(ReadScores(file("b.csv", "row,score,flag\n0,1,0\n"), 5, "lof")), `no column "lof"`},
		"row outside":  {second(ReadScores(file("c.csv", "row,score,flag\n0,1,0\n5,1,0\n"), 5, "")), `line 3: row "5" is not within 0 to 4`},
		"no number":    {second(ReadScores(file("d.csv", "row,score,flag\n0,high,0\n"), 5, "")), `line 2: found "high"`},
		"absent":       {second(ReadScores(dir+"/no.csv", 5, "")), "no such file"},
		"empty":        {second(ReadLabels(file("e.csv", ""))), "EOF"},
		"label order":  {second(ReadLabels(file("f.csv", "start,end\n7,3\n"))), "line 2"},
		"label column": {second(ReadLabels(file("g.csv", "from,to\n"))), "start and end"},
		"meta":         {second(ReadMeta(file("meta.json", "{"))), "meta.json"},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, tt.err, tt.want)
		}
	}
	for name, s := range map[string]*Stream{
		"flags":    {Scores: Scores{Score: make([]float64, 3), Rank: make([]float64, 3), Flag: make([]bool, 2)}},
		"from":     {From: 9, Scores: Scores{Score: make([]float64, 3), Rank: make([]float64, 3), Flag: make([]bool, 3)}},
		"segments": {Segments: []Segment{{Start: 1, End: 3}}, Scores: Scores{Score: make([]float64, 3), Rank: make([]float64, 3), Flag: make([]bool, 3)}},
		"contrib":  {Scores: Scores{Score: make([]float64, 3), Rank: make([]float64, 3), Flag: make([]bool, 3), Features: []string{"a"}, Contrib: [][]float64{{1}}}},
	} {
		if s.Validate() == nil {
			t.Errorf("%s: a stream that does not fit together is valid", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }
