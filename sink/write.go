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

	incidentNames = `id, revision, change, stream, entity, kind, status, group_id, start_time, latest_time, end_time, anomalies,
  peak_score, peak_severity, peak_alert_score, features, peak, members, member_count, entity_count, flapping, interval_seconds, sentence, acts,
  verdict, replay, suppressed_by, opened_at, acknowledged_at, ended_at`

	// The first acknowledgement and the first end stay, whatever is said later.
	incidentConflict = ` ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, change = excluded.change, stream = excluded.stream,
  entity = excluded.entity, kind = excluded.kind, status = excluded.status, group_id = excluded.group_id, start_time = excluded.start_time,
  latest_time = excluded.latest_time, end_time = excluded.end_time, anomalies = excluded.anomalies, peak_score = excluded.peak_score,
  peak_severity = excluded.peak_severity, peak_alert_score = excluded.peak_alert_score, features = excluded.features, peak = excluded.peak,
  members = excluded.members, member_count = excluded.member_count, entity_count = excluded.entity_count, flapping = excluded.flapping,
  interval_seconds = excluded.interval_seconds, sentence = excluded.sentence, acts = excluded.acts, verdict = excluded.verdict,
  replay = excluded.replay, suppressed_by = excluded.suppressed_by,
  acknowledged_at = coalesce(incidents.acknowledged_at, excluded.acknowledged_at),
  ended_at = CASE WHEN excluded.ended_at IS NOT NULL THEN coalesce(incidents.ended_at, excluded.ended_at) END, updated_at = excluded.updated_at
WHERE excluded.revision > incidents.revision`

	feedbackNames = `id, action, verdict, stream, entity, incident, anomaly, from_time, to_time, features, guilty, until_time, withdraws,
  who, part_of, comment, at`

	letterNames = `stream, topic, partition, "offset", stage, code, reason`

	progressNames = `topic, partition, next_offset, high_water`

	// No condition: a topic that was made again begins at 0.
	progressConflict = ` ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset, high_water = excluded.high_water,
  stored_at = excluded.stored_at`
)
