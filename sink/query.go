package sink

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"anomalystream/streams"
)

const anomalyFields = `id, "timestamp", stream, entity, kind, score, severity, alert_score, votes, voters, needed, detectors, features, contributions,
  sentence, explanation, source_topic, source_partition, source_offset, replay, suppressed_by, created_at`

// conditions gathers the WHERE clause of a query and its arguments. Values are never part of the text.
type conditions struct {
	s     *Store
	parts []string
	args  []any
}

// add adds a condition in which each ? stands for the next value.
func (c *conditions) add(condition string, values ...any) {
	for _, v := range values {
		if t, ok := v.(time.Time); ok {
			v = c.s.at(t)
		}
		c.args = append(c.args, v)
		condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(c.args)), 1)
	}
	c.parts = append(c.parts, condition)
}

func (c *conditions) where() string {
	if len(c.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.parts, " AND ")
}

// order is a total order of anomalies: a column and the id.
type order struct {
	column    string
	ascending bool
}

func orderOf(sort string) order {
	switch sort {
	case streams.SortOldest:
		return order{`"timestamp"`, true}
	case streams.SortScore:
		return order{"score", false}
	case streams.SortSeverity:
		return order{"severity", false}
	}
	return order{`"timestamp"`, false}
}

// Anomalies returns one page. Errors: streams.ErrBadCursor, else trouble of the database.
func (s *Store) Anomalies(ctx context.Context, q streams.AnomalyQuery) (streams.AnomalyPage, error) {
	c := &conditions{s: s}
	s.filter(c, &q)
	page := streams.AnomalyPage{Items: []streams.StoredAnomaly{}, Total: -1}
	if q.Count {
		if err := s.db.QueryRowContext(ctx, s.bind(`SELECT count(*) FROM anomalies`+c.where()), c.args...).Scan(&page.Total); err != nil {
			return page, classify("counting anomalies", err)
		}
	}
	o := orderOf(q.Sort)
	if q.Cursor != "" {
		if err := s.after(c, o, q.Sort, q.Cursor); err != nil {
			return page, err
		}
	}
	direction := "DESC"
	if o.ascending {
		direction = "ASC"
	}
	limit := min(max(q.Limit, 1), 1000)
	statement := fmt.Sprintf(`SELECT %s FROM anomalies%s ORDER BY %s %s, id %s LIMIT %d OFFSET %d`,
		anomalyFields, c.where(), o.column, direction, direction, limit+1, max(q.Offset, 0))
	items, err := s.anomalies(ctx, statement, c.args...)
	if err != nil {
		return page, err
	}
	if len(items) > limit {
		items = items[:limit]
		page.Next = cursorOf(q.Sort, &items[limit-1])
	}
	page.Items = items
	return page, nil
}

