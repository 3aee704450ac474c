package sink

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"anomalystream/streams"
)

// Delete removes an anomaly, for good: the sink leaves it out when Kafka brings it again. The audit notes who did it. Error
// streams.ErrNotFound where there is none.
func (s *Store) Delete(ctx context.Context, id, who string) error {
	err := s.delete(ctx, id, who)
	if errors.Is(err, sql.ErrNoRows) {
		return streams.ErrNotFound
	}
	return classify("deleting an anomaly", err)
}

func (s *Store) delete(ctx context.Context, id, who string) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // Nothing after a commit.
	if s.pool != nil {
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, lockDeletes); err != nil {
			return err
		}
	}
	var stream, entity string
	err = tx.QueryRowContext(ctx, s.bind(`DELETE FROM anomalies WHERE id = $1 RETURNING stream, entity`), id).Scan(&stream, &entity)
	if err != nil {
		return err
	}
	now := time.Now()
	if _, err := tx.ExecContext(ctx, s.bind(`INSERT INTO deleted_anomalies (id, at) VALUES ($1, $2) ON CONFLICT DO NOTHING`), id, s.at(now)); err != nil {
		return err
	}
	if err := s.record(ctx, tx, streams.Audit{At: now, Who: who, Action: "anomaly.delete", Object: id, Detail: streams.DetectorKey(stream, entity)}); err != nil {
		return err
	}
	return tx.Commit()
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
	return collect(ctx, s, "reading the audit", `SELECT at, who, action, object, detail FROM audit ORDER BY id DESC LIMIT $1`, []any{limit}, scanAudit)
}

func scanAudit(rows *sql.Rows) (a streams.Audit, err error) {
	var at moment
	err = rows.Scan(&at, &a.Who, &a.Action, &a.Object, &a.Detail)
	a.At = at.Time
	return a, err
}
