package sink

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Config says where the store is and how it is kept.
type Config struct {
	URL             string        // postgres://user@host:port/database, or sqlite:FILE; sqlite::memory: keeps nothing.
	Password        string        // Of the Postgres user, where the URL holds none.
	GrafanaPassword string        // Lets the SELECT-only role grafana_reader log in (Postgres); "" leaves it as it is.
	MaxConnections  int           // Postgres; default 8.
	Retention       time.Duration // Rows older than this (event time) are dropped; 0 keeps everything.
	Timescale       bool          // Let TimescaleDB keep anomalies and rollups where the server has it; see docs/store.md.
	Log             *slog.Logger  // Default discards.
}

// WithDefaults returns the configuration with every unset field filled.
func (c Config) WithDefaults() Config {
	if c.MaxConnections == 0 {
		c.MaxConnections = 8
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate reports what is wrong with the configuration.
func (c Config) Validate() error {
	if !c.isPostgres() && (!strings.HasPrefix(c.URL, "sqlite:") || c.URL == "sqlite:") {
		return errors.New("opening the store: expected sqlite:FILE or postgres://user@host:port/database")
	}
	if c.MaxConnections < 1 {
		return fmt.Errorf("opening the store: expected at least 1 connection, found %d", c.MaxConnections)
	}
	if c.Retention < 0 {
		return fmt.Errorf("opening the store: expected a retention of 0 or more, found %s", c.Retention)
	}
	return nil
}

func (c Config) isPostgres() bool {
	return strings.HasPrefix(c.URL, "postgres://") || strings.HasPrefix(c.URL, "postgresql://")
}
