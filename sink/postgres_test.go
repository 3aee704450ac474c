//go:build postgres

package sink

import (
	"testing"

	"anomalystream/internal/pgtest"
)

// TestPostgres runs the conformance suite over a real Postgres.
func TestPostgres(t *testing.T) {
	server := pgtest.Start(t)
	conformance(t, func(t *testing.T) *Store { return open(t, Config{URL: server.Database(t), MaxConnections: 4}) })
}
