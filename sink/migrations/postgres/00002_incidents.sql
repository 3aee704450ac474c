-- +goose Up

-- One row per incident, with its newest revision. Times named *_time are event time, *_at processing time.
CREATE TABLE incidents (
    id               text             PRIMARY KEY,
    revision         bigint           NOT NULL,
    change           text             NOT NULL,
    stream           text             NOT NULL,
    entity           text             NOT NULL,
    kind             text             NOT NULL,
    status           text             NOT NULL,
    group_id         text             NOT NULL,
    start_time       timestamptz      NOT NULL,
    latest_time      timestamptz      NOT NULL,
    end_time         timestamptz,
    anomalies        bigint           NOT NULL,
    peak_score       double precision NOT NULL,
    peak_severity    double precision NOT NULL,
    peak_alert_score double precision NOT NULL,
    features         jsonb            NOT NULL,
    peak             jsonb            NOT NULL,
    members          jsonb            NOT NULL,
    member_count     bigint           NOT NULL,
    entity_count     bigint           NOT NULL,
    flapping         boolean          NOT NULL,
    interval_seconds double precision NOT NULL,
    sentence         text             NOT NULL,
    acts             jsonb            NOT NULL,
    verdict          text             NOT NULL,
    replay           boolean          NOT NULL,
    suppressed_by    text             NOT NULL,
    opened_at        timestamptz      NOT NULL,
    acknowledged_at  timestamptz,
    ended_at         timestamptz,
    created_at       timestamptz      NOT NULL DEFAULT clock_timestamp(),
    updated_at       timestamptz      NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX incidents_by_start           ON incidents (start_time DESC, id DESC);
CREATE INDEX incidents_by_stream          ON incidents (stream, start_time DESC, id DESC);
CREATE INDEX incidents_by_entity          ON incidents (stream, entity, start_time DESC, id DESC);
CREATE INDEX incidents_by_kind            ON incidents (kind, start_time DESC, id DESC);
CREATE INDEX incidents_by_severity        ON incidents (peak_severity DESC, id DESC);
CREATE INDEX incidents_by_stream_severity ON incidents (stream, peak_severity DESC, id DESC);
CREATE INDEX incidents_by_updated         ON incidents (updated_at, id);
-- Incidents that overlap a span of time.
CREATE INDEX incidents_by_span            ON incidents USING gist (tstzrange(start_time, greatest(start_time, coalesce(end_time, 'infinity')), '[]'));
-- Few incidents last, are part of a group, or were judged: these lists must not walk the many others.
CREATE INDEX incidents_lasting            ON incidents (start_time DESC, id DESC) WHERE status IN ('open', 'acknowledged');
CREATE INDEX incidents_of_groups          ON incidents (group_id, start_time DESC, id DESC) WHERE group_id <> '';
CREATE INDEX incidents_judged             ON incidents (start_time DESC, id DESC) WHERE verdict <> '';

-- What people said, one row per record: a verdict is withdrawn where another row withdraws it.
CREATE TABLE feedback (
    id         text        PRIMARY KEY,
    action     text        NOT NULL,
    verdict    text        NOT NULL,
    stream     text        NOT NULL,
    entity     text        NOT NULL,
    incident   text        NOT NULL,
    anomaly    text        NOT NULL,
    from_time  timestamptz NOT NULL, -- Event time of the rows it is about.
    to_time    timestamptz NOT NULL,
    features   jsonb       NOT NULL,
    guilty     jsonb       NOT NULL,
    until_time timestamptz NOT NULL, -- Event time at which its effect ends.
    withdraws  text        NOT NULL,
    who        text        NOT NULL,
    part_of    text        NOT NULL,
    comment    text        NOT NULL,
    at         timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX feedback_verdicts    ON feedback (at DESC, id DESC) WHERE action = 'verdict';
CREATE INDEX feedback_by_stream   ON feedback (stream, at DESC, id DESC) WHERE action = 'verdict';
CREATE INDEX feedback_by_incident ON feedback (incident, at DESC, id DESC) WHERE incident <> '';
CREATE INDEX feedback_by_anomaly  ON feedback (anomaly, at DESC, id DESC) WHERE action = 'verdict' AND anomaly <> '';
CREATE INDEX feedback_of_groups   ON feedback (part_of, at DESC, id DESC) WHERE part_of <> '';
CREATE INDEX feedback_withdrawals ON feedback (withdraws) WHERE withdraws <> '';

-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana_reader') THEN
        GRANT SELECT ON incidents, feedback TO grafana_reader;
    END IF;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP TABLE incidents, feedback;
