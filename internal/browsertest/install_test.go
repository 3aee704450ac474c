//go:build browser

package browsertest

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"anomalystream/internal/fetched"
)

//go:embed testdata
var script embed.FS

// modules returns the folder with the modules that the script needs. They are fetched once for each lock file.
func modules(t *testing.T) string {
	t.Helper()
	lock, err := script.ReadFile("testdata/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	dir := fetched.Dir(t, "browsertest", hex.EncodeToString(sum[:6]), func(dir string) *exec.Cmd {
		for _, name := range []string{"package.json", "package-lock.json"} {
			write(t, dir, name)
		}
		return exec.Command("npm", "ci", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund")
	})
	return filepath.Join(dir, "node_modules")
}

// install puts the script into a folder of this test, with the modules beside it, and returns the folder.
func install(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Symlink(modules(t), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	files, err := script.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		write(t, dir, f.Name())
	}
	return dir
}

// write puts a file of testdata into a folder.
func write(t *testing.T, dir, name string) {
	t.Helper()
	b, err := script.ReadFile("testdata/" + name)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
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
