package sink

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrSchemaTooNew is returned by Open for a store that a newer binary has migrated: this one must not write to it.
var ErrSchemaTooNew = errors.New("the store's schema is newer than this binary: upgrade the binary")

// RefusedError is a write that the store will never take, whoever repeats it.
type RefusedError struct{ Reason string }

// Error returns the database's reason.
func (e *RefusedError) Error() string { return "the store refused it: " + e.Reason }

// classify tells what will never succeed, as a *RefusedError, from trouble that passes: no connection, a full disk, a server
// that shuts down or only reads, a lock, a timeout.
func classify(what string, err error) error {
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && len(pg.Code) == 5 {
		switch pg.Code[:2] {
		case "21", "22", "23", "54": // Two rows for one key, bad data, a broken constraint, beyond a limit of the program.
			return fmt.Errorf("%s: %w", what, &RefusedError{pg.Message + " (" + pg.Code + ")"})
		}
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH:
			return fmt.Errorf("%s: %w", what, &RefusedError{lite.Error()})
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Permanent reports whether an error of Open waits for a person and not for a server: an address or a file that cannot be
// used, an unknown database or user, a wrong password, missing rights, a schema that is too new.
func Permanent(err error) bool {
	var address *pgconn.ParseConfigError
	if errors.Is(err, ErrSchemaTooNew) || errors.As(err, &address) {
		return true
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && len(pg.Code) == 5 {
		switch pg.Code[:2] {
		case "0A", "28", "3D", "42": // Not supported, who are you, no such database, a statement that this server refuses.
			return true
		}
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_CORRUPT:
			return true
		}
	}
	return false
}

// refusedAs reports whether Postgres refused a statement with this code.
func refusedAs(err error, code string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == code
}
