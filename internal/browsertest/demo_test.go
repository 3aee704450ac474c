//go:build browser

package browsertest

import (
	"bufio"
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// pageAddress is how the demo tells where its page is.
var pageAddress = regexp.MustCompile(`http://localhost:\d+`)

// TestDemo goes through the incidents of the demonstration: real detectors over a real topology, in one process.
func TestDemo(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "anomalystream")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "anomalystream")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	ctx, stop := context.WithTimeout(t.Context(), 11*time.Minute)
	defer stop()
	demo := exec.CommandContext(ctx, binary, "demo", "--addr", "127.0.0.1:0")
	out, err := demo.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stop()
		_ = demo.Wait() // It was killed.
	}()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url := pageAddress.FindString(lines.Text()); url != "" {
			go func() {
				for lines.Scan() { // A demo that nobody reads would stand still.
				}
			}()
			drive(t, "demo", url, nil, nil)
			return
		}
	}
	t.Fatalf("the demo ended without telling its address: %v", lines.Err())
}
