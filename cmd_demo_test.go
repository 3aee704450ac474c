package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"anomalystream/internal/kafkatest"
)

// demo is a running demo.
type demo struct {
	background
	stdout syncBuffer
	at     string
}

// startDemo starts a demo on a free port and waits for its address.
func startDemo(t *testing.T, args ...string) *demo {
	t.Helper()
	d := &demo{background: background{t: t, name: "demo", code: make(chan int, 1)}}
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	args = append([]string{"demo", "--addr", "127.0.0.1:0", "--output", "json"}, args...)
	go func() { d.code <- execute(ctx, args, nil, &d.stdout, &d.stderr) }()
	t.Cleanup(d.end)
	page := regexp.MustCompile(`page +(http://\S+)/\n`)
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		found := page.FindStringSubmatch(d.stderr.String())
		if found == nil {
			return fmt.Errorf("no address in:\n%s", d.stderr.String())
		}
		d.at = found[1]
		return nil
	})
	return d
}

// get reads a path of the demo's API into out: a text, or what the JSON answer decodes into.
func (d *demo) get(path string, out any) error {
	res, err := http.Get(d.at + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %s", path, res.Status, body)
	}
	if text, ok := out.(*string); ok {
		*text = string(body)
		return nil
	}
	return json.Unmarshal(body, out)
}

// summary stops the demo and returns what it sums up, by stream.
func (d *demo) summary() map[string]demoSummary {
	d.t.Helper()
	d.end()
	var out struct {
		Seconds float64
		Streams []demoSummary
	}
	if err := json.Unmarshal([]byte(d.stdout.String()), &out); err != nil {
		d.t.Fatalf("reading the summary: %v\n%s%s", err, d.stdout.String(), d.stderr.String())
	}
	byName := map[string]demoSummary{}
	for _, s := range out.Streams {
		byName[s.Stream] = s
	}
	return byName
}

// awaitAnomalies waits until every stream has anomalies in the store.
func (d *demo) awaitAnomalies(names ...string) {
	d.t.Helper()
	kafkatest.Eventually(d.t, 2*kafkatest.Deadline, func() error {
		for _, name := range names {
			var page struct {
				Items []struct {
					Stream string
					Score  float64
				}
			}
			if err := d.get("/api/anomalies?limit=5&stream="+name, &page); err != nil {
				return err
			}
			if len(page.Items) == 0 {
				return fmt.Errorf("stream %s has no anomaly yet", name)
			}
			for _, a := range page.Items {
				if a.Stream != name || a.Score < 0.6 || a.Score > 1 {
					d.t.Fatalf("stream %s lists %+v", name, a)
				}
			}
		}
		return nil
	})
}

// checkReadiness finds each part of the process in its answer, once.
func (d *demo) checkReadiness() {
	d.t.Helper()
	var readiness struct{ Parts []struct{ Name string } }
	if err := d.get("/readyz", &readiness); err != nil {
		d.t.Error(err)
	}
	seen := map[string]bool{}
	for _, p := range readiness.Parts {
		if seen[p.Name] {
			d.t.Errorf("readiness names %q twice", p.Name)
		}
		seen[p.Name] = true
	}
	for _, name := range []string{"server", "database", "control", "sink", "incidents", "feeds"} {
		if !seen[name] {
			d.t.Errorf("readiness does not name %q: %v", name, readiness.Parts)
		}
	}
}

// TestDemo runs the demo until each stream has anomalies, looks around as a person does, and reads its summary.
func TestDemo(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--rate", "3000/s")
	names := []string{"server_metrics", "transactions", "iot_sensors"}
	d.awaitAnomalies(names...)
	for path, want := range map[string]string{"/": "<!doctype html", "/docs": "<!doctype html", "/openapi.json": `"openapi":"3.1`, "/readyz": `"status":"ok"`, "/metrics": "go_goroutines"} {
		var body string
		if err := d.get(path, &body); err != nil {
			t.Error(err)
		} else if !strings.Contains(strings.ToLower(body), want) {
			t.Errorf("GET %s: no %q in %.200s", path, want, body)
		}
	}
	d.checkReadiness()
	kafkatest.Eventually(t, 2*kafkatest.Deadline, func() error {
		for _, name := range names {
			shown := func(line string) int { return len(regexp.MustCompile(line+name).FindAllString(d.stderr.String(), -1)) }
			if incidents, anomalies := shown(`  INCIDENT   .*`), shown(`  ANOMALY  `); incidents == 0 || anomalies <= incidents {
				return fmt.Errorf("%d incidents and %d anomalies of %s are shown", incidents, anomalies, name)
			}
		}
		return nil
	})
	got := d.summary()
	for _, name := range names {
		s := got[name]
		if s.Scored == 0 || s.Anomalies == 0 || s.Faults == 0 || s.Events < s.Scored || s.FirstAfter == nil || s.FalseRate == nil || s.Incidents == 0 || s.Incidents >= s.Anomalies {
			t.Errorf("summary of %s: %+v", name, s)
		}
	}
	if text := d.stderr.String(); strings.Count(text, "  ANOMALY  ") < len(names) || !strings.Contains(text, "warm") {
		t.Errorf("the commentary lacks anomalies or the warm-up:\n%s", text)
	}
}

// TestDemoWithFiles replays two files, one of them with a spike and a line that cannot be read.
func TestDemoWithFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var plain, spiked strings.Builder
	plain.WriteString("timestamp,load\n")
	spiked.WriteString("timestamp,load,temperature\n")
	for i := range 600 {
		at := time.Date(2026, 1, 1, 0, i, 0, 0, time.UTC).Format(time.RFC3339)
		load := float64(i*37%100) / 10
		fmt.Fprintf(&plain, "%s,%g\n", at, load)
		switch {
		case i == 500:
			fmt.Fprintf(&spiked, "%s,400,900\n", at)
		case i == 300:
			fmt.Fprintf(&spiked, "%s,many,cold\n", at)
		default:
			fmt.Fprintf(&spiked, "%s,%g,%g\n", at, load, 20+load/10)
		}
	}
	files := map[string]string{"calm 1.csv": plain.String(), "spiked.csv": spiked.String()}
	args := []string{"--rate", "max"}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--data", path)
	}
	d := startDemo(t, args...)
	select { // With files the demo ends by itself.
	case code := <-d.code:
		d.code <- code
	case <-time.After(2 * kafkatest.Deadline):
		t.Fatalf("the demo does not end:\n%s", d.stderr.String())
	}
	got := d.summary()
	if s := got["spiked"]; s.Events != 600 && s.Events != 599 || s.Anomalies == 0 || s.FalseAlarms != nil {
		t.Errorf("summary of spiked: %+v\n%s", s, d.stderr.String())
	}
	if s := got["calm_1"]; s.Events != 600 || s.Scored != 400 {
		t.Errorf("summary of calm_1: %+v", s)
	}
}
