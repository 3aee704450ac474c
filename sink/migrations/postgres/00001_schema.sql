-- +goose Up

-- Partitioned by week of event time: retention drops whole partitions. The event time is part of an anomaly's identity (a
-- redelivery has the same bytes), so a key that must hold it still recognises every repetition. Partitions are made by the
-- sink when a batch needs them; what lies outside the years it makes them for goes to the default partition.
CREATE TABLE anomalies (
    id               text             NOT NULL,
    "timestamp"      timestamptz      NOT NULL,
    stream           text             NOT NULL,
    entity           text             NOT NULL,
    kind             text             NOT NULL,
    score            double precision NOT NULL,
    severity         double precision NOT NULL,
    alert_score      double precision NOT NULL,
    votes            integer          NOT NULL,
    voters           integer          NOT NULL,
    needed           integer          NOT NULL,
    detectors        jsonb            NOT NULL,
    features         jsonb            NOT NULL,
    contributions    jsonb            NOT NULL,
    sentence         text             NOT NULL,
    explanation      jsonb            NOT NULL,
    generation       integer          NOT NULL,
    source_topic     text             NOT NULL,
    source_partition integer          NOT NULL,
    source_offset    bigint           NOT NULL,
    replay           boolean          NOT NULL,
    suppressed_by    text             NOT NULL,
    emitted_at       timestamptz      NOT NULL,
    created_at       timestamptz      NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (id, "timestamp")
) PARTITION BY RANGE ("timestamp");
CREATE TABLE anomalies_default PARTITION OF anomalies DEFAULT;
CREATE INDEX anomalies_by_time     ON anomalies ("timestamp" DESC, id DESC);
CREATE INDEX anomalies_by_stream   ON anomalies (stream, "timestamp" DESC, id DESC);
CREATE INDEX anomalies_by_entity   ON anomalies (stream, entity, "timestamp" DESC, id DESC);
CREATE INDEX anomalies_by_score    ON anomalies (score DESC, id DESC);
CREATE INDEX anomalies_by_severity ON anomalies (severity DESC, id DESC);
CREATE INDEX anomalies_by_created  ON anomalies (created_at, id);

CREATE TABLE rollups (
    stream         text             NOT NULL,
    entity         text             NOT NULL,
    minute         timestamptz      NOT NULL,
    events         bigint           NOT NULL,
    scored         bigint           NOT NULL,
    anomalies      bigint           NOT NULL,
    late           bigint           NOT NULL,
    score_p50      double precision,
    score_p95      double precision,
    score_p99      double precision,
    score_max      double precision,
    requested_rate double precision NOT NULL,
    realised_rate  double precision NOT NULL,
    features       jsonb            NOT NULL,
    closed         boolean          NOT NULL,
    PRIMARY KEY (stream, entity, minute)
) PARTITION BY RANGE (minute);
CREATE TABLE rollups_default PARTITION OF rollups DEFAULT;
CREATE INDEX rollups_by_minute ON rollups (stream, minute DESC);

CREATE TABLE detectors (
    stream         text             NOT NULL,
    entity         text             NOT NULL,
    phase          text             NOT NULL,
    seen           bigint           NOT NULL,
    scored         bigint           NOT NULL,
    anomalies      bigint           NOT NULL,
    warmup_have    integer          NOT NULL,
    warmup_need    integer          NOT NULL,
    generation     integer          NOT NULL,
    window_rows    integer          NOT NULL,
    requested_rate double precision NOT NULL,
    realised_rate  double precision,
    threshold      double precision,
    mean_score     double precision,
    max_score      double precision,
    regime_changes bigint           NOT NULL,
    last_event     timestamptz      NOT NULL,
    checkpoint_at  timestamptz      NOT NULL,
    state_bytes    bigint           NOT NULL,
    features       jsonb            NOT NULL,
    created_at     timestamptz      NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (stream, entity)
);

CREATE TABLE dead_letters (
    stream      text        NOT NULL,
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    "offset"    bigint      NOT NULL,
    stage       text        NOT NULL,
    code        text        NOT NULL,
    reason      text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, partition, "offset", stage)
);
CREATE INDEX dead_letters_by_created ON dead_letters (created_at DESC);

CREATE TABLE audit (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    who    text        NOT NULL,
    action text        NOT NULL,
    object text        NOT NULL,
    detail text        NOT NULL
);

-- +goose StatementBegin
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana_reader') THEN
        CREATE ROLE grafana_reader NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- Another database of this server was migrated at the same moment.
END
$$;
-- +goose StatementEnd
GRANT SELECT ON anomalies, rollups, detectors, dead_letters, audit TO grafana_reader;

-- +goose Down
DROP TABLE anomalies, rollups, detectors, dead_letters, audit;
