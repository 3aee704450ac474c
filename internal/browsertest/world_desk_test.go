//go:build browser

package browsertest

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"anomalystream/streams"
)

// What the API reads of incidents and verdicts.

func (w *world) Incidents(_ context.Context, q streams.IncidentQuery) (streams.IncidentPage, error) {
	if w.broken.Load() {
		return streams.IncidentPage{}, errBroken
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	page := streams.IncidentPage{}
	end := len(w.incidents)
	if q.Cursor != "" {
		var err error
		if end, err = strconv.Atoi(q.Cursor); err != nil || end < 0 || end > len(w.incidents) {
			return page, streams.ErrBadCursor
		}
	}
	for n := end - 1; n >= 0; n-- {
		i := w.incidents[n]
		if q.Stream != "" && i.Stream != q.Stream || q.Kind != "" && i.Kind != q.Kind || q.TopLevel && i.Group != "" || q.Group != "" && i.Group != q.Group ||
			len(q.Status) > 0 && !slices.Contains(q.Status, i.Status) || i.End != nil && i.End.Before(q.From) {
			continue
		}
		if len(page.Items) == q.Limit {
			page.Next = strconv.Itoa(n + 1)
			break
		}
		page.Items = append(page.Items, *i)
	}
	return page, nil
}

func (w *world) Incident(_ context.Context, id string) (streams.StoredIncident, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := w.incident(id); i != nil {
		return *i, nil
	}
	return streams.StoredIncident{}, streams.ErrNotFound
}

func (w *world) Verdicts(_ context.Context, q streams.VerdictQuery) (streams.VerdictPage, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	page := streams.VerdictPage{}
	for _, v := range slices.Backward(w.verdicts) {
		if q.Stream != "" && v.Stream != q.Stream || q.State != "" && v.State != q.State || q.Incident != "" && v.Incident != q.Incident ||
			q.Anomaly != "" && (v.Anomaly != q.Anomaly || v.Incident != "") || q.TopLevel && v.PartOf != "" {
			continue
		}
		page.Items = append(page.Items, v)
	}
	return page, nil
}

func (w *world) Verdict(_ context.Context, id string) (streams.StoredVerdict, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range w.verdicts {
		if v.ID == id {
			return v, nil
		}
	}
	return streams.StoredVerdict{}, streams.ErrNotFound
}

func (w *world) IncidentsSince(_ context.Context, updated time.Time, id string, limit int) ([]streams.StoredIncident, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []streams.StoredIncident
	for _, i := range w.incidents {
		if c := i.UpdatedAt.Compare(updated); c > 0 || c == 0 && i.ID > id {
			out = append(out, *i)
		}
	}
	slices.SortFunc(out, func(a, b streams.StoredIncident) int {
		return cmp.Or(a.UpdatedAt.Compare(b.UpdatedAt), strings.Compare(a.ID, b.ID))
	})
	return out[:min(limit, len(out))], nil
}

func (w *world) Judged(context.Context) (map[string]streams.VerdictCounts, error) { return nil, nil }

// Give takes what people say.
func (w *world) Give(_ context.Context, said []streams.Feedback) error {
	for _, f := range said {
		w.say(f)
	}
	return nil
}

// about reports whether an anomaly belongs to an incident: of its key or keys, within its span.
func (w *world) about(a *streams.StoredAnomaly, id string) bool {
	i := w.incident(id)
	if i == nil || a.Stream != i.Stream || a.Timestamp.Before(i.Start) || a.Timestamp.After(i.Latest) {
		return false
	}
	return a.Entity == i.Entity || i.Kind == streams.KindGroup && slices.ContainsFunc(i.Members, func(m streams.IncidentMember) bool { return m.Entity == a.Entity })
}
