package sink

import (
	"context"

	"github.com/jackc/pgx/v5"
)

const insertAnomalies = `
INSERT INTO anomalies (id, "timestamp", stream, entity, kind, score, severity, alert_score, votes, voters, needed, detectors, features,
  contributions, sentence, explanation, generation, source_topic, source_partition, source_offset, replay, suppressed_by, emitted_at)
SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::float8[], $7::float8[], $8::float8[], $9::int[],
  $10::int[], $11::int[], $12::jsonb[], $13::jsonb[], $14::jsonb[], $15::text[], $16::jsonb[], $17::int[], $18::text[], $19::int[],
  $20::bigint[], $21::bool[], $22::text[], $23::timestamptz[])
ON CONFLICT DO NOTHING`

const upsertRollups = `
INSERT INTO rollups AS old (stream, entity, minute, events, scored, anomalies, late, score_p50, score_p95, score_p99, score_max,
  requested_rate, realised_rate, features, closed)
SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::float8[],
  $9::float8[], $10::float8[], $11::float8[], $12::float8[], $13::float8[], $14::jsonb[], $15::bool[])
ON CONFLICT (stream, entity, minute) DO UPDATE SET events = excluded.events, scored = excluded.scored, anomalies = excluded.anomalies,
  late = excluded.late, score_p50 = excluded.score_p50, score_p95 = excluded.score_p95, score_p99 = excluded.score_p99,
  score_max = excluded.score_max, requested_rate = excluded.requested_rate, realised_rate = excluded.realised_rate,
  features = excluded.features, closed = excluded.closed
WHERE excluded.events >= old.events`

const upsertDetectors = `
INSERT INTO detectors AS old (stream, entity, phase, seen, scored, anomalies, warmup_have, warmup_need, generation, window_rows,
  requested_rate, realised_rate, threshold, mean_score, max_score, regime_changes, last_event, checkpoint_at, state_bytes, features)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::int[], $8::int[], $9::int[],
  $10::int[], $11::float8[], $12::float8[], $13::float8[], $14::float8[], $15::float8[], $16::bigint[], $17::timestamptz[],
  $18::timestamptz[], $19::bigint[], $20::jsonb[])
ON CONFLICT (stream, entity) DO UPDATE SET phase = excluded.phase, seen = excluded.seen, scored = excluded.scored,
  anomalies = excluded.anomalies, warmup_have = excluded.warmup_have, warmup_need = excluded.warmup_need,
  generation = excluded.generation, window_rows = excluded.window_rows, requested_rate = excluded.requested_rate,
  realised_rate = excluded.realised_rate, threshold = excluded.threshold, mean_score = excluded.mean_score,
  max_score = excluded.max_score, regime_changes = excluded.regime_changes, last_event = excluded.last_event,
  checkpoint_at = excluded.checkpoint_at, state_bytes = excluded.state_bytes, features = excluded.features
WHERE excluded.checkpoint_at >= old.checkpoint_at`

const insertLetters = `
INSERT INTO dead_letters (stream, topic, partition, "offset", stage, code, reason)
SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::text[])
ON CONFLICT DO NOTHING`

// writePostgres writes a batch in one round trip and one transaction.
func (s *Store) writePostgres(ctx context.Context, b *Batch) (Written, error) {
	if err := s.ensurePartitions(ctx, b); err != nil {
		return Written{}, err
	}
	var queue pgx.Batch
	var out Written
	count := func(n *int) func(interface{ RowsAffected() int64 }) {
		return func(tag interface{ RowsAffected() int64 }) { *n = int(tag.RowsAffected()) }
	}
	var take []func(interface{ RowsAffected() int64 })
	add := func(n *int, statement string, columns []any) {
		queue.Queue(statement, columns...)
		take = append(take, count(n))
	}
	if len(b.Anomalies) > 0 {
		add(&out.Anomalies, insertAnomalies, anomalyColumns(b.Anomalies))
	}
	if len(b.Rollups) > 0 {
		add(&out.Rollups, upsertRollups, rollupColumns(latestRollups(b.Rollups)))
	}
	if len(b.Detectors) > 0 {
		add(&out.Detectors, upsertDetectors, detectorColumns(latestStatuses(b.Detectors)))
	}
	if len(b.Letters) > 0 {
		add(&out.Letters, insertLetters, letterColumns(b.Letters))
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		results := tx.SendBatch(ctx, &queue)
		for _, t := range take {
			tag, err := results.Exec()
			if err != nil {
				_ = results.Close()
				return err
			}
			t(tag)
		}
		return results.Close()
	})
	if err != nil {
		return Written{}, classify("writing a batch", err)
	}
	return out, nil
}

// columns gathers values row by row into arrays, one per column.
type columns struct {
	at    int
	lists []any
}

func put[T any](c *columns, v T) {
	if c.at == len(c.lists) {
		c.lists = append(c.lists, []T{})
	}
	c.lists[c.at] = append(c.lists[c.at].([]T), v)
	c.at++
}

func anomalyColumns(rows []Emitted) []any {
	var c columns
	for i := range rows {
		a := &rows[i]
		c.at = 0
		put(&c, a.ID)
		put(&c, a.Timestamp)
		put(&c, a.Stream)
		put(&c, a.Entity)
		put(&c, a.Kind)
		put(&c, a.Score)
		put(&c, a.Severity)
		put(&c, a.AlertScore)
		put(&c, int32(a.Votes))
		put(&c, int32(a.Voters))
		put(&c, int32(a.Needed))
		put(&c, list(a.Detectors))
		put(&c, text(a.Features))
		put(&c, list(a.Why.Contributions))
		put(&c, a.Why.Sentence)
		put(&c, reason(a.Why))
		put(&c, int32(a.Why.Generation))
		put(&c, a.Source.Topic)
		put(&c, a.Source.Partition)
		put(&c, a.Source.Offset)
		put(&c, a.Replay)
		put(&c, a.Suppressed)
		put(&c, a.At)
	}
	return c.lists
}
