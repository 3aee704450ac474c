//go:build fixtures

package detectors

import (
	"os"
	"testing"
)

// TestFixtures runs all fixtures, in the folder that the environment variable PYOD_FIXTURES names, and logs the parity
// table of docs/detectors.md:
//
//	PYOD_FIXTURES=/path/to/fixtures/pyod go test -tags fixtures -run 'TestFixtures$' -v ./detectors
func TestFixtures(t *testing.T) {
	t.Parallel()
	root := os.Getenv("PYOD_FIXTURES")
	if root == "" {
		t.Fatal("PYOD_FIXTURES does not name the folder with the fixtures")
	}
	runFixtures(t, root)
}
