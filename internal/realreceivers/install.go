//go:build unix

package realreceivers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// installing lets one test of a process install at a time.
var installing sync.Mutex

// installed returns the folder of a program, which install fills where it is not there yet.
func installed(t testing.TB, name, version string, install func(dir string) *exec.Cmd) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "anomalystream-"+name+"-"+version)
	complete := filepath.Join(dir, ".complete")
	if _, err := os.Stat(complete); err == nil {
		return dir
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := install(dir).CombinedOutput(); err != nil {
		t.Fatalf("installing %s %s: %v\n%s", name, version, err, out)
	}
	if err := os.WriteFile(complete, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// goProgram builds a program as its own module pins its dependencies, and returns its path.
func goProgram(t testing.TB, module, version string) string {
	t.Helper()
	name := module[strings.LastIndexByte(module, '/')+1:]
	dir := installed(t, name, version, func(dir string) *exec.Cmd {
		cmd := exec.Command("go", "install", module+"@"+version)
		cmd.Env = append(os.Environ(), "GOBIN="+dir)
		return cmd
	})
	return filepath.Join(dir, name)
}

// pythonPackage installs a package into a virtual environment and returns the path of its Python.
func pythonPackage(t testing.TB, name, version string) string {
	t.Helper()
	dir := installed(t, name, version, func(dir string) *exec.Cmd {
		return exec.Command("sh", "-c", `python3 -m venv "$1" && "$1/bin/pip" install --quiet --disable-pip-version-check "$2"`, "sh", dir, name+"=="+version)
	})
	return filepath.Join(dir, "bin", "python")
}
