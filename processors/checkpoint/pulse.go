package checkpoint

import (
	"context"
	"sync/atomic"
	"time"
)

// pulse notices that the whole process stood still (stopped, swapped out, a frozen machine) for so long that its partitions
// may have been given to another. Whoever looks first after the pause sees it.
type pulse struct {
	born  time.Time
	limit time.Duration
	last  atomic.Int64 // Nanoseconds since born.
	stood atomic.Bool
}

func newPulse(session time.Duration) *pulse {
	return &pulse{born: time.Now(), limit: session / 2}
}

// beats reports whether the process has run without such a pause.
func (p *pulse) beats() bool {
	if time.Since(p.born)-time.Duration(p.last.Load()) > p.limit {
		p.stood.Store(true)
	}
	return !p.stood.Load()
}

// run keeps the pulse until the context ends or it finds a pause, which it reports.
func (p *pulse) run(ctx context.Context, paused func()) {
	p.last.Store(int64(time.Since(p.born)))
	tick := time.NewTicker(p.limit / 10)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !p.beats() {
			paused()
			return
		}
		p.last.Store(int64(time.Since(p.born)))
	}
}
