package sink

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"anomalystream/streams"
)

const anomalyFields = `id, "timestamp", stream, entity, kind, score, severity, alert_score, votes, voters, needed, detectors, features, contributions,
  sentence, explanation, source_topic, source_partition, source_offset, replay, suppressed_by, created_at`

// Anomalies returns one page. Errors: streams.ErrBadCursor, else trouble of the database.
func (s *Store) Anomalies(ctx context.Context, q streams.AnomalyQuery) (streams.AnomalyPage, error) {
	c := &conditions{s: s}
	s.filter(c, &q)
	page := streams.AnomalyPage{Items: []streams.StoredAnomaly{}, Total: -1}
	if q.Count {
		total, err := s.count(ctx, c, &q)
		if err != nil {
			return page, err
		}
		page.Total = total
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

// count returns how many rows a query selects. Whole streams are not counted but looked up: counting millions takes seconds.
func (s *Store) count(ctx context.Context, c *conditions, q *streams.AnomalyQuery) (n int64, err error) {
	whole := *q
	whole.Stream, whole.Sort, whole.Cursor, whole.Limit, whole.Offset, whole.Count = "", "", "", 0, 0, false
	statement := `SELECT count(*) FROM anomalies`
	if whole == (streams.AnomalyQuery{}) {
		statement = `SELECT coalesce(sum(anomalies), 0) FROM anomaly_totals`
	}
	err = s.db.QueryRowContext(ctx, s.bind(statement+c.where()), c.args...).Scan(&n)
	return n, classify("counting anomalies", err)
}

func (s *Store) filter(c *conditions, q *streams.AnomalyQuery) {
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
	default:
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
	return s.anomalies(ctx, fmt.Sprintf(`SELECT %s FROM anomalies%s ORDER BY created_at, id LIMIT %d`, anomalyFields, c.where(), max(limit, 0)), c.args...)
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
