//go:build browser

package api

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestDocsInBrowser renders the documentation in Chromium: every operation is there, and the console stays silent, so that
// neither the policy nor a missing file got in the way.
func TestDocsInBrowser(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	browser := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
		"--user-data-dir="+t.TempDir(), "--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom", r.base()+"/docs")
	console := &safeBuffer{}
	browser.Stderr = console
	dom, err := browser.Output()
	if err != nil {
		t.Fatalf("running chromium: %v\n%s", err, console.String())
	}
	for _, want := range []string{"operations-anomalies-list-anomalies", "operations-events-send-events", "operations-anomalies-websocket-alerts"} {
		if !strings.Contains(string(dom), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for line := range strings.SplitSeq(console.String(), "\n") {
		if strings.Contains(line, "CONSOLE") {
			t.Error(line)
		}
	}
}
