package checkpoint

import (
	"context"
	"errors"
	"time"

	"anomalystream/internal/retry"
)

// Waits between the end of a processor and the next.
const (
	firstWait = 200 * time.Millisecond
	mostWait  = 5 * time.Second
	goodRun   = time.Minute // A processor that ran this long ended for a new reason.
)

// Run works until the context ends. A processor that ends before (brokers away, partition lost, output refused) is built
// again, after a wait that grows while they keep ending. When the context ends a last checkpoint is made.
func (g *Group[S]) Run(ctx context.Context) error {
	defer g.setHealth(errStopped)
	delay := firstWait
	for {
		started := time.Now()
		err := g.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		g.shared.metrics.restarts.Inc()
		if err == nil {
			err = errors.New("the processor ended without an error")
		}
		g.setHealth(err)
		if time.Since(started) > goodRun {
			delay = firstWait
		}
		pause := delay
		var poison *panicError
		if errors.As(err, &poison) {
			pause = 0 // The group goes on with care for that key; nothing is cured by waiting.
		} else {
			delay = min(2*delay, mostWait)
		}
		g.shared.log.Warn("the processor ended and is built again", "error", short(err.Error()), "wait", pause.String())
		if retry.Sleep(ctx, pause) != nil {
			return nil
		}
	}
}

// once builds a processor and runs it to its end.
func (g *Group[S]) once(ctx context.Context) error {
	g.setHealth(errStarting)
	r, err := newRun(g)
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.run = r
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		g.run = nil
		g.mu.Unlock()
		r.close()
	}()
	return r.work(ctx)
}
