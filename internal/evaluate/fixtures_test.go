//go:build fixtures

package evaluate

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestAgreesOnRealStreams scores real streams with the reference detector and measures them with the evaluator in Python
// and with ours. EVAL_DIR names the folder with eval/ and data/, PYTHON an interpreter with numpy, pandas and
// scikit-learn.
func TestAgreesOnRealStreams(t *testing.T) {
	root := os.Getenv("EVAL_DIR")
	if root == "" {
		t.Fatal("EVAL_DIR is not set")
	}
	python := os.Getenv("PYTHON")
	if python == "" {
		python = "python3"
	}
	data, out := filepath.Join(root, "data"), t.TempDir()
	run := func(script string, args ...string) {
		t.Helper()
		cmd := exec.Command(python, append([]string{filepath.Join(root, "eval", script)}, args...)...)
		cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, b)
		}
	}
	run("reference.py", data, out, "--contrib", "--jobs", "2", "--streams", "asd/omi-1", "asd/omi-2", "skab/valve1-0", "skab/valve1-1",
		"nab/artificial*", "nab/realKnownCause__a*", "smtp/smtp-40k", "regime/shift2*", "cloud/*1")
	for _, rank := range []string{"score", "severity", "lof"} {
		expected := filepath.Join(out, rank+".json")
		run("evaluate.py", out, "--data", data, "--rank-by", rank, "--json", expected)
		streams, err := ReadTree(out, data, rank)
		if err != nil {
			t.Fatal(err)
		}
		n := compare(t, readReference(t, expected), streams, Options{Epsilon: 0.01, Threshold: 0.6}, 150)
		t.Logf("ranked by %s: %d streams, %d figures", rank, len(streams), n)
	}
}
