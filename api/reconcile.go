package api

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"anomalystream/streams"
)

// reconcileLoop asks the store regularly for anomalies that the feed did not bring: the feed may start at the end of the
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
	created, id := mark.Add(-overlap), ""
	if created.Before(f.started) {
		created = f.started
	}
	for {
		page, err := f.history.Since(ctx, created, id, 1000)
		if err != nil {
			if ctx.Err() == nil {
				f.log.Debug("comparing the feed with the store", "error", err)
			}
			return mark
		}
		for i := range page {
			a := &page[i]
			if a.CreatedAt.After(mark) {
				mark = a.CreatedAt
			}
			f.mu.Lock()
			_, known := f.seen[a.ID]
			f.mu.Unlock()
			if known {
				continue
			}
			if err := f.offer(&a.Anomaly, -1, 0, a.CreatedAt); err != nil {
				f.log.Warn("taking an anomaly from the store into the feed", "error", err)
				continue
			}
			f.metrics.reconciled.Inc()
		}
		if len(page) < 1000 {
			return mark
		}
		created, id = page[len(page)-1].CreatedAt, page[len(page)-1].ID
	}
}

// rowEntry makes an entry of a row of the store. Its cursor is its id.
func rowEntry(a *streams.StoredAnomaly) (*entry, error) {
	body, err := json.Marshal(anomalyOut(a.Anomaly))
	if err != nil {
		return nil, fmt.Errorf("encoding anomaly %s: %w", a.ID, err)
	}
	return &entry{
		id: a.ID, stream: a.Stream, entity: a.Entity, score: a.Score, severity: a.Severity,
		partition: -1, at: a.CreatedAt, body: body, cursor: a.ID,
	}, nil
}
