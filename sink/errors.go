package sink

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrSchemaTooNew is returned by Open for a store that a newer binary has migrated: this one must not write to it.
var ErrSchemaTooNew = errors.New("the store's schema is newer than this binary: upgrade the binary")

// RefusedError is a write that the store will never take, whoever repeats it.
type RefusedError struct{ Reason string }

// Error returns the database's reason.
func (e *RefusedError) Error() string { return "the store refused it: " + e.Reason }

// classify tells what will never succeed, as a *RefusedError, from trouble that passes.
func classify(what string, err error) error {
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		// Classes 22 and 23: the data themselves; 54: beyond a limit of the program, such as an index row that is too large.
		if strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "23") || strings.HasPrefix(pg.Code, "54") {
			return fmt.Errorf("%s: %w", what, &RefusedError{pg.Message + " (" + pg.Code + ")"})
		}
	}
	if strings.Contains(err.Error(), "constraint failed") || strings.Contains(err.Error(), "string or blob too big") {
		return fmt.Errorf("%s: %w", what, &RefusedError{err.Error()})
	}
	return fmt.Errorf("%s: %w", what, err)
}
