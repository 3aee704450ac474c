//go:build fixtures

package processors

import (
	"compress/gzip"
	"encoding/csv"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestStuckOnData counts how often stuck: auto reports a feature on the labelled sets, away from and inside their anomalies.
// EVAL_DIR names the folder that holds data/.
func TestStuckOnData(t *testing.T) {
	root := os.Getenv("EVAL_DIR")
	if root == "" {
		t.Fatal("EVAL_DIR is not set")
	}
	sets, err := filepath.Glob(filepath.Join(root, "data", "*"))
	if err != nil || len(sets) < 10 {
		t.Fatalf("%d sets: %v", len(sets), err)
	}
	values, outside := 0, 0
	for _, set := range sets {
		files, _ := filepath.Glob(filepath.Join(set, "*.csv.gz"))
		var total onsets
		for _, file := range files {
			total.add(stuckIn(t, file))
		}
		if len(files) > 0 {
			t.Logf("%-10s %9d values of %3d features: %3d reported outside of anomalies, %3d inside", filepath.Base(set), total.values, total.features, total.outside, total.inside)
		}
		values, outside = values+total.values, outside+total.outside
	}
	t.Logf("%d values, %d reported outside of anomalies: one in %d", values, outside, values/max(outside, 1))
	if values < 10_000_000 || outside > values/500_000 {
		t.Errorf("more than one in 500,000 values was reported outside of anomalies")
	}
}

type onsets struct{ values, features, outside, inside int }

func (o *onsets) add(p onsets) {
	o.values, o.features, o.outside, o.inside = o.values+p.values, o.features+p.features, o.outside+p.outside, o.inside+p.inside
}

func stuckIn(t *testing.T, file string) (out onsets) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(z)
	names, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	inside := segments(t, filepath.Join(filepath.Dir(file), "labels", filepath.Base(file[:len(file)-len(".gz")])))
	runs := make([]run, len(names))
	for n := 0; ; n++ {
		row, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for j := 1; j < len(row); j++ {
			v, err := strconv.ParseFloat(row[j], 64)
			if err != nil || math.IsNaN(v) {
				continue
			}
			out.values++
			if !runs[j].next(v, time.Unix(int64(n), 0), byHistory) {
				continue
			}
			if inside(n) {
				out.inside++
			} else {
				out.outside++
			}
			if os.Getenv("VERBOSE") != "" {
				t.Logf("%s row %d: %s is %v for %d", filepath.Base(file), n, names[j], v, runs[j].length)
			}
		}
	}
	out.features = len(names) - 1
	return out
}

// segments reads labels: start and end rows, both inclusive.
func segments(t *testing.T, file string) func(int) bool {
	b, err := os.Open(file)
	if err != nil {
		return func(int) bool { return false }
	}
	defer b.Close()
	rows, err := csv.NewReader(b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return func(n int) bool {
		for _, row := range rows[1:] {
			from, _ := strconv.Atoi(row[0])
			to, _ := strconv.Atoi(row[1])
			if n >= from && n <= to {
				return true
			}
		}
		return false
	}
}
