//go:build fixtures

package backtest

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"anomalystream/streams"
)

// TestScoreFilesAgreeWithTheEvaluator runs real files as the command does, has the evaluator in Python judge the score files, and
// holds every figure of ours to it. EVAL_DIR names the folder with eval/ and data/, PYTHON an interpreter with numpy,
// pandas and scikit-learn.
func TestScoreFilesAgreeWithTheEvaluator(t *testing.T) {
	root := os.Getenv("EVAL_DIR")
	if root == "" {
		t.Fatal("EVAL_DIR is not set")
	}
	python := os.Getenv("PYTHON")
	if python == "" {
		python = "python3"
	}
	scores, ours := t.TempDir(), map[string]map[string]any{}
	for set, names := range map[string][]string{
		"nab": {"realKnownCause__nyc_taxi", "artificialWithAnomaly__art_daily_flatmiddle"}, "asd": {"omi-1"}, "skab": {"valve1-0"}, "regime": {"shift4-seed1"},
	} {
		d := streams.DefaultDefinition(set)
		d.Time = "timestamp"
		d.Features = []streams.Feature{{Name: "*", Path: "*", Missing: streams.MissingHold}}
		o := Options{Setups: []Setup{{Definition: &d}}, Scores: filepath.Join(scores, set), Labels: filepath.Join(root, "data", set, "labels")}
		for _, name := range names {
			o.Sources = append(o.Sources, FileSource(filepath.Join(root, "data", set, name+".csv.gz")))
		}
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range r.Runs[0].Sources {
			b, err := json.Marshal(s.Metrics)
			if err != nil {
				t.Fatal(err)
			}
			figures := map[string]any{}
			if err := json.Unmarshal(b, &figures); err != nil {
				t.Fatal(err)
			}
			ours[set+"/"+s.Name] = figures
		}
	}

	report := filepath.Join(scores, "report.json")
	cmd := exec.Command(python, filepath.Join(root, "eval", "evaluate.py"), scores, "--data", filepath.Join(root, "data"), "--json", report)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("evaluate.py: %v\n%s", err, b)
	}
	b, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var theirs struct{ Streams map[string]map[string]any }
	if err := json.Unmarshal(b, &theirs); err != nil {
		t.Fatal(err)
	}
	if len(theirs.Streams) != len(ours) {
		t.Fatalf("the evaluator judged %d streams, want %d", len(theirs.Streams), len(ours))
	}
	for stream, figures := range theirs.Streams {
		if len(figures) < 15 {
			t.Errorf("%s: %d figures", stream, len(figures))
		}
		for name, want := range figures {
			got, known := ours[stream][name]
			if a, ok := got.(float64); ok {
				b, number := want.(float64)
				known = number && math.Abs(a-b) <= 1e-9*max(1, math.Abs(b))
			} else {
				known = known && got == want
			}
			if !known {
				t.Errorf("%s: %s is %v, the evaluator has %v", stream, name, got, want)
			}
		}
	}
}
