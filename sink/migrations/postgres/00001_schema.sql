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
CREATE INDEX anomalies_by_time            ON anomalies ("timestamp" DESC, id DESC);
CREATE INDEX anomalies_by_stream          ON anomalies (stream, "timestamp" DESC, id DESC);
CREATE INDEX anomalies_by_entity          ON anomalies (stream, entity, "timestamp" DESC, id DESC);
-- With the time, so that what scores highly in a span of time is counted by the index alone.
CREATE INDEX anomalies_by_score           ON anomalies (score DESC, id DESC) INCLUDE ("timestamp");
CREATE INDEX anomalies_by_stream_score    ON anomalies (stream, score DESC, id DESC) INCLUDE ("timestamp");
CREATE INDEX anomalies_by_severity        ON anomalies (severity DESC, id DESC) INCLUDE ("timestamp");
CREATE INDEX anomalies_by_stream_severity ON anomalies (stream, severity DESC, id DESC) INCLUDE ("timestamp");
CREATE INDEX anomalies_by_created         ON anomalies (created_at, id);
-- Few anomalies come from rules; without this, finding them among the many of the models reads those.
CREATE INDEX anomalies_of_rules           ON anomalies ("timestamp" DESC, id DESC) WHERE kind = 'rule';

-- How many anomalies are stored, kept by triggers so that nobody has to count them; by partition, to be dropped with it.
CREATE TABLE anomaly_totals (
    stream    text             NOT NULL,
    week      timestamptz      NOT NULL,
    anomalies bigint           NOT NULL,
    score_sum double precision NOT NULL,
    PRIMARY KEY (stream, week)
);

-- +goose StatementBegin
CREATE FUNCTION total_anomalies() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sign integer := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
    INSERT INTO anomaly_totals AS t (stream, week, anomalies, score_sum)
    SELECT stream, date_trunc('week', "timestamp", 'UTC'), sign * count(*), sign * sum(score) FROM changed
    GROUP BY 1, 2 ORDER BY 1, 2 -- The same order for everyone: no deadlocks.
    ON CONFLICT (stream, week) DO UPDATE SET anomalies = t.anomalies + excluded.anomalies, score_sum = t.score_sum + excluded.score_sum;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER total_inserted AFTER INSERT ON anomalies REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION total_anomalies();
CREATE TRIGGER total_deleted AFTER DELETE ON anomalies REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION total_anomalies();

-- What people deleted: the sink leaves it out when Kafka brings it again.
CREATE TABLE deleted_anomalies (
    id text        PRIMARY KEY,
    at timestamptz NOT NULL
);

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
CREATE INDEX rollups_by_minute ON rollups (stream, minute DESC, entity DESC);

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

-- How far the sink has come in its topics, written with the rows.
CREATE TABLE sink_progress (
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    next_offset bigint      NOT NULL, -- Of the first record that is not stored.
    high_water  bigint      NOT NULL, -- Where the partition ended when that was read.
    stored_at   timestamptz NOT NULL,
    PRIMARY KEY (topic, partition)
);

CREATE TABLE audit (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    who    text        NOT NULL,
    action text        NOT NULL,
    object text        NOT NULL,
    detail text        NOT NULL
);

-- A role belongs to the whole server: it may be there, be made by another database at this moment, or not be ours to make.
-- +goose StatementBegin
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana_reader') THEN
        CREATE ROLE grafana_reader NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN
    NULL;
END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana_reader') THEN
        GRANT SELECT ON anomalies, anomaly_totals, rollups, detectors, dead_letters, sink_progress, audit TO grafana_reader;
    END IF;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP TABLE anomalies, anomaly_totals, deleted_anomalies, rollups, detectors, dead_letters, sink_progress, audit;
DROP FUNCTION total_anomalies;
