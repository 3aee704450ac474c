//go:build browser

package browsertest

import (
	"embed"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

//go:embed testdata
var script embed.FS

var installed struct {
	once  sync.Once
	dir   string
	error string
}

// install puts the script and the modules it needs into a temporary directory, once in a process, and returns it. Modules
// of an earlier run are used again when the lock file is the same.
func install(t *testing.T) string {
	t.Helper()
	installed.once.Do(func() {
		dir := filepath.Join(os.TempDir(), "anomalystream-browsertest")
		before, _ := os.ReadFile(filepath.Join(dir, "package-lock.json"))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			installed.error = err.Error()
			return
		}
		files, err := script.ReadDir("testdata")
		if err != nil {
			installed.error = err.Error()
			return
		}
		for _, f := range files {
			b, err := script.ReadFile("testdata/" + f.Name())
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, f.Name()), b, 0o644)
			}
			if err != nil {
				installed.error = err.Error()
				return
			}
		}
		lock, _ := script.ReadFile("testdata/package-lock.json")
		if _, err := os.Stat(filepath.Join(dir, "node_modules", "axe-core")); err != nil || string(lock) != string(before) {
			command := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
			command.Dir = dir
			if out, err := command.CombinedOutput(); err != nil {
				installed.error = "npm ci: " + err.Error() + "\n" + string(out)
				return
			}
		}
		installed.dir = dir
	})
	if installed.error != "" {
		t.Fatalf("installing what the browser tests need (Node 20 with npm): %s", installed.error)
	}
	return installed.dir
}

// chromium finds the browser: the variable CHROMIUM, or a command of one of its usual names.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Fatal("no Chromium found: install it (Debian: apt-get install chromium) or name it in CHROMIUM")
	return ""
}
