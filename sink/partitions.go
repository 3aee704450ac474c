package sink

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"anomalystream/streams"
)

// week is the span of a partition; weeks begin on Monday, UTC.
const week = 7 * 24 * time.Hour

// maxPartitions bounds the partitions of a table. Every query looks at all that its time range does not exclude, so records with
// wild event times must not make one for each week of a century: beyond the bound rows go to the default partition.
const maxPartitions = 520

// lockWait bounds how long a change of the schema waits for the queries before it, because the ones after it wait as long.
const lockWait = "2s"

// partitions remembers which weeks of a table need no attention: they have a partition, or are left to the default one.
type partitions struct {
	mu    sync.Mutex
	known map[partition]bool
}

// partition is one week of a table.
type partition struct {
	table string
	start int64 // Unix seconds.
}

func (p partition) name() string { return p.table + "_" + p.at().Format("20060102") }

func (p partition) at() time.Time { return time.Unix(p.start, 0).UTC() }

// monday is the start of a week.
var monday = time.Date(1970, 1, 5, 0, 0, 0, 0, time.UTC).Unix()

// partitionOf returns the partition of a time, and false for times that go to the default partition.
func partitionOf(table string, t time.Time) (partition, bool) {
	if t.Before(streams.MinTime) || !t.Before(streams.MaxTime) {
		return partition{}, false
	}
	span := int64(week / time.Second)
	return partition{table, monday + (t.Unix()-monday)/span*span}, true
}

// ensurePartitions makes what a batch needs and is not there.
func (s *Store) ensurePartitions(ctx context.Context, b *Batch) error {
	s.made.mu.Lock()
	defer s.made.mu.Unlock()
	missing := map[partition]bool{}
	note := func(table string, t time.Time) {
		if p, ok := partitionOf(table, t); ok && !s.made.known[p] {
			missing[p] = true
		}
	}
	for i := range b.Anomalies {
		note("anomalies", b.Anomalies[i].Timestamp)
	}
	for i := range b.Rollups {
		note("rollups", b.Rollups[i].Minute)
	}
	for p := range missing {
		if err := s.makePartition(ctx, p); err != nil {
			return err
		}
		if s.made.known == nil {
			s.made.known = map[partition]bool{}
		}
		s.made.known[p] = true
	}
	return nil
}

// makePartition makes a partition unless it is there, or there are too many. Of several sinks that are here at once the second
// waits for the first.
func (s *Store) makePartition(ctx context.Context, p partition) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := lockSchema(ctx, tx); err != nil {
			return err
		}
		var there bool
		var n int
		err := tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL, (SELECT count(*) FROM pg_inherits WHERE inhparent = $2::text::regclass)`, p.name(), p.table).Scan(&there, &n)
		if err != nil || there {
			return err
		}
		if n > maxPartitions {
			s.cfg.Log.Warn("too many partitions: rows go to the default one", "partition", p.name(), "partitions", n)
			return nil
		}
		_, err = tx.Exec(ctx, fmt.Sprintf(`CREATE TABLE %s PARTITION OF %s FOR VALUES FROM ('%s') TO ('%s')`,
			p.name(), p.table, p.at().Format(time.RFC3339), p.at().Add(week).Format(time.RFC3339)))
		return err
	})
	if refusedAs(err, "23514") {
		s.cfg.Log.Warn("the default partition has rows of this week: it keeps them", "partition", p.name())
		return nil
	}
	if err != nil {
		return fmt.Errorf("making the partition %s: %w", p.name(), err)
	}
	return nil
}

// lockSchema lets one transaction at a time change partitions, and none for long while queries wait.
func lockSchema(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockPartitions); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '`+lockWait+`'`)
	return err
}
