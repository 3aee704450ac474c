package sink

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// writeSQLite writes a batch in one transaction.
func (s *Store) writeSQLite(ctx context.Context, b *Batch) (out Written, err error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return out, err
	}
	defer func() { _ = tx.Rollback() }() // Nothing after a commit.
	var other int
	for _, part := range []struct {
		count     *int
		statement string
		columns   []any
	}{
		{&out.Anomalies, sqliteInsert("anomalies", anomalyNames+", created_at", ` WHERE NOT EXISTS (SELECT 1 FROM deleted_anomalies WHERE id = ?1) ON CONFLICT DO NOTHING`),
			append(anomalyColumns(b.Anomalies), clock{})},
		{&out.Rollups, sqliteInsert("rollups", rollupNames, ` WHERE true`+rollupConflict), rollupColumns(b.Rollups)},
		{&out.Detectors, sqliteInsert("detectors", detectorNames+", created_at", ` WHERE true`+detectorConflict), append(detectorColumns(b.Detectors), clock{})},
		{&out.Letters, sqliteInsert("dead_letters", letterNames+", created_at", ` WHERE true ON CONFLICT DO NOTHING`), append(letterColumns(b.Letters), clock{})},
		{&out.Incidents, sqliteInsert("incidents", incidentNames+", created_at, updated_at", ` WHERE true`+incidentConflict), append(incidentColumns(b.Incidents), clock{}, clock{})},
		{&out.Feedback, sqliteInsert("feedback", feedbackNames+", created_at", ` WHERE true ON CONFLICT DO NOTHING`), append(feedbackColumns(b.Feedback), clock{})},
		{&other, judgeIncidents + `?1`, []any{b.concerned()}},
		{&other, sqliteInsert("sink_progress", progressNames+", stored_at", ` WHERE true`+progressConflict), append(progressColumns(b.Progress), clock{})},
	} {
		if *part.count, err = insertRows(ctx, tx, part.statement, part.columns); err != nil {
			return out, err
		}
	}
	return out, tx.Commit()
}

// sqliteInsert is the statement for one row. It selects its values: only so can it have a condition, and with an upsert it must.
func sqliteInsert(table, names, rest string) string {
	marks := make([]string, strings.Count(names, ",")+1)
	for i := range marks {
		marks[i] = fmt.Sprintf("?%d", i+1)
	}
	return fmt.Sprintf(`INSERT INTO %s (%s) SELECT %s%s`, table, names, strings.Join(marks, ", "), rest)
}

// clock is a column with the time at which each row is written.
type clock struct{}

// insertRows runs the statement once per row and returns how many rows it touched.
func insertRows(ctx context.Context, tx *sql.Tx, statement string, columns []any) (n int, err error) {
	rows := len(columns[0].([]string)) // The first column of every table is text.
	if rows == 0 {
		return 0, nil
	}
	prepared, err := tx.PrepareContext(ctx, statement)
	if err != nil {
		return 0, err
	}
	defer prepared.Close()
	args := make([]any, len(columns))
	for i := range rows {
		for j, c := range columns {
			args[j] = element(c, i)
		}
		r, err := prepared.ExecContext(ctx, args...)
		if err != nil {
			return 0, err
		}
		affected, err := r.RowsAffected()
		if err != nil {
			return 0, err
		}
		n += int(affected)
	}
	return n, nil
}

// element is one value of a column, as the driver takes it.
func element(column any, i int) any {
	switch v := column.(type) {
	case []string:
		return v[i]
	case []time.Time:
		return v[i].UnixMicro()
	case []*time.Time:
		if v[i] == nil {
			return nil
		}
		return v[i].UnixMicro()
	case []float64:
		return v[i]
	case []*float64:
		if v[i] == nil {
			return nil
		}
		return *v[i]
	case []int32:
		return v[i]
	case []int64:
		return v[i]
	case []bool:
		return v[i]
	case clock:
		return time.Now().UnixMicro()
	}
	panic(fmt.Sprintf("a column of type %T", column)) // A mistake in rows.go, which every test of the store finds.
}
