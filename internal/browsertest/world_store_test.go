//go:build browser

package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"anomalystream/streams"
)

var errBroken = errors.New("the store is away")

// The store and the view that the API reads.

func (w *world) Anomalies(_ context.Context, q streams.AnomalyQuery) (streams.AnomalyPage, error) {
	if w.broken.Load() {
		return streams.AnomalyPage{}, errBroken
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	page := streams.AnomalyPage{Total: -1}
	end := len(w.anomalies) // A cursor is the place of the last row given out.
	if q.Cursor != "" {
		var err error
		if end, err = strconv.Atoi(q.Cursor); err != nil || end < 0 || end > len(w.anomalies) {
			return page, streams.ErrBadCursor
		}
	}
	for i := end - 1; i >= 0; i-- {
		a := w.anomalies[i]
		if q.Stream != "" && a.Stream != q.Stream || q.Entity != "" && a.Entity != q.Entity || a.Score < q.MinScore || a.Severity < q.MinSeverity ||
			q.Suppressed != "" && (q.Suppressed == streams.SuppressedOnly) != (a.Suppressed != "") || a.Timestamp.Before(q.From) || q.Incident != "" && !w.about(&a, q.Incident) {
			continue
		}
		if len(page.Items) == q.Limit {
			page.Next = strconv.Itoa(i + 1)
			break
		}
		b, err := json.Marshal(a)
		if err != nil {
			return page, err
		}
		page.Items = append(page.Items, b)
	}
	return page, nil
}

func (w *world) Anomaly(_ context.Context, id string) (streams.StoredAnomaly, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.anomalies {
		if a.ID == id {
			return a, nil
		}
	}
	return streams.StoredAnomaly{}, streams.ErrNotFound
}

func (w *world) Since(_ context.Context, created time.Time, id string, limit int) ([]streams.StoredAnomaly, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []streams.StoredAnomaly
	for _, a := range w.anomalies {
		if c := a.CreatedAt.Compare(created); (c > 0 || c == 0 && a.ID > id) && len(out) < limit {
			out = append(out, a)
		}
	}
	return out, nil
}

func (w *world) Delete(_ context.Context, id, _ string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.anomalies = slices.DeleteFunc(w.anomalies, func(a streams.StoredAnomaly) bool { return a.ID == id })
	return nil
}

func (w *world) Stats(context.Context) ([]streams.StreamStats, error) {
	if w.broken.Load() {
		return nil, errBroken
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := map[string]int64{}
	for i := range w.anomalies {
		counts[w.anomalies[i].Stream]++
	}
	var out []streams.StreamStats
	for _, stream := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, streams.StreamStats{Stream: stream, Anomalies: counts[stream]})
	}
	return out, nil
}

func (w *world) Rollups(_ context.Context, q streams.RollupQuery) ([]streams.Rollup, error) {
	if w.broken.Load() {
		return nil, errBroken
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []streams.Rollup
	take := func(r streams.Rollup) {
		if r.Stream == q.Stream && (q.Entities || r.Entity == q.Entity) && !r.Minute.Before(q.From) && r.Minute.Before(q.To) {
			out = append(out, copyRollup(&r))
		}
	}
	for key, closed := range w.rollups {
		if key != q.Stream && !strings.HasPrefix(key, q.Stream+"/") {
			continue
		}
		for _, r := range closed {
			take(r)
		}
	}
	for _, r := range w.open {
		take(*r)
	}
	slices.SortFunc(out, func(a, b streams.Rollup) int {
		if c := a.Minute.Compare(b.Minute); c != 0 {
			return c
		}
		return strings.Compare(a.Entity, b.Entity)
	})
	return out[max(0, len(out)-q.Limit):], nil
}

func (w *world) Ping(context.Context) error { return nil }

func (w *world) List(stream string) []streams.DetectorStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []streams.DetectorStatus
	for _, s := range w.sources {
		if stream != "" && s.definition.Name != stream {
			continue
		}
		for _, entity := range s.entities {
			out = append(out, *w.statuses[streams.DetectorKey(s.definition.Name, entity)])
		}
	}
	return out
}

func (w *world) Status(stream, entity string) (streams.DetectorStatus, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.statuses[streams.DetectorKey(stream, entity)]
	if !ok {
		return streams.DetectorStatus{}, false
	}
	return *s, true
}

func (w *world) Recovered() bool { return true }
