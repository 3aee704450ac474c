package sink

import (
	"context"
	"time"
)

// writeTimeout bounds one write: a database that vanished without a word is left and asked again.
const writeTimeout = time.Minute

// Write puts a batch into the store, all of it or nothing. A *RefusedError says that the batch holds a row the store will never
// take; any other error passes, and the same batch can be written again.
func (s *Store) Write(ctx context.Context, b *Batch) (Written, error) {
	if b.Len() == 0 {
		return Written{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	write := s.writeSQLite
	if s.pool != nil {
		write = s.writePostgres
	}
	written, err := write(ctx, b.tidy())
	if err != nil {
		return Written{}, classify("writing a batch", err)
	}
	return written, nil
}

// The statements common to both databases name the columns in the order of rows.go.
const (
	anomalyNames = `id, "timestamp", stream, entity, kind, score, severity, alert_score, votes, voters, needed, detectors, features,
  contributions, sentence, explanation, generation, source_topic, source_partition, source_offset, replay, suppressed_by, emitted_at`

	rollupNames = `stream, entity, minute, events, scored, anomalies, late, score_p50, score_p95, score_p99, score_max,
  requested_rate, realised_rate, features, closed`

	// A rollup of a minute only grows, and closing it comes last: a record that is read again does not undo a later one.
	rollupConflict = ` ON CONFLICT (stream, entity, minute) DO UPDATE SET events = excluded.events, scored = excluded.scored,
  anomalies = excluded.anomalies, late = excluded.late, score_p50 = excluded.score_p50, score_p95 = excluded.score_p95,
  score_p99 = excluded.score_p99, score_max = excluded.score_max, requested_rate = excluded.requested_rate,
  realised_rate = excluded.realised_rate, features = excluded.features, closed = excluded.closed
WHERE (excluded.events, excluded.closed) >= (rollups.events, rollups.closed)`

	detectorNames = `stream, entity, phase, seen, scored, anomalies, warmup_have, warmup_need, generation, window_rows,
  requested_rate, realised_rate, threshold, mean_score, max_score, regime_changes, last_event, checkpoint_at, state_bytes, features`

	// The checkpoint's processing time orders statuses, and not the events seen: they start again when a detector is reset.
	detectorConflict = ` ON CONFLICT (stream, entity) DO UPDATE SET phase = excluded.phase, seen = excluded.seen, scored = excluded.scored,
  anomalies = excluded.anomalies, warmup_have = excluded.warmup_have, warmup_need = excluded.warmup_need,
  generation = excluded.generation, window_rows = excluded.window_rows, requested_rate = excluded.requested_rate,
  realised_rate = excluded.realised_rate, threshold = excluded.threshold, mean_score = excluded.mean_score,
  max_score = excluded.max_score, regime_changes = excluded.regime_changes, last_event = excluded.last_event,
  checkpoint_at = excluded.checkpoint_at, state_bytes = excluded.state_bytes, features = excluded.features
WHERE excluded.checkpoint_at >= detectors.checkpoint_at`

	letterNames = `stream, topic, partition, "offset", stage, code, reason`

	progressNames = `topic, partition, next_offset, high_water`

	// No condition: a topic that was made again begins at 0.
	progressConflict = ` ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset, high_water = excluded.high_water,
  stored_at = excluded.stored_at`
)
