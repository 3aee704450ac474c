package api

import (
	"bufio"
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"anomalystream/streams"
)

// TestExampleGo runs the Go client of the examples.
func TestExampleGo(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "alerts")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./examples/go").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	runExample(t, "ws://", "/ws/alerts", binary)
	runIncidentExample(t, "ws://", "/ws/incidents", binary)
}

// example is a client that runs with a token.
type example struct {
	*exec.Cmd
	lines *bufio.Scanner
	notes *safeBuffer
}

func startExample(t *testing.T, token string, command ...string) *example {
	t.Helper()
	e := prepareExample(t, token, command...)
	e.start(t)
	return e
}

func prepareExample(t *testing.T, token string, command ...string) *example {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience) // For all it does; it waits several times.
	t.Cleanup(cancel)
	e := &example{Cmd: exec.CommandContext(ctx, command[0], command[1:]...), notes: &safeBuffer{}}
	e.Env = append(os.Environ(), "ANOMALYSTREAM_TOKEN="+token)
	e.Stderr = e.notes
	return e
}

func (e *example) start(t *testing.T) {
	t.Helper()
	out, err := e.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	e.lines = bufio.NewScanner(out)
}

// readerToken returns a token and what lets it in to read.
func readerToken() (token string, guard func(*Config, *Deps)) {
	token = NewToken()
	return token, func(c *Config, _ *Deps) {
		c.Tokens = []Token{{Name: "example", SHA256: HashToken(token), Role: RoleRead}}
	}
}

// runExample starts a client with a token, lets the server restart under it, and expects every anomaly on one line.
func runExample(t *testing.T, scheme, path string, command ...string) {
	t.Helper()
	token, guard := readerToken()
	one := serve(t, guard)
	k := &topic{history: one.history}
	client := startExample(t, token, append(slices.Clone(command), "--count", "40", scheme+one.Addr()+path)...)
	eventually(t, "the client to join", func() bool { return one.joined(1) })
	var got []string
	read := func(n int) {
		for len(got) < n && client.lines.Scan() {
			got = append(got, strings.Fields(client.lines.Text())[0])
		}
	}
	for i := range int64(20) {
		k.produce(t, one.Server, anomaly("server_metrics", "web-1", i, 0.9))
	}
	read(20)
	if err := one.stop(); err != nil {
		t.Fatal(err)
	}
	for i := range int64(10) {
		k.produce(t, nil, anomaly("server_metrics", "web-1", 20+i, 0.9))
	}
	two := serve(t, func(c *Config, d *Deps) {
		guard(c, d)
		c.Addr, d.History = one.Addr(), k.history
	})
	k.load(t, two.Server, 30, one.started)
	for i := range int64(10) {
		k.produce(t, two.Server, anomaly("server_metrics", "web-1", 30+i, 0.9))
	}
	read(40)
	if err := client.Wait(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, client.notes.String())
	}
	sameIDs(t, command[0], got, k.ids())
}

// runIncidentExample does the same with incidents: in the end the client has had the newest revision of each.
func runIncidentExample(t *testing.T, scheme, path string, command ...string) {
	t.Helper()
	token, guard := readerToken()
	one := serve(t, guard)
	b := newBurst(one)
	client := startExample(t, token, append(slices.Clone(command), scheme+one.Addr()+path)...)
	eventually(t, "the client to join", func() bool { return one.bursts.feed.joined(1) })
	got := map[string]int64{}
	read := func(when string) {
		t.Helper()
		for !maps.Equal(got, b.newest) && client.lines.Scan() {
			words := strings.Fields(client.lines.Text())
			id, revision, _ := strings.Cut(words[0], "@")
			n, err := strconv.ParseInt(revision, 10, 64)
			if err != nil || len(words) < 6 || words[2] != "server_metrics" || words[4] != streams.ChangeOpened {
				t.Fatalf("%v prints %q", command, client.lines.Text())
			}
			got[id] = max(got[id], n)
		}
		if !maps.Equal(got, b.newest) {
			t.Fatalf("%s %v has printed %v, want %v\n%s", when, command, got, b.newest, client.notes.String())
		}
	}
	for n := range 10 {
		b.revise(t, n%4, time.Now(), one.Server)
	}
	read("at first")
	if err := one.stop(); err != nil {
		t.Fatal(err)
	}
	for n := range 6 {
		b.revise(t, n, time.Now()) // While no server runs.
	}
	two := serve(t, func(c *Config, d *Deps) {
		guard(c, d)
		c.Addr, d.Incidents = one.Addr(), one.incidents
	})
	read("after the restart")
	b.revise(t, 5, time.Now(), two.Server)
	read("in the end")
	_ = client.Process.Kill()
	_ = client.Wait()
}
