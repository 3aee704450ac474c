package sink

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// created_at is the clock at each row, not at the statement: it rises inside a batch.
const (
	postgresAnomalies = `INSERT INTO anomalies (` + anomalyNames + `)
SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::float8[], $7::float8[], $8::float8[], $9::int[],
  $10::int[], $11::int[], $12::jsonb[], $13::jsonb[], $14::jsonb[], $15::text[], $16::jsonb[], $17::int[], $18::text[], $19::int[],
  $20::bigint[], $21::bool[], $22::text[], $23::timestamptz[]) AS new (id)
WHERE NOT EXISTS (SELECT FROM deleted_anomalies AS d WHERE d.id = new.id)
ON CONFLICT DO NOTHING`

	postgresRollups = `INSERT INTO rollups (` + rollupNames + `)
SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::float8[],
  $9::float8[], $10::float8[], $11::float8[], $12::float8[], $13::float8[], $14::jsonb[], $15::bool[])` + rollupConflict

	postgresDetectors = `INSERT INTO detectors (` + detectorNames + `)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::int[], $8::int[], $9::int[],
  $10::int[], $11::float8[], $12::float8[], $13::float8[], $14::float8[], $15::float8[], $16::bigint[], $17::timestamptz[],
  $18::timestamptz[], $19::bigint[], $20::jsonb[])` + detectorConflict

	postgresLetters = `INSERT INTO dead_letters (` + letterNames + `)
SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::text[]) ON CONFLICT DO NOTHING`

	postgresIncidents = `INSERT INTO incidents (` + incidentNames + `)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
  $10::timestamptz[], $11::timestamptz[], $12::bigint[], $13::float8[], $14::float8[], $15::float8[], $16::jsonb[], $17::jsonb[],
  $18::jsonb[], $19::bigint[], $20::bigint[], $21::bool[], $22::float8[], $23::text[], $24::jsonb[], $25::text[], $26::bool[], $27::text[],
  $28::timestamptz[], $29::timestamptz[], $30::timestamptz[])` + incidentConflict

	postgresFeedback = `INSERT INTO feedback (` + feedbackNames + `)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[],
  $9::timestamptz[], $10::jsonb[], $11::jsonb[], $12::timestamptz[], $13::text[], $14::text[], $15::text[], $16::text[],
  $17::timestamptz[]) ON CONFLICT DO NOTHING`

	postgresProgress = `INSERT INTO sink_progress (` + progressNames + `, stored_at)
SELECT *, clock_timestamp() FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[])` + progressConflict
)

// durable undoes a server's or user's setting under which a crash of the database loses commits it has confirmed: offsets are
// committed in Kafka on the strength of them.
const durable = `SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'`

// Advisory locks of the store, in each database of a server.
const (
	lockPartitions = 7160241 // Held while partitions are made or dropped.
	lockDeletes    = 7160242 // Shared by writes; a deletion holds it alone.
)

// writePostgres writes a batch in one round trip and one transaction.
func (s *Store) writePostgres(ctx context.Context, b *Batch) (out Written, err error) {
	if !s.hyper {
		if err := s.ensurePartitions(ctx, b); err != nil {
			return out, err
		}
	}
	var queue pgx.Batch
	add := func(rows int, count *int, statement string, columns func() []any) {
		if rows == 0 {
			return
		}
		queue.Queue(statement, columns()...).Exec(func(tag pgconn.CommandTag) error {
			*count = int(tag.RowsAffected())
			return nil
		})
	}
	var other int
	add(1, &other, durable, func() []any { return nil })
	// Whoever deletes an anomaly now is waited for, so that the next statement sees it. Otherwise a row that is written again at
	// this moment would survive.
	add(len(b.Anomalies), &other, `SELECT pg_advisory_xact_lock_shared($1)`, func() []any { return []any{lockDeletes} })
	add(len(b.Anomalies), &out.Anomalies, postgresAnomalies, func() []any { return anomalyColumns(b.Anomalies) })
	add(len(b.Rollups), &out.Rollups, postgresRollups, func() []any { return rollupColumns(b.Rollups) })
	add(len(b.Detectors), &out.Detectors, postgresDetectors, func() []any { return detectorColumns(b.Detectors) })
	add(len(b.Letters), &out.Letters, postgresLetters, func() []any { return letterColumns(b.Letters) })
	add(len(b.Incidents), &out.Incidents, postgresIncidents, func() []any { return incidentColumns(b.Incidents) })
	add(len(b.Feedback), &out.Feedback, postgresFeedback, func() []any { return feedbackColumns(b.Feedback) })
	concerned := b.concerned()
	add(len(concerned), &other, judgeIncidents+`ANY($1::text[])`, func() []any { return []any{concerned} })
	add(len(b.Progress), &other, postgresProgress, func() []any { return progressColumns(b.Progress) })
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return tx.SendBatch(ctx, &queue).Close() })
	return out, err
}
