package sink

import (
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"

	"anomalystream/streams"
)

// anomalyFields are the columns of an anomalyRow. What of the explanation has columns of its own is taken from those.
func (s *Store) anomalyFields() string {
	explanation := `json_remove(explanation, '$.sentence', '$.contributions')`
	if s.pool != nil {
		explanation = `explanation - '{sentence,contributions}'::text[]`
	}
	return `id, "timestamp", stream, entity, kind, score, severity, alert_score, votes, voters, needed, detectors, features, contributions,
  sentence, ` + explanation + `, source_topic, source_partition, source_offset, replay, suppressed_by, created_at`
}

// anomalyRow is a row of anomalies. The columns of JSON stay as they are, until the next row is read: a list passes them on.
type anomalyRow struct {
	streams.StoredAnomaly                           // Without what the other columns hold.
	detectors, features, contributions, explanation sql.RawBytes
}

func (r *anomalyRow) scan(rows *sql.Rows) error {
	*r = anomalyRow{}
	var at, created moment
	err := rows.Scan(&r.ID, &at, &r.Stream, &r.Entity, &r.Kind, &r.Score, &r.Severity, &r.AlertScore, &r.Votes, &r.Voters, &r.Needed,
		&r.detectors, &r.features, &r.contributions, &r.Why.Sentence, &r.explanation, &r.Source.Topic, &r.Source.Partition, &r.Source.Offset,
		&r.Replay, &r.Suppressed, &created)
	r.Timestamp, r.CreatedAt = at.Time, created.Time
	return err
}

// decode returns the anomaly.
func (r *anomalyRow) decode() (streams.StoredAnomaly, error) {
	a := r.StoredAnomaly
	err := errors.Join(json.Unmarshal(r.explanation, &a.Why), json.Unmarshal(r.contributions, &a.Why.Contributions),
		json.Unmarshal(r.detectors, &a.Detectors), json.Unmarshal(r.features, &a.Features))
	return a, err
}

// appendJSON appends the anomaly as JSON, without decoding what is JSON already: that is most of it.
func (r *anomalyRow) appendJSON(b []byte) []byte {
	b = appendText(append(b, `{"id":`...), r.ID)
	b = appendText(append(b, `,"stream":`...), r.Stream)
	b = appendText(append(b, `,"entity":`...), r.Entity)
	b = appendMoment(append(b, `,"timestamp":`...), r.Timestamp)
	b = appendText(append(b, `,"kind":`...), r.Kind)
	b = appendNumber(append(b, `,"score":`...), r.Score)
	b = appendNumber(append(b, `,"severity":`...), r.Severity)
	b = appendNumber(append(b, `,"alert_score":`...), r.AlertScore)
	b = append(append(b, `,"features":`...), r.features...)
	b = strconv.AppendInt(append(b, `,"votes":`...), int64(r.Votes), 10)
	b = strconv.AppendInt(append(b, `,"voters":`...), int64(r.Voters), 10)
	b = strconv.AppendInt(append(b, `,"needed":`...), int64(r.Needed), 10)
	b = append(append(b, `,"detectors":`...), r.detectors...)
	b = appendText(append(b, `,"explanation":{"sentence":`...), r.Why.Sentence)
	b = append(append(b, `,"contributions":`...), r.contributions...)
	if len(r.explanation) > len(`{}`) {
		b = append(append(b, ','), r.explanation[1:]...) // Its end is the end of the object begun here.
	} else {
		b = append(b, '}')
	}
	b = appendText(append(b, `,"source":{"topic":`...), r.Source.Topic)
	b = strconv.AppendInt(append(b, `,"partition":`...), int64(r.Source.Partition), 10)
	b = strconv.AppendInt(append(b, `,"offset":`...), r.Source.Offset, 10)
	b = append(b, '}')
	if r.Replay {
		b = append(b, `,"replay":true`...)
	}
	if r.Suppressed != "" {
		b = appendText(append(b, `,"suppressed_by":`...), r.Suppressed)
	}
	b = appendMoment(append(b, `,"created_at":`...), r.CreatedAt)
	return append(b, '}')
}

// appendText appends a JSON string.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return append(b, text(s)...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// appendNumber appends a finite number with the fewest digits that read back to it.
func appendNumber(b []byte, v float64) []byte {
	if size := math.Abs(v); size != 0 && (size < 1e-6 || size >= 1e21) {
		return strconv.AppendFloat(b, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, v, 'f', -1, 64)
}

func appendMoment(b []byte, t time.Time) []byte {
	return append(t.UTC().AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}
