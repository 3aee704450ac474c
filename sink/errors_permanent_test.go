package sink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestPermanent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"none":              {nil, false},
		"schema too new":    {fmt.Errorf("opening: %w", ErrSchemaTooNew), true},
		"wrong password":    {fmt.Errorf("opening: %w", &pgconn.PgError{Code: "28P01"}), true},
		"unknown database":  {&pgconn.PgError{Code: "3D000"}, true},
		"missing rights":    {&pgconn.PgError{Code: "42501"}, true},
		"starting up":       {&pgconn.PgError{Code: "57P03"}, false},
		"too many clients":  {&pgconn.PgError{Code: "53300"}, false},
		"nobody listening":  {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, false},
		"time has run out":  {context.DeadlineExceeded, false},
		"malformed address": {pgconnAddress(t), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Permanent(c.err); got != c.want {
				t.Errorf("got %v, want %v for %v", got, c.want, c.err)
			}
		})
	}
}

func pgconnAddress(t *testing.T) error {
	t.Helper()
	_, err := pgconn.ParseConfig("postgres://localhost:port/db")
	if err == nil {
		t.Fatal("a port that is no number was accepted")
	}
	return err
}

// TestOpenUnusableFiles opens what can never be a SQLite database.
func TestOpenUnusableFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte("this is not a database, and long enough to be read as a header\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{text, dir, filepath.Join(dir, "none", "a.db")} {
		s, err := Open(t.Context(), Config{URL: "sqlite:" + file})
		if err == nil {
			_ = s.Close()
			t.Errorf("%s was opened", file)
		} else if !Permanent(err) {
			t.Errorf("%s: waiting for a person: %v", file, err)
		}
	}
}
