package api

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestCache: callers at the same time share one computation, an error is not kept, and a panic blocks nobody.
func TestCache(t *testing.T) {
	t.Parallel()
	var c cache[string, int]
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		find := func(context.Context) (int, error) {
			calls.Add(1)
			time.Sleep(20 * time.Millisecond)
			return 7, nil
		}
		var wg sync.WaitGroup
		ask := func() {
			if v, err := c.get(t.Context(), "k", find); v != 7 || err != nil {
				t.Errorf("got %d, %v", v, err)
			}
		}
		for range 20 {
			wg.Go(ask)
		}
		wg.Wait()
		time.Sleep(199 * time.Millisecond) // The answer is kept for ten times as long as it took.
		if ask(); calls.Load() != 1 {
			t.Errorf("got %d computations, want 1", calls.Load())
		}
		time.Sleep(time.Millisecond)
		if ask(); calls.Load() != 2 {
			t.Errorf("got %d computations, want another of an old answer", calls.Load())
		}
	})
	bad := errors.New("away")
	if _, err := c.get(t.Context(), "e", func(context.Context) (int, error) { return 0, bad }); !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = c.get(t.Context(), "e", func(context.Context) (int, error) { panic("x") })
	}()
	if v, err := c.get(t.Context(), "e", func(context.Context) (int, error) { return 3, nil }); v != 3 || err != nil {
		t.Errorf("got %d, %v", v, err)
	}
}

// TestLimits: a bucket refills with time, clients do not share it, and the number of clients remembered is bounded.
func TestLimits(t *testing.T) {
	t.Parallel()
	l := newLimits(10)
	allowed := 0
	for range 100 {
		if l.take("a", t0) {
			allowed++
		}
	}
	if allowed != 20 || !l.take("b", t0) || !l.take("a", t0.Add(time.Second)) {
		t.Errorf("got %d of a burst of 20", allowed)
	}
	for i := range 3 * maxLimiters {
		l.take(fmt.Sprint(i), t0)
	}
	if len(l.clients) > maxLimiters {
		t.Errorf("%d clients are remembered", len(l.clients))
	}
	if !newLimits(0).take("a", t0) {
		t.Error("no limit refuses")
	}
}

// TestFeedMemory: the ring and the index of ids stay bounded, and the oldest go first.
func TestFeedMemory(t *testing.T) {
	t.Parallel()
	r := serve(t, func(c *Config, _ *Deps) { c.FeedHistory = 10 })
	for i := range int64(1000) {
		if err := r.DeliverAnomaly(anomaly("server_metrics", "web-1", i, 0.9), 0, i, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	f := r.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	recent := f.recent()
	if len(recent) != 10 || recent[0].offset != 990 || recent[9].offset != 999 || len(f.seen) != 100 || f.low[0] != 990 {
		t.Errorf("got %d entries from %d, %d ids, low %d", len(recent), recent[0].offset, len(f.seen), f.low[0])
	}
}
