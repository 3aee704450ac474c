package retry

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestSessions holds the pauses: they double up to the longest, and start anew after a session that lasted.
func TestSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var begun []time.Duration
		start := time.Now()
		Sessions(ctx, slog.New(slog.DiscardHandler), "lost", func(context.Context) error {
			begun = append(begun, time.Since(start).Round(time.Millisecond))
			switch len(begun) {
			case 9:
				time.Sleep(2 * goodRun)
			case 11:
				cancel()
			}
			return errors.New("away")
		})
		var pauses []time.Duration
		for i := 1; i < len(begun); i++ {
			pauses = append(pauses, begun[i]-begun[i-1])
		}
		ms := time.Millisecond
		want := []time.Duration{200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, mostPause, mostPause, 2*goodRun + 200*ms, 400 * ms}
		if !slices.Equal(pauses, want) {
			t.Errorf("pauses %v, want %v", pauses, want)
		}
	})
}

func TestUntil(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start, asked := time.Now(), 0
		if err := Until(t.Context(), time.Second, func() bool { asked++; return asked == 4 }); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := Until(ctx, time.Hour, func() bool { return false }); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 4*time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}
