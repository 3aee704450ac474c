//go:build unix

// Package fetched keeps what tests need from the package registries: it is fetched once, into this user's cache, and used from
// there by every later run. A test fails where it cannot be had, since a lane that runs without it proves nothing.
package fetched

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// pauses lie between the tries: a registry may refuse a download that it grants a moment later.
var pauses = []time.Duration{2 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute}

// Dir returns the folder of one version of something. Where it is not there yet, the command of fetch fills it.
func Dir(t testing.TB, name, version string, fetch func(dir string) *exec.Cmd) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "anomalystream-"+name+"-"+version)
	if err := fill(dir, pauses, fetch); err != nil {
		t.Fatalf("fetching %s %s: %v", name, version, err)
	}
	return dir
}

// fill lets fetch fill the folder unless it is complete. One process at a time does so: tests of several packages run side by side.
func fill(dir string, pauses []time.Duration, fetch func(dir string) *exec.Cmd) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	lock, err := os.Create(filepath.Join(dir, ".lock"))
	if err != nil {
		return err
	}
	defer lock.Close() // It gives the lock back.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	complete := filepath.Join(dir, ".complete")
	if _, err := os.Stat(complete); err == nil {
		return nil
	}
	for try := 0; ; try++ {
		out, err := fetch(dir).CombinedOutput()
		if err == nil {
			return os.WriteFile(complete, nil, 0o644)
		}
		if try == len(pauses) {
			return fmt.Errorf("%w\n%s", err, out)
		}
		time.Sleep(pauses[try])
	}
}
