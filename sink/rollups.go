package sink

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"anomalystream/streams"
)

// Rollups returns the newest rollups that match, in order of minute and entity.
func (s *Store) Rollups(ctx context.Context, q streams.RollupQuery) ([]streams.Rollup, error) {
	statement, args := s.rollupStatement(&q)
	return collect(ctx, s, "reading rollups", statement, args, scanRollup)
}

func scanRollup(rows *sql.Rows) (r streams.Rollup, err error) {
	var minute moment
	var features []byte
	err = rows.Scan(&r.Stream, &r.Entity, &minute, &r.Events, &r.Scored, &r.Anomalies, &r.Late, &r.ScoreP50, &r.ScoreP95, &r.ScoreP99,
		&r.ScoreMax, &r.Requested, &r.Realised, &features, &r.Closed)
	if err == nil {
		err = json.Unmarshal(features, &r.Features)
	}
	r.Minute = minute.Time
	return r, err
}

func (s *Store) rollupStatement(q *streams.RollupQuery) (statement string, args []any) {
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
	return fmt.Sprintf(`SELECT * FROM (SELECT %s FROM rollups%s ORDER BY minute DESC, entity DESC LIMIT %d) AS newest ORDER BY minute, entity`,
		rollupNames, c.where(), min(max(q.Limit, 1), 100000)), c.args
}
