package backtest

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"anomalystream/internal/evaluate"
	"anomalystream/processors"
	"anomalystream/streams"
)

var start = time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)

const rows = 1200

// outliers are the labelled rows of a recording.
var outliers = []int{500, 640, 641, 642, 900, 1100}

// recording writes a CSV file of two correlated features with a few outliers, and its labels.
func recording(t testing.TB, dir, name string, seed uint64) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	odd := map[int]bool{}
	for _, row := range outliers {
		odd[row] = true
	}
	var b, labels strings.Builder
	b.WriteString("when,load,latency\n")
	for row := range rows {
		load := 10 + rng.NormFloat64()
		latency := 5*load + rng.NormFloat64()
		if odd[row] {
			load, latency = load+12, latency-60
		}
		fmt.Fprintf(&b, "%s,%.4f,%.4f\n", start.Add(time.Duration(row)*time.Minute).Format(time.RFC3339), load, latency)
	}
	labels.WriteString("start,end,metrics,note\n500,500,load;latency,\n640,642,latency,\n900,900,,\n1100,1100,load,\n")
	path := filepath.Join(dir, name+".csv")
	for file, text := range map[string]string{path: b.String(), filepath.Join(dir, "labels", name+".csv"): labels.String()} {
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func definition() *streams.Definition {
	d := streams.DefaultDefinition("load")
	d.Time = "timestamp"
	for _, name := range []string{"load", "latency"} {
		d.Features = append(d.Features, streams.Feature{Name: name, Path: name, Missing: streams.MissingReject, Transforms: []string{"value"}})
	}
	return &d
}

// TestRun scores, writes, measures and reports, and holds the scores to a plain loop over Step.
func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := Options{
		Setups: []Setup{{Definition: definition()}}, Explain: true, Workers: 2,
		Scores: filepath.Join(dir, "scores"), Labels: filepath.Join(dir, "labels"), Report: filepath.Join(dir, "report.html"),
	}
	for k, name := range []string{"a", "b", "c"} {
		o.Sources = append(o.Sources, FileSource(recording(t, dir, name, uint64(k))))
	}
	var last Progress
	o.Progress = func(p Progress) { last = p }
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	run := r.Runs[0]
	if last.Done != 1 || last.Events < 3*rows {
		t.Errorf("last progress: %+v", last)
	}
	if run.Total.Rows != 3*rows || run.Total.Scored != 3*(rows-200) || run.Total.Rejected != 0 || run.Total.Entities != 3 {
		t.Errorf("total: %+v", run.Total)
	}
	m := run.Total.Metrics
	if m == nil || m.Events != 12 || m.Recall < 0.9 || m.AP < 0.5 || m.ROC < 0.95 || m.FAR > 0.03 || m.Bad != 0 || !m.HR150.Known() {
		t.Errorf("metrics: %+v", m)
	}
	for _, s := range run.Sources {
		checkScoreFile(t, filepath.Join(dir, s.Name+".csv"), filepath.Join(o.Scores, s.Name+".csv"), o.Setups[0].Definition)
		read, err := evaluate.ReadScores(filepath.Join(o.Scores, s.Name+".csv"), rows, "severity")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"load", "latency"}, read.Features); diff != "" {
			t.Error(diff)
		}
	}
	checkReport(t, o.Report, "Backtest of load", "found", "a", "b", "c")
}

