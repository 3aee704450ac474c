// Package retry waits for what is away: pauses that end with a context, and sessions begun again and again.
package retry

import (
	"context"
	"log/slog"
	"time"
)

// Pauses between sessions.
const (
	firstPause = 200 * time.Millisecond
	mostPause  = 10 * time.Second
	goodRun    = time.Minute // A session that lasted so long is no part of the trouble before it.
)

// Sessions runs one session after the other until the context ends, with growing pauses while they keep ending early. Each end
// is logged with the message lost.
func Sessions(ctx context.Context, log *slog.Logger, lost string, session func(context.Context) error) {
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		started := time.Now()
		err := session(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > goodRun {
			pause = firstPause
		}
		log.Warn(lost, "error", err, "pause", pause.String())
		if Sleep(ctx, pause) != nil {
			return
		}
	}
}

// Until asks again and again, with the pause between, until the answer is true. The context's error says that it ended before.
func Until(ctx context.Context, pause time.Duration, done func() bool) error {
	for !done() {
		if err := Sleep(ctx, pause); err != nil {
			return err
		}
	}
	return nil
}

// Sleep waits for the pause or until the context ends, whose error it returns.
func Sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
