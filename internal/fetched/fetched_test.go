//go:build unix

package fetched

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestFill: what is refused at first is asked for again; it is fetched once, however many want it, and never again.
func TestFill(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "folder")
	fetch := func(dir string) *exec.Cmd {
		// Only one may be here at a time, and it is refused twice.
		return exec.Command("sh", "-c", `cd "$1" && mkdir busy && echo try >> tries && sleep 0.05 && rmdir busy && test $(wc -l < tries) -ge 3`, "sh", dir)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := fill(dir, []time.Duration{0, 0}, fetch); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if tries, err := os.ReadFile(filepath.Join(dir, "tries")); err != nil || strings.Count(string(tries), "try") != 3 {
		t.Errorf("the tries: %q, %v", tries, err)
	}
}

// TestFillGivesUp: what is refused each time is said, and the next test asks anew.
func TestFillGivesUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	refused := func(dir string) *exec.Cmd {
		return exec.Command("sh", "-c", `echo try >> "$1/tries"; echo not to be had; exit 1`, "sh", dir)
	}
	for range 2 {
		if err := fill(dir, []time.Duration{0}, refused); err == nil || !strings.Contains(err.Error(), "not to be had") {
			t.Errorf("got %v", err)
		}
	}
	if tries, _ := os.ReadFile(filepath.Join(dir, "tries")); strings.Count(string(tries), "try") != 4 {
		t.Errorf("the tries: %q", tries)
	}
}
