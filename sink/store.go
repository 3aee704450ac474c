package sink

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	_ "modernc.org/sqlite" // Driver "sqlite".
)

//go:embed migrations
var migrations embed.FS

// Store is an open database. It is safe for concurrent use.
type Store struct {
	cfg    Config
	db     *sql.DB       // Queries, for both databases.
	pool   *pgxpool.Pool // Batches; nil for SQLite.
	made   partitions    // Postgres.
	extent extent        // Postgres.
	// hyper says that TimescaleDB keeps anomalies and rollups: it makes and drops what we call partitions.
	hyper bool
}

// Open connects and brings the schema up to date. Errors: ErrSchemaTooNew and others of which Permanent
// holds, else trouble of the database, which may pass.
func Open(ctx context.Context, c Config) (*Store, error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Store{cfg: c}
	open := s.openSQLite
	if c.isPostgres() {
		open = s.openPostgres
	}
	if err := open(ctx); err != nil {
		return nil, err
	}
	if err := s.migrate(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) openPostgres(ctx context.Context) error {
	config, err := pgxpool.ParseConfig(s.cfg.URL)
	if err != nil {
		return fmt.Errorf("opening the store: reading its address: %w", err)
	}
	if s.cfg.Password != "" {
		config.ConnConfig.Password = s.cfg.Password
	}
	config.MaxConns = int32(s.cfg.MaxConnections)
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	config.ConnConfig.RuntimeParams["application_name"] = "anomalystream"
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return fmt.Errorf("opening the store: %w", err)
	}
	s.db = stdlib.OpenDBFromPool(s.pool)
	if err := s.Ping(ctx); err != nil {
		_ = s.Close()
		return err
	}
	return nil
}

func (s *Store) openSQLite(ctx context.Context) error {
	file := strings.TrimPrefix(s.cfg.URL, "sqlite:")
	options := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(NORMAL)", "busy_timeout(10000)", "foreign_keys(1)"}, "_txlock": {"immediate"}}
	name := "file:" + (&url.URL{Path: file}).EscapedPath() + "?" + options.Encode()
	memory := file == ":memory:"
	if memory {
		name = "file::memory:?" + options.Encode()
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return fmt.Errorf("opening the store: %w", err)
	}
	if memory {
		db.SetMaxOpenConns(1) // Each connection would have a database of its own.
	}
	s.db = db
	if err := s.Ping(ctx); err != nil {
		_ = s.Close()
		return err
	}
	return nil
}

// provider knows the migrations and what is applied of them.
func (s *Store) provider() (*goose.Provider, error) {
	dialect, folder := goose.DialectSQLite3, "migrations/sqlite"
	var options []goose.ProviderOption
	if s.pool != nil {
		dialect, folder = goose.DialectPostgres, "migrations/postgres"
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600)) // Asks every second, for ten minutes.
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, s.db, files, options...)
}

// migrate applies the migrations that are missing. Several processes may do so at once.
func (s *Store) migrate(ctx context.Context) error {
	provider, err := s.provider()
	if err != nil {
		return fmt.Errorf("migrating the store: %w", err)
	}
	has, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("reading the version of the store's schema: %w", err)
	}
	sources := provider.ListSources()
	if newest := sources[len(sources)-1].Version; has > newest {
		return fmt.Errorf("the store has schema %d, this binary knows %d: %w", has, newest, ErrSchemaTooNew)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating the store: %w", err)
	}
	if s.pool == nil {
		return nil
	}
	if s.cfg.GrafanaPassword != "" {
		s.letGrafanaIn(ctx)
	}
	return s.adopt(ctx)
}

// letGrafanaIn gives the SELECT-only role its password. A statement about roles takes no parameters, so the server quotes the
// text. Where the store's user may not do this, dashboards stay dark and the store works.
func (s *Store) letGrafanaIn(ctx context.Context) {
	var statement string
	err := s.pool.QueryRow(ctx, `SELECT format('ALTER ROLE grafana_reader LOGIN PASSWORD %L', $1::text)`, s.cfg.GrafanaPassword).Scan(&statement)
	if err == nil {
		_, err = s.pool.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol)
	}
	if err != nil {
		s.cfg.Log.Warn("the role grafana_reader could not be given its password: Grafana cannot log in", "error", err)
	}
}

// Ping asks the database whether it answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.db.PingContext(ctx); err != nil {
		return fmt.Errorf("reaching the store at %s: %w", s.where(), err)
	}
	return nil
}

// where names the database without secrets: a password may be in the user's part of an address, and in its query too.
func (s *Store) where() string {
	if s.pool == nil {
		return s.cfg.URL
	}
	c := s.pool.Config().ConnConfig
	return fmt.Sprintf("%s:%d/%s", c.Host, c.Port, c.Database)
}

// Close ends the connections.
func (s *Store) Close() error {
	err := s.db.Close()
	if s.pool != nil {
		s.pool.Close()
	}
	return err
}

// bind makes the placeholders $1, $2 of a statement those of the database.
func (s *Store) bind(query string) string {
	if s.pool != nil {
		return query
	}
	return placeholder.ReplaceAllString(query, "?$1")
}

// placeholder is $1, $2 ...; the paths of JSON functions begin with $ too.
var placeholder = regexp.MustCompile(`\$(\d+)`)

// at makes a time a value of the database.
func (s *Store) at(t time.Time) any {
	if s.pool != nil {
		return t.UTC()
	}
	return t.UnixMicro()
}

// moment scans a time: a timestamptz of Postgres, or Unix microseconds of SQLite.
type moment struct{ time.Time }

// Scan implements sql.Scanner.
func (m *moment) Scan(v any) error {
	switch v := v.(type) {
	case time.Time:
		m.Time = v.UTC()
	case int64:
		m.Time = time.UnixMicro(v).UTC()
	default:
		return fmt.Errorf("reading a time: found %T", v)
	}
	return nil
}

// pointer is the time, nil for none.
func (m *moment) pointer() *time.Time {
	if m == nil {
		return nil
	}
	return &m.Time
}
