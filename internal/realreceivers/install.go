//go:build unix

package realreceivers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"anomalystream/internal/fetched"
)

// goProgram builds a program as its own module pins its dependencies, and returns its path.
func goProgram(t testing.TB, module, version string) string {
	t.Helper()
	name := module[strings.LastIndexByte(module, '/')+1:]
	dir := fetched.Dir(t, name, version, func(dir string) *exec.Cmd {
		cmd := exec.Command("go", "install", module+"@"+version)
		cmd.Env = append(os.Environ(), "GOBIN="+dir)
		return cmd
	})
	return filepath.Join(dir, name)
}

// pythonPackage installs a package into a virtual environment and returns the path of its Python.
func pythonPackage(t testing.TB, name, version string) string {
	t.Helper()
	dir := fetched.Dir(t, name, version, func(dir string) *exec.Cmd {
		return exec.Command("sh", "-c", `python3 -m venv "$1" && "$1/bin/pip" install --quiet --disable-pip-version-check "$2"`, "sh", dir, name+"=="+version)
	})
	return filepath.Join(dir, "bin", "python")
}
