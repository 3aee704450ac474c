package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"anomalystream/streams"
)

// errStore is the kind of text that must never reach a caller.
var errStore = errors.New(`pq: password authentication failed for user "secret" at 10.0.0.7`)

// fakeHistory is a store in memory with the contract of the real one: total orders, cursors, and order of storing.
type fakeHistory struct {
	mu      sync.Mutex
	rows    []streams.StoredAnomaly
	rollups []streams.Rollup
	err     error
	panics  bool
	deleted []string // "id by who".
	pings   int
	asked   streams.AnomalyQuery // The last question about anomalies.
	judged  map[string]streams.VerdictCounts
}

func (h *fakeHistory) add(a streams.Anomaly, created time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rows = append(h.rows, streams.StoredAnomaly{Anomaly: a, CreatedAt: created})
}

func (h *fakeHistory) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

func (h *fakeHistory) Anomalies(_ context.Context, q streams.AnomalyQuery) (streams.AnomalyPage, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = q
	if h.panics {
		panic(errStore)
	}
	if h.err != nil {
		return streams.AnomalyPage{}, h.err
	}
	rows := slices.DeleteFunc(slices.Clone(h.rows), func(a streams.StoredAnomaly) bool {
		return q.Stream != "" && a.Stream != q.Stream || q.Entity != "" && a.Entity != q.Entity || q.Kind != "" && a.Kind != q.Kind ||
			q.Suppressed != "" && (q.Suppressed == streams.SuppressedOnly) != (a.Suppressed != "") ||
			a.Score < q.MinScore || q.MaxScore > 0 && a.Score > q.MaxScore || a.Severity < q.MinSeverity || a.Votes < q.MinVotes ||
			!q.From.IsZero() && a.Timestamp.Before(q.From) || !q.To.IsZero() && !a.Timestamp.Before(q.To) ||
			q.Detector != "" && !slices.ContainsFunc(a.Detectors, func(v streams.DetectorVote) bool { return v.Vote && v.Name == q.Detector })
	})
	slices.SortFunc(rows, func(a, b streams.StoredAnomaly) int {
		switch q.Sort {
		case streams.SortOldest:
			return cmp.Or(a.Timestamp.Compare(b.Timestamp), cmp.Compare(a.ID, b.ID))
		case streams.SortScore:
			return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(b.ID, a.ID))
		case streams.SortSeverity:
			return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.ID, a.ID))
		}
		return cmp.Or(b.Timestamp.Compare(a.Timestamp), cmp.Compare(b.ID, a.ID))
	})
	page := streams.AnomalyPage{Total: -1}
	if q.Count {
		page.Total = int64(len(rows))
	}
	items, next, err := pageOf(rows, q.Limit, cmp.Or(q.Cursor, strconv.Itoa(q.Offset)))
	page.Next = next
	for _, a := range items {
		var b []byte
		if b, err = json.Marshal(storedOut(a)); err != nil {
			break
		}
		page.Items = append(page.Items, b)
	}
	return page, err
}

// pageOf cuts rows at a cursor that is an index.
func pageOf[T any](rows []T, limit int, cursor string) (items []T, next string, err error) {
	start := 0
	if cursor != "" {
		if start, err = strconv.Atoi(cursor); err != nil || start < 0 {
			return nil, "", streams.ErrBadCursor
		}
	}
	start = min(start, len(rows))
	end := min(start+limit, len(rows))
	if end < len(rows) {
		next = strconv.Itoa(end)
	}
	return rows[start:end], next, nil
}

// storedAfter returns at most limit rows stored after (at, id), in that order; an empty id includes what was stored at the time.
func storedAfter[T any](rows []T, at time.Time, id string, limit int, stored func(*T) (time.Time, string)) []T {
	rows = slices.DeleteFunc(slices.Clone(rows), func(row T) bool {
		when, name := stored(&row)
		return when.Before(at) || id != "" && when.Equal(at) && name <= id
	})
	slices.SortFunc(rows, func(a, b T) int {
		atA, idA := stored(&a)
		atB, idB := stored(&b)
		return cmp.Or(atA.Compare(atB), cmp.Compare(idA, idB))
	})
	return rows[:min(limit, len(rows))]
}

func (h *fakeHistory) Anomaly(_ context.Context, id string) (streams.StoredAnomaly, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return streams.StoredAnomaly{}, h.err
	}
	for _, a := range h.rows {
		if a.ID == id {
			return a, nil
		}
	}
	return streams.StoredAnomaly{}, fmt.Errorf("anomaly %s: %w", id, streams.ErrNotFound)
}

func (h *fakeHistory) Since(_ context.Context, created time.Time, id string, limit int) ([]streams.StoredAnomaly, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return nil, h.err
	}
	return storedAfter(h.rows, created, id, limit, func(a *streams.StoredAnomaly) (time.Time, string) { return a.CreatedAt, a.ID }), nil
}

func (h *fakeHistory) Delete(_ context.Context, id, who string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rows = slices.DeleteFunc(h.rows, func(a streams.StoredAnomaly) bool { return a.ID == id })
	h.deleted = append(h.deleted, id+" by "+who)
	return nil
}

