package sink

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"anomalystream/streams"
)

// Anomalies returns one page. Errors: streams.ErrBadCursor, else trouble of the database.
func (s *Store) Anomalies(ctx context.Context, q streams.AnomalyQuery) (streams.AnomalyPage, error) {
	page := streams.AnomalyPage{Total: -1}
	if q.Count {
		total, more, err := s.count(ctx, &q)
		if err != nil {
			return page, err
		}
		page.Total, page.More = total, more
	}
	q.Limit = min(max(q.Limit, 1), 1000)
	for _, w := range s.windows(ctx, &q) {
		if err := s.fill(ctx, &page, &q, w); err != nil {
			return page, err
		}
		if page.Next != "" {
			break
		}
	}
	return page, nil
}

// rowSize is about how long an anomaly of a few features is as JSON.
const rowSize = 1 << 10

// fill reads the page within a window.
func (s *Store) fill(ctx context.Context, page *streams.AnomalyPage, q *streams.AnomalyQuery, w window) error {
	statement, args, err := s.pageStatement(q, w)
	if err != nil {
		return err
	}
	page.Items = make([]streams.EncodedAnomaly, 0, min(q.Limit, 100))
	all := make([]byte, 0, rowSize*cap(page.Items)) // One piece of memory for the rows of a usual page.
	next := ""
	return s.anomalies(ctx, statement, s.planned(q, args), func(r *anomalyRow) error {
		if len(page.Items) == q.Limit {
			page.Next = next
			return nil
		}
		start := len(all)
		all = r.appendJSON(all)
		if page.Items = append(page.Items, all[start:len(all):len(all)]); len(page.Items) == q.Limit {
			o := sortedAnomalies.order(q.Sort)
			number := r.Score
			if o.sort == streams.SortSeverity {
				number = r.Severity
			}
			next = o.cursor(r.Timestamp, number, r.ID)
		}
		return nil
	})
}

// pageStatement reads one row more than the page has, which tells whether there is another page.
func (s *Store) pageStatement(q *streams.AnomalyQuery, w window) (statement string, args []any, err error) {
	c := s.filter(q)
	w.add(c)
	o := sortedAnomalies.order(q.Sort)
	if err := o.after(c, q.Cursor); err != nil {
		return "", nil, err
	}
	behind(o, q.Cursor).add(c)
	statement = fmt.Sprintf(`SELECT %s FROM anomalies%s%s LIMIT %d OFFSET %d`, s.anomalyFields(), c.where(), o.by(), q.Limit+1, max(q.Offset, 0))
	return statement, c.args, nil
}

// count returns how many rows a query selects. Whole streams are not counted but looked up, and other filters are counted up to
// a limit: counting millions takes seconds.
func (s *Store) count(ctx context.Context, q *streams.AnomalyQuery) (n int64, more bool, err error) {
	statement, args, looked := s.countStatement(q)
	if !looked {
		args = s.planned(q, args)
	}
	err = s.db.QueryRowContext(ctx, s.bind(statement), args...).Scan(&n)
	if more = !looked && n > streams.CountLimit; more {
		n = streams.CountLimit
	}
	return n, more, classify("counting anomalies", err)
}

// countStatement also reports whether the number is looked up instead of counted.
func (s *Store) countStatement(q *streams.AnomalyQuery) (statement string, args []any, looked bool) {
	c := s.filter(q)
	whole := *q
	whole.Stream, whole.Sort, whole.Cursor, whole.Limit, whole.Offset, whole.Count = "", "", "", 0, 0, false
	if whole == (streams.AnomalyQuery{}) {
		return `SELECT coalesce(sum(anomalies), 0) FROM anomaly_totals` + c.where(), c.args, true
	}
	return fmt.Sprintf(`SELECT count(*) FROM (SELECT 1 FROM anomalies%s LIMIT %d) AS counted`, c.where(), streams.CountLimit+1), c.args, false
}

