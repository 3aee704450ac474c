package sink

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// hypertables are the tables that TimescaleDB takes over, with their time columns and what compressed rows are grouped by.
var hypertables = []struct{ table, time, segment string }{
	{"anomalies", "timestamp", "stream"},
	{"rollups", "minute", "stream, entity"},
}

// compressAfter is when hypertables compress a chunk: late enough that redeliveries find rows as they were.
const compressAfter = "30 days"

// adopt finds out whether the tables are hypertables already, and makes them so where that is asked for and the server has the
// extension. All of it happens or nothing: where it fails, the partitions of Postgres stay, with a warning.
func (s *Store) adopt(ctx context.Context) error {
	var partitioned, available bool
	err := s.pool.QueryRow(ctx, `SELECT relkind = 'p', EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') FROM pg_class WHERE oid = 'anomalies'::regclass`).Scan(&partitioned, &available)
	if err != nil {
		return fmt.Errorf("looking at the store's tables: %w", err)
	}
	s.hyper = !partitioned
	if s.hyper || !s.cfg.Timescale {
		return nil
	}
	if !available {
		s.cfg.Log.Warn("this server has no TimescaleDB: the tables stay partitioned by Postgres")
		return nil
	}
	if err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return convert(ctx, tx) }); err != nil {
		s.cfg.Log.Warn("TimescaleDB could not take the tables over: they stay partitioned by Postgres", "error", err)
		return nil
	}
	s.hyper = true
	return nil
}

// convert makes hypertables of the partitioned tables, with their rows.
func convert(ctx context.Context, tx pgx.Tx) error {
	statements := []string{`CREATE EXTENSION IF NOT EXISTS timescaledb`}
	for _, h := range hypertables {
		statements = append(statements,
			`LOCK TABLE `+h.table+` IN ACCESS EXCLUSIVE MODE`,
			`CREATE TABLE hyper (LIKE `+h.table+` INCLUDING ALL)`,
			fmt.Sprintf(`SELECT create_hypertable('hyper', '%s', chunk_time_interval => interval '7 days')`, h.time),
			`INSERT INTO hyper SELECT * FROM `+h.table,
			`DROP TABLE `+h.table,
			`ALTER TABLE hyper RENAME TO `+h.table,
			fmt.Sprintf(`ALTER TABLE %s SET (timescaledb.compress, timescaledb.compress_segmentby = '%s', timescaledb.compress_orderby = '"%s" DESC')`, h.table, h.segment, h.time),
			fmt.Sprintf(`SELECT add_compression_policy('%s', interval '%s')`, h.table, compressAfter),
			`DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana_reader') THEN GRANT SELECT ON `+h.table+` TO grafana_reader; END IF; END $$`,
		)
	}
	statements = append(statements,
		`CREATE TRIGGER total_inserted AFTER INSERT ON anomalies REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION total_anomalies()`,
		`CREATE TRIGGER total_deleted AFTER DELETE ON anomalies REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION total_anomalies()`)
	for _, statement := range statements {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%.60s: %w", statement, err)
		}
	}
	return nil
}
