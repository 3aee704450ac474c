package api

import (
	"context"
	"sync"
	"time"
)

// cache keeps figures that are dear to compute, such as the number of rows behind a filter. An answer is used for ten times
// as long as it took to find, so that cheap ones are always fresh and dear ones take at most a tenth of the store's time;
// an old one is given out while a single caller renews it.
type cache[K comparable, V any] struct {
	mu   sync.Mutex
	rows map[K]*cached[V]
}

type cached[V any] struct {
	value    V
	known    bool
	until    time.Time
	renewing bool
	ready    chan struct{} // Closed when the renewal under way ends.
}

// Bounds of a cache.
const (
	maxCached = 1000
	maxAge    = 10 * time.Second
)

func (c *cache[K, V]) get(ctx context.Context, key K, find func(context.Context) (V, error)) (V, error) {
	for {
		c.mu.Lock()
		if c.rows == nil || len(c.rows) > maxCached {
			c.rows = map[K]*cached[V]{}
		}
		row := c.rows[key]
		if row == nil {
			row = &cached[V]{}
			c.rows[key] = row
		}
		if row.known && (row.renewing && time.Since(row.until) < maxAge || time.Now().Before(row.until)) {
			value := row.value
			c.mu.Unlock()
			return value, nil
		}
		if row.renewing {
			ready := row.ready
			c.mu.Unlock()
			select {
			case <-ready:
				continue
			case <-ctx.Done():
				var zero V
				return zero, ctx.Err()
			}
		}
		row.renewing, row.ready = true, make(chan struct{})
		c.mu.Unlock()
		return c.renew(ctx, row, find)
	}
}

// renew finds a row's value and lets those who wait for it go on, also when find panics.
func (c *cache[K, V]) renew(ctx context.Context, row *cached[V], find func(context.Context) (V, error)) (value V, err error) {
	found := false
	started := time.Now()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if found {
			row.value, row.known = value, true
			row.until = time.Now().Add(min(10*time.Since(started), maxAge))
		}
		row.renewing = false
		close(row.ready)
	}()
	value, err = find(ctx)
	found = err == nil
	return value, err
}
