//go:build postgres && unix

package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestServerComesBack proves the kit itself: rows survive a stop.
func TestServerComesBack(t *testing.T) {
	s := Start(t)
	if !s.Own() {
		t.Log("PG_DSN is set: that server is not stopped")
		return
	}
	dsn := s.Database(t)
	ctx := context.Background()
	for i, statement := range []string{"CREATE TABLE t (n int)", "INSERT INTO t VALUES (7)", "CHECKPOINT", ""} {
		if statement == "" {
			break
		}
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			t.Fatalf("statement %d: %v", i, err)
		}
		if _, err := conn.Exec(ctx, statement); err != nil {
			t.Fatalf("statement %d: %v", i, err)
		}
		conn.Close(ctx)
	}
	s.Stop()
	if _, err := pgx.Connect(ctx, dsn); err == nil {
		t.Fatal("the server answers although it was stopped")
	}
	s.StartAgain()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var n int
	if err := conn.QueryRow(ctx, "SELECT n FROM t").Scan(&n); err != nil || n != 7 {
		t.Fatalf("got %d, %v", n, err)
	}
}
