package sink

import (
	"context"
	"database/sql"

	"anomalystream/streams"
)

// each calls read with every row that a statement selects. An error names what was being done.
func (s *Store) each(ctx context.Context, doing, statement string, args []any, read func(*sql.Rows) error) error {
	rows, err := s.db.QueryContext(ctx, s.bind(statement), args...)
	if err != nil {
		return classify(doing, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := read(rows); err != nil {
			return classify(doing, err)
		}
	}
	return classify(doing, rows.Err())
}

// collect returns what scan makes of every row that a statement selects, in their order; without rows it is empty and not nil.
func collect[T any](ctx context.Context, s *Store, doing, statement string, args []any, scan func(*sql.Rows) (T, error)) ([]T, error) {
	out := []T{}
	err := s.each(ctx, doing, statement, args, func(rows *sql.Rows) error {
		item, err := scan(rows)
		out = append(out, item)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// only returns the item that a statement with an id selects. Error streams.ErrNotFound where there is none.
func only[T any](items []T, err error) (item T, _ error) {
	if err != nil {
		return item, err
	}
	if len(items) == 0 {
		return item, streams.ErrNotFound
	}
	return items[0], nil
}
