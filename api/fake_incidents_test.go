package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"anomalystream/streams"
)

// fakeIncidents is a store of incidents in memory, and the feedback topic with its sink: what is given is stored at once, unless
// the sink lags.
type fakeIncidents struct {
	mu       sync.Mutex
	rows     []streams.StoredIncident
	feedback []streams.Feedback // What the store has.
	given    []streams.Feedback // What was written, all of it.
	lag      bool               // The sink stores nothing of what is given.
	err      error
	giveErr  error
}

func (h *fakeIncidents) add(i streams.Incident, updated time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rows = slices.DeleteFunc(h.rows, func(x streams.StoredIncident) bool { return x.ID == i.ID })
	h.rows = append(h.rows, streams.StoredIncident{Incident: i, OpenedAt: i.Start, CreatedAt: i.Start, UpdatedAt: updated})
}

// change alters the store beside a running server.
func (h *fakeIncidents) change(do func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do()
}

func (h *fakeIncidents) Give(_ context.Context, records []streams.Feedback) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.giveErr != nil {
		return h.giveErr
	}
	h.given = append(h.given, records...)
	if !h.lag {
		h.feedback = append(h.feedback, records...)
	}
	return nil
}

func (h *fakeIncidents) Incidents(_ context.Context, q streams.IncidentQuery) (streams.IncidentPage, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	rows := slices.DeleteFunc(slices.Clone(h.rows), func(i streams.StoredIncident) bool {
		return q.Stream != "" && i.Stream != q.Stream || q.Entity != "" && i.Entity != q.Entity || q.Kind != "" && i.Kind != q.Kind ||
			len(q.Status) > 0 && !slices.Contains(q.Status, i.Status) || q.Verdict != "" && i.Verdict != q.Verdict || q.Group != "" && i.Group != q.Group ||
			q.TopLevel && i.Group != "" || i.PeakSeverity < q.MinSeverity || !q.To.IsZero() && !i.Start.Before(q.To) ||
			!q.From.IsZero() && i.End != nil && i.End.Before(q.From)
	})
	slices.SortFunc(rows, func(a, b streams.StoredIncident) int {
		switch q.Sort {
		case streams.SortOldest:
			return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.ID, b.ID))
		case streams.SortSeverity:
			return cmp.Or(cmp.Compare(b.PeakSeverity, a.PeakSeverity), cmp.Compare(b.ID, a.ID))
		}
		return cmp.Or(b.Start.Compare(a.Start), cmp.Compare(b.ID, a.ID))
	})
	items, next, err := pageOf(rows, q.Limit, q.Cursor)
	return streams.IncidentPage{Items: items, Next: next}, cmp.Or(h.err, err)
}

func (h *fakeIncidents) Incident(_ context.Context, id string) (streams.StoredIncident, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return streams.StoredIncident{}, h.err
	}
	for _, i := range h.rows {
		if i.ID == id {
			return i, nil
		}
	}
	return streams.StoredIncident{}, fmt.Errorf("incident %s: %w", id, streams.ErrNotFound)
}

func (h *fakeIncidents) IncidentsSince(_ context.Context, updated time.Time, id string, limit int) ([]streams.StoredIncident, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return storedAfter(h.rows, updated, id, limit, func(i *streams.StoredIncident) (time.Time, string) { return i.UpdatedAt, i.ID }), h.err
}

// stored are the verdicts with their states. The clock stands still: none expires.
func (h *fakeIncidents) stored() []streams.StoredVerdict {
	var out []streams.StoredVerdict
	for _, f := range h.feedback {
		if f.Action != streams.ActionVerdict {
			continue
		}
		v := streams.StoredVerdict{Feedback: f, State: streams.VerdictInForce}
		if i := slices.IndexFunc(h.feedback, func(w streams.Feedback) bool { return w.Withdraw == f.ID }); i >= 0 {
			v.State, v.WithdrawnBy, v.WithdrawnAt = streams.VerdictWithdrawn, h.feedback[i].Who, &h.feedback[i].At
		}
		out = append(out, v)
	}
	slices.Reverse(out)
	return out
}

func (h *fakeIncidents) Verdicts(_ context.Context, q streams.VerdictQuery) (streams.VerdictPage, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	member := func(v *streams.StoredVerdict) bool {
		return slices.ContainsFunc(h.rows, func(i streams.StoredIncident) bool { return i.ID == v.Incident && i.Group == q.Group })
	}
	rows := slices.DeleteFunc(h.stored(), func(v streams.StoredVerdict) bool {
		return q.Stream != "" && v.Stream != q.Stream || q.Verdict != "" && v.Verdict != q.Verdict || q.State != "" && v.State != q.State ||
			q.Incident != "" && v.Incident != q.Incident || q.Anomaly != "" && (v.Anomaly != q.Anomaly || v.Incident != "") ||
			q.PartOf != "" && v.PartOf != q.PartOf || q.TopLevel && v.PartOf != "" || q.Group != "" && !member(&v)
	})
	items, next, err := pageOf(rows, q.Limit, q.Cursor)
	return streams.VerdictPage{Items: items, Next: next}, cmp.Or(h.err, err)
}

func (h *fakeIncidents) Verdict(_ context.Context, id string) (streams.StoredVerdict, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return streams.StoredVerdict{}, h.err
	}
	for _, v := range h.stored() {
		if v.ID == id {
			return v, nil
		}
	}
	return streams.StoredVerdict{}, streams.ErrNotFound
}

func (h *fakeIncidents) Judged(context.Context) (map[string]streams.VerdictCounts, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[string]streams.VerdictCounts{}
	for _, v := range h.stored() {
		if v.State != streams.VerdictInForce || v.PartOf != "" {
			continue
		}
		c := out[v.Stream]
		switch v.Verdict {
		case streams.VerdictReal:
			c.Real++
		case streams.VerdictExpected:
			c.Expected++
		case streams.VerdictNoise:
			c.Noise++
		}
		out[v.Stream] = c
	}
	return out, h.err
}
