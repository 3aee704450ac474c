package sink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"anomalystream/streams"
)

// Stats sums up every stream that has stored anomalies or verdicts. Anomalies are not counted: the totals are kept as rows come
// and go, and the highest and the latest are each one step into an index. Verdicts are, since people give them.
func (s *Store) Stats(ctx context.Context) ([]streams.StreamStats, error) {
	out, err := collect(ctx, s, "summing up anomalies", streamTotals, nil, scanTotals)
	if err != nil {
		return nil, err
	}
	judged, err := s.Judged(ctx)
	if err != nil {
		return nil, err
	}
	kept := out[:0]
	for _, st := range out {
		err := s.extremes(ctx, &st)
		if errors.Is(err, sql.ErrNoRows) {
			continue // Deleted in between.
		}
		if err != nil {
			return nil, classify("summing up anomalies", err)
		}
		st.Verdicts = judged[st.Stream]
		delete(judged, st.Stream)
		kept = append(kept, st)
	}
	for stream, counts := range judged { // Its anomalies are gone, or it had none: a source can be silent.
		kept = append(kept, streams.StreamStats{Stream: stream, Verdicts: counts})
	}
	slices.SortFunc(kept, func(a, b streams.StreamStats) int { return strings.Compare(a.Stream, b.Stream) })
	return kept, nil
}

const streamTotals = `SELECT stream, sum(anomalies), sum(score_sum) / sum(anomalies) FROM anomaly_totals
  GROUP BY stream HAVING sum(anomalies) > 0 ORDER BY stream`

func scanTotals(rows *sql.Rows) (st streams.StreamStats, err error) {
	err = rows.Scan(&st.Stream, &st.Anomalies, &st.MeanScore)
	return st, err
}

// extremes fills in the highest score and the latest anomaly of a stream.
func (s *Store) extremes(ctx context.Context, st *streams.StreamStats) error {
	top := func(fields, order string, into ...any) error {
		statement := fmt.Sprintf(`SELECT %s FROM anomalies WHERE stream = $1 ORDER BY %s DESC, id DESC LIMIT 1`, fields, order)
		return s.db.QueryRowContext(ctx, s.bind(statement), st.Stream).Scan(into...)
	}
	if err := top("score", "score", &st.MaxScore); err != nil {
		return err
	}
	var last streams.LastAnomaly
	var at moment
	if err := top(`id, "timestamp", score`, `"timestamp"`, &last.ID, &at, &last.Score); err != nil {
		return err
	}
	last.Timestamp = at.Time
	st.LastAnomaly = &last
	return nil
}