func (h *fakeHistory) Stats(context.Context) ([]streams.StreamStats, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return nil, h.err
	}
	var out []streams.StreamStats
	for _, a := range h.rows {
		i := slices.IndexFunc(out, func(s streams.StreamStats) bool { return s.Stream == a.Stream })
		if i < 0 {
			out, i = append(out, streams.StreamStats{Stream: a.Stream}), len(out)
		}
		s := &out[i]
		s.MeanScore = (s.MeanScore*float64(s.Anomalies) + a.Score) / float64(s.Anomalies+1)
		s.Anomalies++
		s.MaxScore = max(s.MaxScore, a.Score)
		s.LastAnomaly = &streams.LastAnomaly{ID: a.ID, Timestamp: a.Timestamp, Score: a.Score}
		s.Verdicts = h.judged[a.Stream]
	}
	return out, nil
}

func (h *fakeHistory) Rollups(_ context.Context, q streams.RollupQuery) ([]streams.Rollup, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.rollups), func(r streams.Rollup) bool {
		return r.Stream != q.Stream || !q.Entities && r.Entity != q.Entity || r.Minute.Before(q.From) || !r.Minute.Before(q.To)
	}), h.err
}

func (h *fakeHistory) Ping(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pings++
	return h.err
}

type fakeStatuses struct {
	rows       []streams.DetectorStatus
	recovering bool
}

func (s *fakeStatuses) List(stream string) []streams.DetectorStatus {
	return slices.DeleteFunc(slices.Clone(s.rows), func(d streams.DetectorStatus) bool { return stream != "" && d.Stream != stream })
}

func (s *fakeStatuses) Status(stream, entity string) (streams.DetectorStatus, bool) {
	for _, d := range s.rows {
		if d.Stream == stream && d.Entity == entity {
			return d, true
		}
	}
	return streams.DetectorStatus{}, false
}

func (s *fakeStatuses) Recovered() bool { return !s.recovering }

type fakeAudits struct {
	mu   sync.Mutex
	rows []streams.Audit
}

func (a *fakeAudits) Record(_ context.Context, row streams.Audit) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rows = append([]streams.Audit{row}, a.rows...)
	return nil
}

func (a *fakeAudits) Audits(_ context.Context, limit int) ([]streams.Audit, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.rows[:min(limit, len(a.rows))]), nil
}

// fakePublisher takes every event that has a number named cpu.
type fakePublisher struct {
	mu   sync.Mutex
	keys []string
	err  error
}

func (p *fakePublisher) Publish(_ context.Context, stream string, records []Record) ([]Published, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil, p.err
	}
	out := make([]Published, len(records))
	for i, r := range records {
		var event struct {
			CPU *float64 `json:"cpu"`
		}
		if err := json.Unmarshal(r.Value, &event); err != nil || event.CPU == nil {
			out[i].Reject = &streams.Reject{Code: "missing_feature", Field: "cpu", Reason: "cpu is missing"}
			continue
		}
		key := "<none>"
		if r.Key != nil {
			key = *r.Key
		}
		p.keys = append(p.keys, key)
		out[i].Position = streams.Position{Topic: stream, Offset: int64(len(p.keys))}
	}
	return out, nil
}

// fakeScorer knows web-1 only.
type fakeScorer struct{}

func (fakeScorer) Score(_ context.Context, stream, entity string, event json.RawMessage) (Score, error) {
	if entity != "web-1" {
		return Score{}, ErrUnknownEntity
	}
	var values map[string]float64
	if err := json.Unmarshal(event, &values); err != nil && values["cpu"] == 0 {
		return Score{}, &streams.Reject{Code: "missing_feature", Field: "cpu", Reason: "cpu is missing"}
	}
	score := 0.7
	return Score{Stream: stream, Entity: entity, Phase: streams.PhaseReady, Score: &score, Anomaly: true, Why: &streams.Explanation{Sentence: "high"}}, nil
}

type fakeControl struct {
	mu      sync.Mutex
	rates   map[string]float64
	rules   map[string][]streams.Rule
	windows []streams.Window
}

func (c *fakeControl) SetRules(_ context.Context, stream string, rules []streams.Rule) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rules == nil {
		c.rules = map[string][]streams.Rule{}
	}
	c.rules[stream] = rules
	return nil
}

func (c *fakeControl) Rules(stream string) ([]streams.Rule, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rules, ok := c.rules[stream]
	return rules, ok
}

func (c *fakeControl) ResetRules(_ context.Context, stream string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.rules, stream)
	return nil
}

func (c *fakeControl) ResetMaintenance(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.windows = nil
	return nil
}

func (c *fakeControl) SetMaintenance(_ context.Context, windows []streams.Window) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.windows = windows
	return nil
}

func (c *fakeControl) Maintenance() ([]streams.Window, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.windows, c.windows != nil
}

func (c *fakeControl) ResetRate(_ context.Context, stream string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.rates, stream)
	return nil
}

func (c *fakeControl) SetRate(_ context.Context, stream string, rate float64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rates == nil {
		c.rates = map[string]float64{}
	}
	c.rates[stream] = rate
	return nil
}

func (c *fakeControl) Rate(stream string) (float64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rate, ok := c.rates[stream]
	return rate, ok
}