// filter is the WHERE clause of a query, without its cursor.
func (s *Store) filter(q *streams.AnomalyQuery) *conditions {
	c := &conditions{s: s}
	if q.Stream != "" {
		c.add("stream = ?", q.Stream)
	}
	if q.Entity != "" {
		c.add("entity = ?", q.Entity)
	}
	switch q.Kind {
	case "":
	case streams.KindRule:
		c.add("kind = 'rule'") // Spelled out: only so the index of rules serves a statement that is prepared once.
	case streams.KindStuck:
		c.add("kind = 'stuck'") // As above.
	default:
		c.add("kind = ?", q.Kind)
	}
	if q.Incident != "" {
		c.add(`EXISTS (SELECT 1 FROM incidents AS i WHERE (i.id = ? OR i.group_id = ? AND i.group_id <> '')
  AND i.stream = anomalies.stream AND i.entity = anomalies.entity AND anomalies."timestamp" BETWEEN i.start_time AND i.latest_time)`, q.Incident, q.Incident)
	}
	switch q.Suppressed {
	case streams.SuppressedOnly:
		c.add("suppressed_by <> ''")
	case streams.SuppressedNone:
		c.add("suppressed_by = ''")
	}
	if q.MinScore > 0 {
		c.add("score >= ?", q.MinScore)
	}
	if q.MaxScore > 0 {
		c.add("score <= ?", q.MaxScore)
	}
	if q.MinSeverity > 0 {
		c.add("severity >= ?", q.MinSeverity)
	}
	if q.MinVotes > 0 {
		c.add("votes >= ?", q.MinVotes)
	}
	if !q.From.IsZero() {
		c.add(`"timestamp" >= ?`, q.From)
	}
	if !q.To.IsZero() {
		c.add(`"timestamp" < ?`, q.To)
	}
	covering(q.From, q.To).add(c)
	switch {
	case q.Detector == "":
	case s.pool != nil:
		c.add("detectors @> ?::jsonb", text([]map[string]any{{"name": q.Detector, "vote": true}}))
	default:
		c.add(`EXISTS (SELECT 1 FROM json_each(detectors) WHERE json_extract(value, '$.name') = ? AND json_extract(value, '$.vote'))`, q.Detector)
	}
	return c
}

// Anomaly returns one anomaly. Error streams.ErrNotFound where there is none.
func (s *Store) Anomaly(ctx context.Context, id string) (streams.StoredAnomaly, error) {
	return only(s.decoded(ctx, s.anomalyStatement(), id))
}

func (s *Store) anomalyStatement() string {
	return `SELECT ` + s.anomalyFields() + ` FROM anomalies WHERE id = $1 LIMIT 1`
}

// Since returns what was stored after (created, id), in order of created_at and id, at most limit rows. Rows appear when their
// batch is committed, some milliseconds after created_at: whoever follows the store reads a little of the past again.
func (s *Store) Since(ctx context.Context, created time.Time, id string, limit int) ([]streams.StoredAnomaly, error) {
	statement, args := s.sinceStatement(created, id, limit)
	return s.decoded(ctx, statement, args...)
}

func (s *Store) sinceStatement(created time.Time, id string, limit int) (statement string, args []any) {
	c := &conditions{s: s}
	if id == "" {
		c.add("created_at >= ?", created)
	} else {
		c.add("(created_at, id) > (?, ?)", created, id)
	}
	return fmt.Sprintf(`SELECT %s FROM anomalies%s ORDER BY created_at, id LIMIT %d`, s.anomalyFields(), c.where(), max(limit, 0)), c.args
}

// decoded returns the anomalies that a statement selects.
func (s *Store) decoded(ctx context.Context, statement string, args ...any) ([]streams.StoredAnomaly, error) {
	out := []streams.StoredAnomaly{}
	err := s.anomalies(ctx, statement, args, func(r *anomalyRow) error {
		a, err := r.decode()
		out = append(out, a)
		return err
	})
	return out, err
}

// anomalies calls take with each row that a statement selects.
func (s *Store) anomalies(ctx context.Context, statement string, args []any, take func(*anomalyRow) error) error {
	var r anomalyRow
	return s.each(ctx, "reading anomalies", statement, args, func(rows *sql.Rows) error {
		if err := r.scan(rows); err != nil {
			return err
		}
		return take(&r)
	})
}