func (s *Store) filter(c *conditions, q *streams.AnomalyQuery) {
	if q.Stream != "" {
		c.add("stream = ?", q.Stream)
	}
	if q.Entity != "" {
		c.add("entity = ?", q.Entity)
	}
	if q.Kind != "" {
		c.add("kind = ?", q.Kind)
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
	if q.Detector == "" {
		return
	}
	if s.pool != nil {
		vote, _ := json.Marshal([]map[string]any{{"name": q.Detector, "vote": true}})
		c.add("detectors @> ?::jsonb", string(vote))
		return
	}
	c.add(`EXISTS (SELECT 1 FROM json_each(detectors) WHERE json_extract(value, '$.name') = ? AND json_extract(value, '$.vote'))`, q.Detector)
}

// A cursor is the sort, the sort column of the last row (a time as Unix microseconds) and its id.
func cursorOf(sort string, a *streams.StoredAnomaly) string {
	value := strconv.FormatInt(a.Timestamp.UnixMicro(), 10)
	switch sort {
	case streams.SortScore:
		value = strconv.FormatFloat(a.Score, 'g', -1, 64)
	case streams.SortSeverity:
		value = strconv.FormatFloat(a.Severity, 'g', -1, 64)
	}
	if sort == "" {
		sort = streams.SortNewest
	}
	return sort + "," + value + "," + a.ID
}

// after restricts a query to the rows behind a cursor.
func (s *Store) after(c *conditions, o order, sort, cursor string) error {
	parts := strings.SplitN(cursor, ",", 3)
	if sort == "" {
		sort = streams.SortNewest
	}
	if len(parts) != 3 || parts[0] != sort {
		return streams.ErrBadCursor
	}
	var value any
	switch sort {
	case streams.SortScore, streams.SortSeverity:
		v, err := strconv.ParseFloat(parts[1], 64)
		if err != nil {
			return streams.ErrBadCursor
		}
		value = v
	default:
		v, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil {
			return streams.ErrBadCursor
		}
		value = time.UnixMicro(v).UTC()
	}
	sign := "<"
	if o.ascending {
		sign = ">"
	}
	c.add(fmt.Sprintf("(%s, id) %s (?, ?)", o.column, sign), value, parts[2])
	return nil
}

// Anomaly returns one anomaly. Error streams.ErrNotFound where there is none.
func (s *Store) Anomaly(ctx context.Context, id string) (streams.StoredAnomaly, error) {
	items, err := s.anomalies(ctx, `SELECT `+anomalyFields+` FROM anomalies WHERE id = $1 LIMIT 1`, id)
	if err != nil {
		return streams.StoredAnomaly{}, err
	}
	if len(items) == 0 {
		return streams.StoredAnomaly{}, streams.ErrNotFound
	}
	return items[0], nil
}

// Since returns what was stored after (created, id), in order of created_at and id, at most limit rows.
func (s *Store) Since(ctx context.Context, created time.Time, id string, limit int) ([]streams.StoredAnomaly, error) {
	c := &conditions{s: s}
	if id == "" {
		c.add("created_at >= ?", created)
	} else {
		c.add("(created_at, id) > (?, ?)", created, id)
	}
	return s.anomalies(ctx, fmt.Sprintf(`SELECT %s FROM anomalies%s ORDER BY created_at, id LIMIT %d`, anomalyFields, c.where(), limit), c.args...)
}

func (s *Store) anomalies(ctx context.Context, statement string, args ...any) ([]streams.StoredAnomaly, error) {
	rows, err := s.db.QueryContext(ctx, s.bind(statement), args...)
	if err != nil {
		return nil, classify("reading anomalies", err)
	}
	defer rows.Close()
	out := []streams.StoredAnomaly{}
	for rows.Next() {
		a, err := scanAnomaly(rows)
		if err != nil {
			return nil, classify("reading anomalies", err)
		}
		out = append(out, a)
	}
	return out, classify("reading anomalies", rows.Err())
}

func scanAnomaly(rows *sql.Rows) (a streams.StoredAnomaly, err error) {
	var at, created moment
	var detectors, features, contributions, explanation []byte
	err = rows.Scan(&a.ID, &at, &a.Stream, &a.Entity, &a.Kind, &a.Score, &a.Severity, &a.AlertScore, &a.Votes, &a.Voters, &a.Needed,
		&detectors, &features, &contributions, &a.Why.Sentence, &explanation, &a.Source.Topic, &a.Source.Partition, &a.Source.Offset,
		&a.Replay, &a.Suppressed, &created)
	if err != nil {
		return a, err
	}
	sentence := a.Why.Sentence
	err = errors.Join(json.Unmarshal(explanation, &a.Why), json.Unmarshal(contributions, &a.Why.Contributions),
		json.Unmarshal(detectors, &a.Detectors), json.Unmarshal(features, &a.Features))
	a.Why.Sentence, a.Timestamp, a.CreatedAt = sentence, at.Time, created.Time
	return a, err
}

// Delete removes an anomaly and notes in the audit who did it, both or neither. Error streams.ErrNotFound where there is none.
func (s *Store) Delete(ctx context.Context, id, who string) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return classify("deleting an anomaly", err)
	}
	defer func() { _ = tx.Rollback() }()
	var stream, entity string
	err = tx.QueryRowContext(ctx, s.bind(`DELETE FROM anomalies WHERE id = $1 RETURNING stream, entity`), id).Scan(&stream, &entity)
	if errors.Is(err, sql.ErrNoRows) {
		return streams.ErrNotFound
	}
	if err == nil {
		err = s.record(ctx, tx, streams.Audit{Who: who, Action: "anomaly.delete", Object: id, Detail: streams.DetectorKey(stream, entity)})
	}
	if err == nil {
		err = tx.Commit()
	}
	return classify("deleting an anomaly", err)
}

