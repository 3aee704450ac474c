package api

import (
	"context"
	"errors"
	"slices"
	"sync"

	"anomalystream/streams"
)

// maxRecent bounds the feedback remembered: much more than people say in the moment that the sink takes.
const maxRecent = 4000

// recent remembers what was said through this process, which reaches the store a moment later: so a verdict can be withdrawn or
// replaced at once.
type recent struct {
	mu   sync.Mutex
	rows []streams.Feedback // Oldest first.
}

func (r *recent) add(records []streams.Feedback) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range records {
		f.About = nil
		r.rows = append(r.rows, f)
	}
	if n := len(r.rows) - maxRecent; n > 0 {
		r.rows = slices.Clone(r.rows[n:])
	}
}

// verdicts returns the remembered verdicts that match, and the ids of those that are known to be withdrawn.
func (r *recent) verdicts(match func(*streams.Feedback) bool) (found []streams.StoredVerdict, withdrawn map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	withdrawn = map[string]bool{}
	for i := range r.rows {
		f := &r.rows[i]
		switch {
		case f.Action == streams.ActionWithdraw:
			withdrawn[f.Withdraw] = true
		case f.Action == streams.ActionVerdict && match(f):
			found = append(found, streams.StoredVerdict{Feedback: *f, State: streams.VerdictInForce})
		}
	}
	return found, withdrawn
}

// verdict returns a verdict that the caller may see; a foreign one is as good as none.
func (s *Server) verdict(ctx context.Context, id string) (streams.StoredVerdict, error) {
	store, err := s.incidents()
	if err != nil {
		return streams.StoredVerdict{}, err
	}
	found, withdrawn := s.recent.verdicts(func(f *streams.Feedback) bool { return f.ID == id })
	v, err := store.Verdict(ctx, id)
	if errors.Is(err, streams.ErrNotFound) && len(found) > 0 {
		v, err = found[0], nil
	}
	if err == nil && !whoOf(ctx).sees(v.Stream) {
		err = streams.ErrNotFound
	}
	if withdrawn[id] {
		v.State = streams.VerdictWithdrawn
	}
	return v, err
}

// subject is what verdicts are about: how the store finds them, and how those it has not got yet are told.
type subject struct {
	query streams.VerdictQuery
	match func(*streams.Feedback) bool
}

func aboutAnomaly(stream, id string) subject {
	return subject{streams.VerdictQuery{Stream: stream, Anomaly: id}, func(f *streams.Feedback) bool { return f.Incident == "" && f.Anomaly == id }}
}

func aboutIncident(stream, id string) subject {
	return subject{streams.VerdictQuery{Stream: stream, Incident: id}, func(f *streams.Feedback) bool { return f.Incident == id }}
}

func aboutMembers(stream, group string, members map[string]bool) subject {
	return subject{streams.VerdictQuery{Stream: stream, Group: group}, func(f *streams.Feedback) bool { return members[f.Incident] }}
}

func partsOf(stream, verdict string) subject {
	return subject{streams.VerdictQuery{Stream: stream, PartOf: verdict}, func(f *streams.Feedback) bool { return f.PartOf == verdict }}
}

// standing returns the verdicts about a subject that nobody has withdrawn, whether their time is over or not.
func (s *Server) standing(ctx context.Context, about subject) ([]streams.StoredVerdict, error) {
	store, err := s.incidents()
	if err != nil {
		return nil, err
	}
	var out []streams.StoredVerdict
	q := about.query
	for q.Limit = 1000; ; {
		page, err := store.Verdicts(ctx, q)
		if err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	found, withdrawn := s.recent.verdicts(about.match)
	known := map[string]bool{}
	for _, v := range out {
		known[v.ID] = true
	}
	for _, v := range found {
		if !known[v.ID] {
			out = append(out, v)
		}
	}
	return slices.DeleteFunc(out, func(v streams.StoredVerdict) bool { return withdrawn[v.ID] || v.State == streams.VerdictWithdrawn }), nil
}
