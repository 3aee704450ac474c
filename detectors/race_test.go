//go:build race

package detectors

// raceEnabled says that a sync.Pool forgets at random, so that allocations cannot be counted.
const raceEnabled = true