// checkScoreFile compares a score file, digit for digit, with what Step says about the rows of a recording.
func checkScoreFile(t *testing.T, recording, scores string, d *streams.Definition) {
	t.Helper()
	in, err := FileSource(recording).Open(d)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	engine, err := processors.NewEngine(d)
	if err != nil {
		t.Fatal(err)
	}
	state, decoder := engine.NewState("a"), streams.NewDecoder(d, 0)
	if name := filepath.Base(recording); name != "a.csv" {
		state = engine.NewState(strings.TrimSuffix(name, ".csv"))
	}
	f, err := os.Open(scores)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := "row,score,flag,severity,contrib_load,contrib_latency,iforest,lof,hbos,alert_score"; strings.Join(table[0], ",") != want {
		t.Errorf("header %v, want %s", table[0], want)
	}
	if len(table) != rows+1 {
		t.Fatalf("%d lines, want %d", len(table), rows+1)
	}
	for row, line := range table[1:] {
		rec, err := in.Next()
		if err != nil {
			t.Fatal(err)
		}
		event, reject := decoder.Decode(rec)
		if reject != nil {
			t.Fatal(reject)
		}
		r, reject := engine.Step(state, &event)
		if reject != nil {
			t.Fatal(reject)
		}
		want := []string{strconv.Itoa(row), "", "0", ""}
		if r.Scored {
			want = []string{strconv.Itoa(row), strconv.FormatFloat(r.Score, 'g', -1, 64), "0", strconv.FormatFloat(r.Severity, 'g', -1, 64)}
		}
		if r.Flag {
			want[2] = "1"
		}
		if diff := cmp.Diff(want, line[:4]); diff != "" {
			t.Fatalf("%s row %d (-want +got):\n%s", scores, row, diff)
		}
		if !r.Scored {
			continue
		}
		load, _ := strconv.ParseFloat(line[4], 64)
		latency, _ := strconv.ParseFloat(line[5], 64)
		lof, _ := strconv.ParseFloat(line[7], 64)
		if math.Abs(load+latency-1) > 1e-9 || lof != r.Raw[1] || line[9] == "" {
			t.Fatalf("%s row %d: %v", scores, row, line)
		}
	}
}

// checkReport looks for texts in a report that must hold nothing from elsewhere.
func checkReport(t *testing.T, path string, texts ...string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("the report lacks %q", text)
		}
	}
	for _, text := range []string{"http://", "https://", "src=", "ZgotmplZ", "NaN", "<no value>", "%!"} {
		if strings.Contains(page, text) {
			t.Errorf("the report holds %q", text)
		}
	}
	if !strings.HasSuffix(strings.TrimSpace(page), "</html>") {
		t.Error("the report has no end")
	}
}

// TestRunIsTheSameEveryTime compares score files of runs with one and with many workers.
func TestRunIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var sources []Source
	for k := range 3 {
		sources = append(sources, FileSource(recording(t, dir, fmt.Sprintf("s%d", k), uint64(k))))
	}
	var files []map[string]string
	for _, workers := range []int{1, 4} {
		out := filepath.Join(dir, "scores", strconv.Itoa(workers))
		if _, err := Run(t.Context(), Options{Setups: []Setup{{Definition: definition()}}, Sources: sources, Workers: workers, Scores: out}); err != nil {
			t.Fatal(err)
		}
		read := map[string]string{}
		for _, s := range sources {
			b, err := os.ReadFile(filepath.Join(out, s.Name+".csv"))
			if err != nil {
				t.Fatal(err)
			}
			read[s.Name] = string(b)
		}
		files = append(files, read)
	}
	if !maps.Equal(files[0], files[1]) {
		t.Error("one and four workers wrote different scores")
	}
}

// TestCompare runs two configurations side by side.
func TestCompare(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	calm := definition()
	calm.Rate = 0.001
	o := Options{
		Setups:  []Setup{{"one in a hundred", definition()}, {"one in a thousand", calm}},
		Sources: []Source{FileSource(recording(t, dir, "a", 1))}, Labels: filepath.Join(dir, "labels"), Scores: filepath.Join(dir, "scores"), Report: filepath.Join(dir, "r.html"),
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := r.Runs[0].Total.Anomalies, r.Runs[1].Total.Anomalies; a <= b || b == 0 {
		t.Errorf("%d and %d anomalies", a, b)
	}
	checkReport(t, o.Report, "one in a hundred: a", "one in a thousand: a", "score of one in a thousand")
	for _, s := range o.Setups {
		if _, err := os.Stat(filepath.Join(o.Scores, s.Label, "a.csv")); err != nil {
			t.Error(err)
		}
	}
	b, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(b), `"label":"one in a thousand"`) {
		t.Errorf("as JSON: %s, %v", b, err)
	}
}

