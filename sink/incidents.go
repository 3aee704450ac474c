package sink

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"anomalystream/streams"
)

const incidentFields = incidentNames + `, created_at, updated_at`

const incidentStatement = `SELECT ` + incidentFields + ` FROM incidents WHERE id = $1`

// Incidents returns one page. Errors: streams.ErrBadCursor, else trouble of the database.
func (s *Store) Incidents(ctx context.Context, q streams.IncidentQuery) (streams.IncidentPage, error) {
	page := streams.IncidentPage{Items: []streams.StoredIncident{}}
	q.Limit = min(max(q.Limit, 1), 1000)
	statement, args, err := s.incidentPageStatement(&q)
	if err != nil {
		return page, err
	}
	items, err := s.incidents(ctx, statement, args...)
	if err != nil {
		return page, err
	}
	if len(items) > q.Limit {
		items = items[:q.Limit]
		last := &items[q.Limit-1]
		page.Next = sortedIncidents.order(q.Sort).cursor(last.Start, last.PeakSeverity, last.ID)
	}
	page.Items = items
	return page, nil
}

// incidentPageStatement reads one row more than the page has, which tells whether there is another page.
func (s *Store) incidentPageStatement(q *streams.IncidentQuery) (statement string, args []any, err error) {
	c := s.incidentFilter(q)
	sort := q.Sort
	if sort == streams.SortScore {
		sort = streams.SortNewest // Incidents have no such order.
	}
	o := sortedIncidents.order(sort)
	if err := o.after(c, q.Cursor); err != nil {
		return "", nil, err
	}
	return fmt.Sprintf(`SELECT %s FROM incidents%s%s LIMIT %d`, incidentFields, c.where(), o.by(), q.Limit+1), c.args, nil
}

// incidentFilter is the WHERE clause of a query, without its cursor. Conditions of partial indexes are spelled out: only so
// these serve a statement that is prepared once.
func (s *Store) incidentFilter(q *streams.IncidentQuery) *conditions {
	c := &conditions{s: s}
	if q.Stream != "" {
		c.add("stream = ?", q.Stream)
	}
	if q.Entity != "" {
		c.add("entity = ?", q.Entity)
	}
	if q.Kind != "" {
		c.add("kind = ?", q.Kind)
	}
	if len(q.Status) > 0 {
		if !slices.ContainsFunc(q.Status, func(v string) bool { return v != streams.StatusOpen && v != streams.StatusAcknowledged }) {
			c.add("status IN ('open', 'acknowledged')")
		}
		c.anyOf("status", q.Status)
	}
	if q.Verdict != "" {
		c.add("verdict = ? AND verdict <> ''", q.Verdict)
	}
	if q.Group != "" {
		c.add("group_id = ? AND group_id <> ''", q.Group)
	}
	if q.TopLevel {
		c.add("group_id = ''")
	}
	if q.MinSeverity > 0 {
		c.add("peak_severity >= ?", q.MinSeverity)
	}
	c.overlapping(q.From, q.To)
	return c
}

// overlapping selects the incidents that last at some time of [from, to); a zero time is no bound.
func (c *conditions) overlapping(from, to time.Time) {
	if c.s.pool == nil {
		if !from.IsZero() {
			c.add("(end_time IS NULL OR end_time >= ?)", from)
		}
		if !to.IsZero() {
			c.add("start_time < ?", to)
		}
		return
	}
	if from.IsZero() && to.IsZero() {
		return
	}
	bound := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	c.add(spanOfIncident+" && tstzrange(?, ?)", bound(from), bound(to))
}

// spanOfIncident is the expression of an index.
const spanOfIncident = `tstzrange(start_time, greatest(start_time, coalesce(end_time, 'infinity')), '[]')`

// Incident returns one incident, with what was said about it after the incidents group forgot it. Error streams.ErrNotFound where there is none.
func (s *Store) Incident(ctx context.Context, id string) (streams.StoredIncident, error) {
	i, err := only(s.incidents(ctx, incidentStatement, id))
	if err == nil {
		err = s.addActs(ctx, &i)
	}
	return i, err
}

// IncidentsSince returns the incidents whose newest revision was stored after (updated, id), in order of updated_at and id, at
// most limit. An empty id includes what was stored at the time itself. As with Since, rows appear a moment later.
func (s *Store) IncidentsSince(ctx context.Context, updated time.Time, id string, limit int) ([]streams.StoredIncident, error) {
	statement, args := s.incidentsSinceStatement(updated, id, limit)
	return s.incidents(ctx, statement, args...)
}

func (s *Store) incidentsSinceStatement(updated time.Time, id string, limit int) (statement string, args []any) {
	c := &conditions{s: s}
	if id == "" {
		c.add("updated_at >= ?", updated)
	} else {
		c.add("(updated_at, id) > (?, ?)", updated, id)
	}
	return fmt.Sprintf(`SELECT %s FROM incidents%s ORDER BY updated_at, id LIMIT %d`, incidentFields, c.where(), max(limit, 0)), c.args
}

func (s *Store) incidents(ctx context.Context, statement string, args ...any) ([]streams.StoredIncident, error) {
	return collect(ctx, s, "reading incidents", statement, args, scanIncident)
}

func scanIncident(rows *sql.Rows) (i streams.StoredIncident, err error) {
	var start, latest, opened, created, updated moment
	var end, acknowledged, ended *moment
	var features, peak, members, acts []byte
	err = rows.Scan(&i.ID, &i.Revision, &i.Change, &i.Stream, &i.Entity, &i.Kind, &i.Status, &i.Group, &start, &latest, &end, &i.Anomalies,
		&i.PeakScore, &i.PeakSeverity, &i.PeakAlert, &features, &peak, &members, &i.MemberCount, &i.EntityCount, &i.Flapping, &i.Interval,
		&i.Sentence, &acts, &i.Verdict, &i.Replay, &i.Suppressed, &opened, &acknowledged, &ended, &created, &updated)
	if err != nil {
		return i, err
	}
	i.Start, i.Latest, i.OpenedAt, i.CreatedAt, i.UpdatedAt = start.Time, latest.Time, opened.Time, created.Time, updated.Time
	i.End, i.AcknowledgedAt, i.EndedAt = end.pointer(), acknowledged.pointer(), ended.pointer()
	err = errors.Join(json.Unmarshal(features, &i.Features), json.Unmarshal(peak, &i.Peak), json.Unmarshal(members, &i.Members), json.Unmarshal(acts, &i.Acts))
	return i, err
}
