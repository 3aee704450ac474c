//go:build !linux

package detectors

import "time"

var processStart = time.Now()

// cpuTime returns elapsed time, for want of the thread's own.
func cpuTime() time.Duration { return time.Since(processStart) }