// execer is a database or a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (s *Store) record(ctx context.Context, db execer, a streams.Audit) error {
	if a.At.IsZero() {
		a.At = time.Now()
	}
	_, err := db.ExecContext(ctx, s.bind(`INSERT INTO audit (at, who, action, object, detail) VALUES ($1, $2, $3, $4, $5)`), s.at(a.At), a.Who, a.Action, a.Object, a.Detail)
	return err
}

// Record notes a change.
func (s *Store) Record(ctx context.Context, a streams.Audit) error {
	return classify("writing the audit", s.record(ctx, s.db, a))
}

// Audits returns the newest changes, newest first.
func (s *Store) Audits(ctx context.Context, limit int) ([]streams.Audit, error) {
	rows, err := s.db.QueryContext(ctx, s.bind(`SELECT at, who, action, object, detail FROM audit ORDER BY id DESC LIMIT $1`), limit)
	if err != nil {
		return nil, classify("reading the audit", err)
	}
	defer rows.Close()
	out := []streams.Audit{}
	for rows.Next() {
		var a streams.Audit
		var at moment
		if err := rows.Scan(&at, &a.Who, &a.Action, &a.Object, &a.Detail); err != nil {
			return nil, classify("reading the audit", err)
		}
		a.At = at.Time
		out = append(out, a)
	}
	return out, classify("reading the audit", rows.Err())
}

// Stats sums up the stored anomalies of every stream that has some.
func (s *Store) Stats(ctx context.Context) ([]streams.StreamStats, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT stream, count(*), avg(score), max(score) FROM anomalies GROUP BY stream ORDER BY stream`)
	if err != nil {
		return nil, classify("summing up anomalies", err)
	}
	defer rows.Close()
	out := []streams.StreamStats{}
	for rows.Next() {
		var st streams.StreamStats
		if err := rows.Scan(&st.Stream, &st.Anomalies, &st.MeanScore, &st.MaxScore); err != nil {
			return nil, classify("summing up anomalies", err)
		}
		out = append(out, st)
	}
	if err := rows.Err(); err != nil {
		return nil, classify("summing up anomalies", err)
	}
	for i := range out {
		var last streams.LastAnomaly
		var at moment
		err := s.db.QueryRowContext(ctx, s.bind(`SELECT id, "timestamp", score FROM anomalies WHERE stream = $1 ORDER BY "timestamp" DESC, id DESC LIMIT 1`), out[i].Stream).Scan(&last.ID, &at, &last.Score)
		if errors.Is(err, sql.ErrNoRows) {
			continue // Deleted in between.
		}
		if err != nil {
			return nil, classify("summing up anomalies", err)
		}
		last.Timestamp = at.Time
		out[i].LastAnomaly = &last
	}
	return out, nil
}

// Rollups returns the newest rollups that match, in order of minute and entity.
func (s *Store) Rollups(ctx context.Context, q streams.RollupQuery) ([]streams.Rollup, error) {
	c := &conditions{s: s}
	c.add("stream = ?", q.Stream)
	if !q.Entities {
		c.add("entity = ?", q.Entity)
	}
	if !q.From.IsZero() {
		c.add("minute >= ?", q.From)
	}
	if !q.To.IsZero() {
		c.add("minute < ?", q.To)
	}
	const fields = `stream, entity, minute, events, scored, anomalies, late, score_p50, score_p95, score_p99, score_max, requested_rate, realised_rate, features, closed`
	statement := fmt.Sprintf(`SELECT * FROM (SELECT %s FROM rollups%s ORDER BY minute DESC, entity DESC LIMIT %d) AS newest ORDER BY minute, entity`, fields, c.where(), min(max(q.Limit, 1), 100000))
	rows, err := s.db.QueryContext(ctx, s.bind(statement), c.args...)
	if err != nil {
		return nil, classify("reading rollups", err)
	}
	defer rows.Close()
	out := []streams.Rollup{}
	for rows.Next() {
		var r streams.Rollup
		var minute moment
		var features []byte
		err := rows.Scan(&r.Stream, &r.Entity, &minute, &r.Events, &r.Scored, &r.Anomalies, &r.Late, &r.ScoreP50, &r.ScoreP95, &r.ScoreP99,
			&r.ScoreMax, &r.Requested, &r.Realised, &features, &r.Closed)
		if err == nil {
			err = json.Unmarshal(features, &r.Features)
		}
		if err != nil {
			return nil, classify("reading rollups", err)
		}
		r.Minute = minute.Time
		out = append(out, r)
	}
	return out, classify("reading rollups", rows.Err())
}
