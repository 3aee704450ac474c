package api

import (
	"context"
	"time"
)

// reconcileLoop asks the store regularly for what the feed did not bring: the feed may start at the end of the
// topic while others write, or lose a stretch that Kafka deleted. What is found joins the feed as if it had just arrived.
func (f *feed) reconcileLoop(ctx context.Context) {
	mark := f.started
	tick := time.NewTicker(f.config.Reconcile)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			mark = f.reconcile(ctx, mark)
		}
	}
}

// reconcile reads what was stored since the mark, a little overlapping, and returns the new mark.
func (f *feed) reconcile(ctx context.Context, mark time.Time) time.Time {
	ctx, cancel := context.WithTimeout(ctx, f.config.RequestTimeout)
	defer cancel()
	at, row := mark.Add(-overlap), ""
	if at.Before(f.started) {
		at = f.started
	}
	for {
		page, err := f.cargo.past.since(ctx, at, row, 1000)
		if err != nil {
			if ctx.Err() == nil {
				f.log.Debug("comparing the feed with the store", "error", err)
			}
			return mark
		}
		for _, e := range page {
			if e.at.After(mark) {
				mark = e.at
			}
			at, row = e.at, e.row
			f.mu.Lock()
			_, known := f.seen[e.id]
			f.mu.Unlock()
			if known {
				continue
			}
			f.offer(e, -1, 0, e.at)
			f.metrics.reconciled.Inc()
		}
		if len(page) < 1000 {
			return mark
		}
	}
}
