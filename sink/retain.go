package sink

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// retainEvery is how often old rows are looked for: much finer than a partition.
const retainEvery = time.Hour

// Maintain applies the retention now and every hour, until the context ends. Several processes may do so at once. Trouble is
// logged, and tried again an hour later.
func (s *Store) Maintain(ctx context.Context) error {
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	for {
		started := time.Now()
		dropped, err := s.Retain(ctx, started)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.cfg.Log.Warn("old rows could not be dropped, trying again later", "error", err)
		case dropped > 0:
			s.cfg.Log.Info("old rows were dropped", "older_than", s.cfg.Retention.String(), "dropped", dropped, "took", time.Since(started).String())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Retain drops what is older than the retention: whole partitions of anomalies and rollups in Postgres, so that the oldest rows
// are up to a week older; else rows. It returns how many of them.
func (s *Store) Retain(ctx context.Context, now time.Time) (dropped int64, err error) {
	if s.cfg.Retention == 0 {
		return 0, nil
	}
	oldest := now.Add(-s.cfg.Retention)
	rows := oldest // Anomalies and rollups before this go.
	if s.pool != nil {
		// By whole weeks, because totals are kept by week. What no partition took away lies in the default one, or in a chunk
		// that ends later.
		if p, ok := partitionOf("", oldest); ok {
			rows = p.at()
		}
		drop := s.dropPartitions
		if s.hyper {
			drop = s.dropChunks
		}
		if dropped, err = drop(ctx, rows); err != nil {
			return dropped, err
		}
	}
	for _, d := range []struct {
		statement string
		before    time.Time
	}{
		{`DELETE FROM anomalies WHERE "timestamp" < $1`, rows},
		{`DELETE FROM rollups WHERE minute < $1`, rows},
		{`DELETE FROM detectors WHERE checkpoint_at < $1`, oldest},
		{`DELETE FROM dead_letters WHERE created_at < $1`, oldest},
		{`DELETE FROM incidents WHERE coalesce(end_time, latest_time) < $1`, oldest},
		{`DELETE FROM feedback WHERE until_time < $1 AND at < $1`, oldest}, // What still has an effect stays.
		{`DELETE FROM deleted_anomalies WHERE at < $1`, oldest},            // An anomaly this old is dropped again if it comes back.
	} {
		r, err := s.db.ExecContext(ctx, s.bind(d.statement), s.at(d.before))
		if err != nil {
			return dropped, classify("dropping old rows", err)
		}
		n, err := r.RowsAffected()
		if err != nil {
			return dropped, classify("dropping old rows", err)
		}
		dropped += n
	}
	if s.pool != nil { // The rows just deleted were counted in weeks whose totals went with a partition.
		_, err = s.pool.Exec(ctx, `DELETE FROM anomaly_totals WHERE week < $1`, rows)
	}
	return dropped, classify("dropping old totals", err)
}

// dropPartitions drops the partitions that end before oldest.
func (s *Store) dropPartitions(ctx context.Context, oldest time.Time) (dropped int64, err error) {
	for _, table := range []string{"anomalies", "rollups"} {
		rows, err := s.pool.Query(ctx, `SELECT relname::text FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = $1::text::regclass`, table)
		if err != nil {
			return dropped, classify("listing the partitions of "+table, err)
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return dropped, classify("listing the partitions of "+table, err)
		}
		for _, name := range names {
			start, err := time.Parse("20060102", strings.TrimPrefix(name, table+"_"))
			if err != nil || start.Add(week).After(oldest) {
				continue // The default partition, or one with rows to keep.
			}
			if err := s.dropPartition(ctx, partition{table, start.Unix()}); err != nil {
				return dropped, classify("dropping the partition "+name, err)
			}
			dropped++
		}
	}
	return dropped, nil
}

// dropChunks drops the chunks of hypertables that end before oldest.
func (s *Store) dropChunks(ctx context.Context, oldest time.Time) (dropped int64, err error) {
	for _, h := range hypertables {
		tag, err := s.pool.Exec(ctx, `SELECT drop_chunks($1::text::regclass, older_than => $2::timestamptz)`, h.table, oldest)
		if err != nil {
			return dropped, classify("dropping the chunks of "+h.table, err)
		}
		dropped += tag.RowsAffected()
	}
	return dropped, nil
}

// dropPartition drops a partition with what was counted in it. Another process that believes it is there writes to the default
// partition, which loses its old rows too.
func (s *Store) dropPartition(ctx context.Context, p partition) error {
	s.made.mu.Lock()
	defer s.made.mu.Unlock()
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := lockSchema(ctx, tx); err != nil {
			return err
		}
		if p.table == "anomalies" {
			// First the lock that every writer passes, then the totals that they change: the other way round both would wait.
			if _, err := tx.Exec(ctx, `LOCK TABLE anomalies IN ACCESS EXCLUSIVE MODE`); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `DELETE FROM anomaly_totals WHERE week = $1`, p.at()); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, fmt.Sprintf(`DROP TABLE IF EXISTS %s`, p.name()))
		return err
	})
	if err == nil {
		delete(s.made.known, p)
	}
	return err
}
