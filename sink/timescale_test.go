//go:build postgres

package sink

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"anomalystream/internal/pgtest"
	"anomalystream/streams"
)

// TestWithoutTimescale asks for hypertables of a server that has none: a warning, and partitions.
func TestWithoutTimescale(t *testing.T) {
	var log bytes.Buffer
	s := open(t, Config{URL: pgtest.Start(t).Database(t), Timescale: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if s.hyper || !strings.Contains(log.String(), "no TimescaleDB") {
		t.Errorf("hypertables: %v, log %q", s.hyper, log.String())
	}
	testIdempotent(t, s)
}

// TestConversionFails converts tables on a server without the extension: nothing is changed.
func TestConversionFails(t *testing.T) {
	s := open(t, Config{URL: pgtest.Start(t).Database(t)})
	write(t, s, Batch{Anomalies: samples(30)})
	err := pgx.BeginFunc(t.Context(), s.pool, func(tx pgx.Tx) error { return convert(t.Context(), tx) })
	if err == nil || !strings.Contains(err.Error(), "CREATE EXTENSION") {
		t.Fatalf("got %v", err)
	}
	if w := write(t, s, Batch{Anomalies: samples(40)}); w.Anomalies != 10 {
		t.Errorf("after a failed conversion: %+v", w)
	}
	if p := page(t, s, streams.AnomalyQuery{Limit: 1, Count: true}); p.Total != 40 {
		t.Errorf("total %d, want 40", p.Total)
	}
}
