-- +goose Up

-- Few anomalies are suppressed or stuck: these lists must not walk the many others.
CREATE INDEX anomalies_suppressed           ON anomalies (timestamp DESC, id DESC) WHERE suppressed_by <> '';
CREATE INDEX anomalies_suppressed_by_stream ON anomalies (stream, timestamp DESC, id DESC) WHERE suppressed_by <> '';
CREATE INDEX anomalies_stuck                ON anomalies (timestamp DESC, id DESC) WHERE kind = 'stuck';

-- +goose Down
DROP INDEX anomalies_suppressed;
DROP INDEX anomalies_suppressed_by_stream;
DROP INDEX anomalies_stuck;
