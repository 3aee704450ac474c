package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestNotifyTest tries a route that takes messages, one that does not, and mistakes of the person at the keyboard.
func TestNotifyTest(t *testing.T) {
	t.Parallel()
	var bodies atomic.Int64
	var status atomic.Int64
	status.Store(http.StatusOK)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if strings.Contains(string(b), "This is a sample") && r.Header.Get("Idempotency-Key") != "" {
			bodies.Add(1)
		}
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, "no such channel")
	}))
	defer server.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	address := write("hook.url", server.URL+"/geheim\n")
	config := write("a.yaml", "notify: {routes: {team: {kind: webhook, url_file: "+address+"}, gone: {kind: slack, url_file: "+address+"}}}\n")
	empty := write("b.yaml", "log: {level: info}\n")
	got := command(t, "notify", "test", "--config", config, "team")
	if got.code != exitOK || bodies.Load() != 2 || !strings.Contains(got.stdout, "opened: taken after") || !strings.Contains(got.stdout, "recovered: taken after") {
		t.Errorf("got %+v and %d messages", got, bodies.Load())
	}
	status.Store(http.StatusNotFound)
	got = command(t, "notify", "test", "--config", config, "team")
	if got.code != exitFailed || !strings.Contains(got.stderr, `sending the sample "opened" by route team (webhook): the receiver answered 404 Not Found: no such channel`) || strings.Contains(got.stderr, "geheim") {
		t.Errorf("got %+v", got)
	}
	for want, args := range map[string][]string{
		"there is no route \"x\"; there are: team, gone": {config, "x"},
		"the configuration has no routes":                {empty, "team"},
		"expected an address that starts with slack://":  {config, "gone"},
	} {
		got := command(t, "notify", "test", "--config", args[0], args[1])
		if got.code != exitUsage || !strings.Contains(got.stderr, want) || strings.Contains(got.stderr, "geheim") {
			t.Errorf("%v: got %+v, want %q", args, got, want)
		}
	}
}