// TestEntitiesAndBadRows reads JSON Lines with several entities, rows that are no events, and a column with a rare name.
func TestEntitiesAndBadRows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var b strings.Builder
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 600 {
		fmt.Fprintf(&b, `{"at":%d,"host":"h%d","a,\"<b>\"":%.3f,"c":%.3f}`+"\n", start.Unix()+int64(i), i%2, rng.NormFloat64(), rng.NormFloat64())
		switch i {
		case 100:
			b.WriteString("{\"at\":\"<script>alert(1)</script>\"}\n")
		case 200:
			b.WriteString(`{"at":1767366245,"host":"h0","c":1}` + "\n") // Of another shape.
		}
	}
	path := filepath.Join(dir, "hosts.jsonl")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	d := streams.DefaultDefinition("hosts")
	d.Time, d.Key, d.WarmUp = "at", "host", 50
	d.Features = []streams.Feature{{Name: "*", Path: "*", Missing: streams.MissingReject}}
	o := Options{Setups: []Setup{{Definition: &d}}, Sources: []Source{FileSource(path)}, Scores: dir, Report: filepath.Join(dir, "r.html")}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s := r.Runs[0].Sources[0]
	if s.Rows != 602 || s.Rejected != 2 || s.Entities != 2 || s.Scored != 500 || s.Metrics != nil {
		t.Errorf("got %+v", s)
	}
	if len(s.Rejects) != 2 || s.Rejects[0].Row != 101 || s.Rejects[0].Code != streams.CodeBadTime || s.Rejects[1].Row != 202 || s.Rejects[1].Code != streams.CodeShape {
		t.Errorf("rejects: %+v", s.Rejects)
	}
	checkReport(t, o.Report, "&lt;script&gt;", "Refused rows")
	read, err := evaluate.ReadScores(filepath.Join(dir, "hosts.csv"), 602, "")
	if err != nil || !cmp.Equal(read.Features, []string{`a,"<b>"`, "c"}) {
		t.Errorf("features %q, %v", read.Features, err)
	}
	if v := read.Score[101]; v == v {
		t.Errorf("a refused row has the score %v", v)
	}
}

// TestMetaSaysWhatIsJudged reads a meta.json beside the labels, and a file without the column that names entities.
func TestMetaSaysWhatIsJudged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := recording(t, dir, "a", 1)
	meta := `{"set":"x","sampling_seconds":60,"streams":{"a":{"rows":1200,"evaluate_from":700,"probation":300}}}`
	if err := os.WriteFile(filepath.Join(dir, "meta.json"), []byte(meta), 0o600); err != nil {
		t.Fatal(err)
	}
	d := definition()
	d.Key = "host"
	r, err := Run(t.Context(), Options{Setups: []Setup{{Definition: d}}, Sources: []Source{FileSource(path)}, Labels: filepath.Join(dir, "labels"), RankBy: RankBySeverity})
	if err != nil {
		t.Fatal(err)
	}
	s := r.Runs[0].Sources[0]
	if s.Metrics == nil || s.Metrics.Events != 2 || !s.Metrics.PerDay.Known() || s.Entities != 1 {
		t.Errorf("got %+v, %+v", s, s.Metrics)
	}
	if n := r.Runs[0].NAB; n == nil || n.Windows != 4 {
		t.Errorf("NAB: %+v", n)
	}
	if d.Key != "host" {
		t.Error("the definition was changed")
	}
}

func TestRunFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := recording(t, dir, "a", 1)
	good := Options{Setups: []Setup{{Definition: definition()}}, Sources: []Source{FileSource(path)}}
	bad := definition()
	bad.Detectors = []streams.DetectorSpec{{Name: "oracle"}}
	for name, tt := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"nothing":         {func(o *Options) { o.Sources = nil }, "at least one file"},
		"same label":      {func(o *Options) { o.Setups = append(o.Setups, o.Setups[0]) }, "two configurations"},
		"same name":       {func(o *Options) { o.Sources = append(o.Sources, o.Sources[0]) }, `two sources are called "a"`},
		"no such rank":    {func(o *Options) { o.RankBy = "luck" }, `ranking by "luck"`},
		"no file":         {func(o *Options) { o.Sources = []Source{FileSource(filepath.Join(dir, "no.csv"))} }, "backtest of no: reading"},
		"no labels":       {func(o *Options) { o.Labels = dir + "/none" }, "reading labels: there is no"},
		"bad detector":    {func(o *Options) { o.Setups = []Setup{{Definition: bad}} }, `"oracle"`},
		"no report there": {func(o *Options) { o.Report = dir + "/none/r.html" }, "writing the report"},
		"no scores there": {func(o *Options) { o.Scores = path }, "writing scores"},
	} {
		o := good
		tt.change(&o)
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, good); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: got %v", err)
	}
}
