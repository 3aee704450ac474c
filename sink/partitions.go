package sink

import (
	"context"
	"fmt"
	"sync"
	"time"

	"anomalystream/streams"
)

// week is the span of a partition; weeks begin on Monday, UTC.
const week = 7 * 24 * time.Hour

// partitions remembers which partitions exist.
type partitions struct {
	mu    sync.Mutex
	known map[string]bool
}

// weekOf returns the week a time lies in, and false for times that go to the default partition.
func weekOf(t time.Time) (start time.Time, ok bool) {
	if t.Before(streams.MinTime) || !t.Before(streams.MaxTime) {
		return time.Time{}, false
	}
	monday := time.Date(1970, 1, 5, 0, 0, 0, 0, time.UTC)
	return monday.Add(t.Sub(monday) / week * week), true
}

func partitionName(table string, start time.Time) string {
	return table + "_" + start.Format("20060102")
}

// ensurePartitions creates what a batch needs and is not there.
func (s *Store) ensurePartitions(ctx context.Context, b *Batch) error {
	for i := range b.Anomalies {
		if err := s.ensurePartition(ctx, "anomalies", b.Anomalies[i].Timestamp); err != nil {
			return err
		}
	}
	for i := range b.Rollups {
		if err := s.ensurePartition(ctx, "rollups", b.Rollups[i].Minute); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) ensurePartition(ctx context.Context, table string, at time.Time) error {
	start, ok := weekOf(at)
	if !ok {
		return nil
	}
	name := partitionName(table, start)
	s.made.mu.Lock()
	defer s.made.mu.Unlock()
	if s.made.known[name] {
		return nil
	}
	// Two sinks may be here at once: the second waits for the first and finds the partition.
	statement := fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s PARTITION OF %s FOR VALUES FROM ('%s') TO ('%s')`,
		name, table, start.Format(time.RFC3339), start.Add(week).Format(time.RFC3339))
	_, err := s.pool.Exec(ctx, `DO $do$ BEGIN PERFORM pg_advisory_xact_lock(7160241); `+statement+`; END $do$`)
	if err != nil {
		return classify("making the partition "+name, err)
	}
	if s.made.known == nil {
		s.made.known = map[string]bool{}
	}
	s.made.known[name] = true
	return nil
}

// Retain drops what is older than the retention: whole partitions in Postgres, rows in SQLite. It returns how many of them.
func (s *Store) Retain(ctx context.Context, now time.Time) (int64, error) {
	if s.cfg.Retention == 0 {
		return 0, nil
	}
	oldest := now.Add(-s.cfg.Retention)
	if s.pool == nil {
		return s.deleteBefore(ctx, oldest)
	}
	var dropped int64
	for _, table := range []string{"anomalies", "rollups"} {
		rows, err := s.db.QueryContext(ctx, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::regclass`, table)
		if err != nil {
			return dropped, classify("listing the partitions of "+table, err)
		}
		var names []string
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				rows.Close()
				return dropped, classify("listing the partitions of "+table, err)
			}
			names = append(names, name)
		}
		if err := rows.Err(); err != nil {
			return dropped, classify("listing the partitions of "+table, err)
		}
		for _, name := range names {
			start, err := time.Parse(table+"_20060102", name)
			if err != nil || start.Add(week).After(oldest) {
				continue // The default partition, or one with rows to keep.
			}
			if _, err := s.pool.Exec(ctx, "DROP TABLE "+name); err != nil {
				return dropped, classify("dropping the partition "+name, err)
			}
			s.made.mu.Lock()
			delete(s.made.known, name)
			s.made.mu.Unlock()
			dropped++
		}
	}
	return dropped, nil
}

func (s *Store) deleteBefore(ctx context.Context, oldest time.Time) (int64, error) {
	var deleted int64
	for _, statement := range []string{`DELETE FROM anomalies WHERE timestamp < ?1`, `DELETE FROM rollups WHERE minute < ?1`, `DELETE FROM dead_letters WHERE created_at < ?1`} {
		r, err := s.db.ExecContext(ctx, statement, oldest.UnixMicro())
		if err != nil {
			return deleted, classify("dropping old rows", err)
		}
		n, _ := r.RowsAffected()
		deleted += n
	}
	return deleted, nil
}
