//go:build browser

package api

import (
	"os/exec"
	"strings"
	"testing"
)

// TestExamplePython runs the Python client of the examples; it needs python3.
func TestExamplePython(t *testing.T) {
	t.Parallel()
	runExample(t, "http://", "/api/alerts", "python3", "examples/python/alerts.py")
	runIncidentExample(t, "http://", "/api/incidents/live", "python3", "examples/python/alerts.py")
}

// TestExampleJavaScript runs the JavaScript client of the examples; it needs Node 20.10 or later.
func TestExampleJavaScript(t *testing.T) {
	t.Parallel()
	command := []string{"node", "examples/javascript/alerts.mjs"}
	kind, err := exec.CommandContext(t.Context(), "node", "-p", "typeof WebSocket").Output()
	if err != nil {
		t.Fatalf("asking node for its WebSocket: %v", err)
	}
	if strings.TrimSpace(string(kind)) == "undefined" {
		command = []string{"node", "--experimental-websocket", command[1]}
	}
	runExample(t, "ws://", "/ws/alerts", command...)
	runIncidentExample(t, "ws://", "/ws/incidents", command...)
}
