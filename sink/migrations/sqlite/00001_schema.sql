-- +goose Up

-- Times are Unix microseconds: they sort and compare as the database of Postgres does.
CREATE TABLE anomalies (
    id               TEXT    NOT NULL PRIMARY KEY,
    timestamp        INTEGER NOT NULL,
    stream           TEXT    NOT NULL,
    entity           TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    score            REAL    NOT NULL,
    severity         REAL    NOT NULL,
    alert_score      REAL    NOT NULL,
    votes            INTEGER NOT NULL,
    voters           INTEGER NOT NULL,
    needed           INTEGER NOT NULL,
    detectors        TEXT    NOT NULL,
    features         TEXT    NOT NULL,
    contributions    TEXT    NOT NULL,
    sentence         TEXT    NOT NULL,
    explanation      TEXT    NOT NULL,
    generation       INTEGER NOT NULL,
    source_topic     TEXT    NOT NULL,
    source_partition INTEGER NOT NULL,
    source_offset    INTEGER NOT NULL,
    replay           INTEGER NOT NULL,
    suppressed_by    TEXT    NOT NULL,
    emitted_at       INTEGER NOT NULL,
    created_at       INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX anomalies_by_time            ON anomalies (timestamp DESC, id DESC);
CREATE INDEX anomalies_by_stream          ON anomalies (stream, timestamp DESC, id DESC);
CREATE INDEX anomalies_by_entity          ON anomalies (stream, entity, timestamp DESC, id DESC);
-- With the time, so that what scores highly in a span of time is counted by the index alone.
CREATE INDEX anomalies_by_score           ON anomalies (score DESC, id DESC, timestamp);
CREATE INDEX anomalies_by_stream_score    ON anomalies (stream, score DESC, id DESC, timestamp);
CREATE INDEX anomalies_by_severity        ON anomalies (severity DESC, id DESC, timestamp);
CREATE INDEX anomalies_by_stream_severity ON anomalies (stream, severity DESC, id DESC, timestamp);
CREATE INDEX anomalies_by_created         ON anomalies (created_at, id);
CREATE INDEX anomalies_of_rules           ON anomalies (timestamp DESC, id DESC) WHERE kind = 'rule';

-- How many anomalies are stored, kept by triggers so that nobody has to count them.
CREATE TABLE anomaly_totals (
    stream    TEXT    NOT NULL PRIMARY KEY,
    anomalies INTEGER NOT NULL,
    score_sum REAL    NOT NULL
) WITHOUT ROWID;
-- +goose StatementBegin
CREATE TRIGGER total_inserted AFTER INSERT ON anomalies BEGIN
    INSERT INTO anomaly_totals (stream, anomalies, score_sum) VALUES (new.stream, 1, new.score)
    ON CONFLICT DO UPDATE SET anomalies = anomalies + 1, score_sum = score_sum + excluded.score_sum;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER total_deleted AFTER DELETE ON anomalies BEGIN
    UPDATE anomaly_totals SET anomalies = anomalies - 1, score_sum = score_sum - old.score WHERE stream = old.stream;
END;
-- +goose StatementEnd

-- What people deleted: the sink leaves it out when Kafka brings it again.
CREATE TABLE deleted_anomalies (
    id TEXT    NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE rollups (
    stream         TEXT    NOT NULL,
    entity         TEXT    NOT NULL,
    minute         INTEGER NOT NULL,
    events         INTEGER NOT NULL,
    scored         INTEGER NOT NULL,
    anomalies      INTEGER NOT NULL,
    late           INTEGER NOT NULL,
    score_p50      REAL,
    score_p95      REAL,
    score_p99      REAL,
    score_max      REAL,
    requested_rate REAL    NOT NULL,
    realised_rate  REAL    NOT NULL,
    features       TEXT    NOT NULL,
    closed         INTEGER NOT NULL,
    PRIMARY KEY (stream, entity, minute)
) WITHOUT ROWID;
CREATE INDEX rollups_by_minute ON rollups (stream, minute DESC, entity DESC);

CREATE TABLE detectors (
    stream         TEXT    NOT NULL,
    entity         TEXT    NOT NULL,
    phase          TEXT    NOT NULL,
    seen           INTEGER NOT NULL,
    scored         INTEGER NOT NULL,
    anomalies      INTEGER NOT NULL,
    warmup_have    INTEGER NOT NULL,
    warmup_need    INTEGER NOT NULL,
    generation     INTEGER NOT NULL,
    window_rows    INTEGER NOT NULL,
    requested_rate REAL    NOT NULL,
    realised_rate  REAL,
    threshold      REAL,
    mean_score     REAL,
    max_score      REAL,
    regime_changes INTEGER NOT NULL,
    last_event     INTEGER NOT NULL,
    checkpoint_at  INTEGER NOT NULL,
    state_bytes    INTEGER NOT NULL,
    features       TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (stream, entity)
) WITHOUT ROWID;

CREATE TABLE dead_letters (
    stream     TEXT    NOT NULL,
    topic      TEXT    NOT NULL,
    partition  INTEGER NOT NULL,
    offset     INTEGER NOT NULL,
    stage      TEXT    NOT NULL,
    code       TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, offset, stage)
) WITHOUT ROWID;
CREATE INDEX dead_letters_by_created ON dead_letters (created_at DESC);

-- How far the sink has come in its topics, written with the rows.
CREATE TABLE sink_progress (
    topic       TEXT    NOT NULL,
    partition   INTEGER NOT NULL,
    next_offset INTEGER NOT NULL, -- Of the first record that is not stored.
    high_water  INTEGER NOT NULL, -- Where the partition ended when that was read.
    stored_at   INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;

CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    who    TEXT    NOT NULL,
    action TEXT    NOT NULL,
    object TEXT    NOT NULL,
    detail TEXT    NOT NULL
);

-- +goose Down
DROP TABLE anomalies;
DROP TABLE anomaly_totals;
DROP TABLE deleted_anomalies;
DROP TABLE rollups;
DROP TABLE detectors;
DROP TABLE dead_letters;
DROP TABLE sink_progress;
DROP TABLE audit;
