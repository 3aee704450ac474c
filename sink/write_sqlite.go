package sink

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// write puts a batch into the store, all of it or nothing. A *RefusedError says that the batch holds a row the store will never
// take.
func (s *Store) Write(ctx context.Context, b *Batch) (Written, error) {
	if b.Len() == 0 {
		return Written{}, nil
	}
	if s.pool != nil {
		return s.writePostgres(ctx, b)
	}
	return s.writeSQLite(ctx, b)
}

func (s *Store) writeSQLite(ctx context.Context, b *Batch) (out Written, err error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return out, classify("writing a batch", err)
	}
	defer func() { _ = tx.Rollback() }() // Nothing after a commit.
	now := time.Now().UnixMicro()
	for _, part := range []struct {
		count     *int
		statement string
		columns   []any
	}{
		{&out.Anomalies, sqliteInsert("anomalies", `id, timestamp, stream, entity, kind, score, severity, alert_score, votes, voters, needed, detectors, features,
			contributions, sentence, explanation, generation, source_topic, source_partition, source_offset, replay, suppressed_by, emitted_at, created_at`, `DO NOTHING`), anomalyColumns(b.Anomalies)},
		{&out.Rollups, sqliteInsert("rollups", `stream, entity, minute, events, scored, anomalies, late, score_p50, score_p95, score_p99, score_max, requested_rate, realised_rate, features, closed`,
			`(stream, entity, minute) DO UPDATE SET events = excluded.events, scored = excluded.scored, anomalies = excluded.anomalies, late = excluded.late,
			score_p50 = excluded.score_p50, score_p95 = excluded.score_p95, score_p99 = excluded.score_p99, score_max = excluded.score_max, requested_rate = excluded.requested_rate,
			realised_rate = excluded.realised_rate, features = excluded.features, closed = excluded.closed WHERE excluded.events >= rollups.events`), rollupColumns(b.Rollups)},
		{&out.Detectors, sqliteInsert("detectors", `stream, entity, phase, seen, scored, anomalies, warmup_have, warmup_need, generation, window_rows, requested_rate, realised_rate,
			threshold, mean_score, max_score, regime_changes, last_event, checkpoint_at, state_bytes, features, created_at`,
			`(stream, entity) DO UPDATE SET phase = excluded.phase, seen = excluded.seen, scored = excluded.scored, anomalies = excluded.anomalies, warmup_have = excluded.warmup_have,
			warmup_need = excluded.warmup_need, generation = excluded.generation, window_rows = excluded.window_rows, requested_rate = excluded.requested_rate, realised_rate = excluded.realised_rate,
			threshold = excluded.threshold, mean_score = excluded.mean_score, max_score = excluded.max_score, regime_changes = excluded.regime_changes, last_event = excluded.last_event,
			checkpoint_at = excluded.checkpoint_at, state_bytes = excluded.state_bytes, features = excluded.features WHERE excluded.checkpoint_at >= detectors.checkpoint_at`), detectorColumns(b.Detectors)},
		{&out.Letters, sqliteInsert("dead_letters", `stream, topic, partition, offset, stage, code, reason, created_at`, `DO NOTHING`), letterColumns(b.Letters)},
	} {
		if *part.count, err = insertRows(ctx, tx, part.statement, part.columns, now); err != nil {
			return Written{}, classify("writing a batch", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return Written{}, classify("writing a batch", err)
	}
	return out, nil
}

func sqliteInsert(table, names, conflict string) string {
	marks := strings.TrimSuffix(strings.Repeat("?, ", strings.Count(names, ",")+1), ", ")
	return fmt.Sprintf(`INSERT INTO %s (%s) VALUES (%s) ON CONFLICT %s`, table, names, marks, conflict)
}

// insertRows runs the statement once per row; created is bound where it has one more column than the lists.
func insertRows(ctx context.Context, tx *sql.Tx, statement string, lists []any, created int64) (int, error) {
	if len(lists) == 0 {
		return 0, nil
	}
	prepared, err := tx.PrepareContext(ctx, statement)
	if err != nil {
		return 0, err
	}
	defer prepared.Close()
	args := make([]any, 0, len(lists)+1)
	n := 0
	for i := range length(lists[0]) {
		args = args[:0]
		for _, l := range lists {
			args = append(args, element(l, i))
		}
		if strings.Count(statement, "?") > len(args) {
			args = append(args, created)
		}
		r, err := prepared.ExecContext(ctx, args...)
		if err != nil {
			return 0, err
		}
		affected, _ := r.RowsAffected()
		n += int(affected)
	}
	return n, nil
}

func length(l any) int {
	return len(l.([]string)) // The first column of every table is text.
}

func element(l any, i int) any {
	switch v := l.(type) {
	case []string:
		return v[i]
	case []time.Time:
		return v[i].UnixMicro()
	case []float64:
		return v[i]
	case []*float64:
		if v[i] == nil {
			return nil
		}
		return *v[i]
	case []int32:
		return v[i]
	case []int64:
		return v[i]
	case []bool:
		return v[i]
	}
	return nil
}
