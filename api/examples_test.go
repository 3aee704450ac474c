package api

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestExampleGo runs the Go client of the examples.
func TestExampleGo(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "alerts")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./examples/go").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	runExample(t, "ws://", "/ws/alerts", binary)
}

// runExample starts a client with a token, lets the server restart under it, and expects every anomaly on one line.
func runExample(t *testing.T, scheme, path string, command ...string) {
	t.Helper()
	token := NewToken()
	guard := func(c *Config, _ *Deps) {
		c.Tokens = []Token{{Name: "example", SHA256: HashToken(token), Role: RoleRead}}
	}
	one := serve(t, guard)
	k := &topic{history: one.history}
	args := append(command[1:], "--count", "40", scheme+one.Addr()+path)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client := exec.CommandContext(ctx, command[0], args...)
	client.Env = append(os.Environ(), "ANOMALYSTREAM_TOKEN="+token)
	notes := &safeBuffer{}
	client.Stderr = notes
	out, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client to join", func() bool { return one.joined(1) })
	lines := bufio.NewScanner(out)
	var got []string
	read := func(n int) {
		for len(got) < n && lines.Scan() {
			got = append(got, strings.Fields(lines.Text())[0])
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
		t.Fatalf("%v: %v\n%s", command, err, notes.String())
	}
	sameIDs(t, command[0], got, k.ids())
}
