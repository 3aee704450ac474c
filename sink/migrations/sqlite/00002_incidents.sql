-- +goose Up

-- One row per incident, with its newest revision. Times named *_time are event time, *_at processing time.
CREATE TABLE incidents (
    id               TEXT    NOT NULL PRIMARY KEY,
    revision         INTEGER NOT NULL,
    change           TEXT    NOT NULL,
    stream           TEXT    NOT NULL,
    entity           TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    status           TEXT    NOT NULL,
    group_id         TEXT    NOT NULL,
    start_time       INTEGER NOT NULL,
    latest_time      INTEGER NOT NULL,
    end_time         INTEGER,
    anomalies        INTEGER NOT NULL,
    peak_score       REAL    NOT NULL,
    peak_severity    REAL    NOT NULL,
    peak_alert_score REAL    NOT NULL,
    features         TEXT    NOT NULL,
    peak             TEXT    NOT NULL,
    members          TEXT    NOT NULL,
    member_count     INTEGER NOT NULL,
    entity_count     INTEGER NOT NULL,
    flapping         INTEGER NOT NULL,
    interval_seconds REAL    NOT NULL,
    sentence         TEXT    NOT NULL,
    acts             TEXT    NOT NULL,
    verdict          TEXT    NOT NULL,
    replay           INTEGER NOT NULL,
    suppressed_by    TEXT    NOT NULL,
    opened_at        INTEGER NOT NULL,
    acknowledged_at  INTEGER,
    ended_at         INTEGER,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX incidents_by_start           ON incidents (start_time DESC, id DESC);
CREATE INDEX incidents_by_stream          ON incidents (stream, start_time DESC, id DESC);
CREATE INDEX incidents_by_entity          ON incidents (stream, entity, start_time DESC, id DESC);
CREATE INDEX incidents_by_kind            ON incidents (kind, start_time DESC, id DESC);
CREATE INDEX incidents_by_severity        ON incidents (peak_severity DESC, id DESC);
CREATE INDEX incidents_by_stream_severity ON incidents (stream, peak_severity DESC, id DESC);
CREATE INDEX incidents_by_updated         ON incidents (updated_at, id);
-- Few incidents last, are part of a group, or were judged: these lists must not walk the many others.
CREATE INDEX incidents_lasting            ON incidents (start_time DESC, id DESC) WHERE status IN ('open', 'acknowledged');
CREATE INDEX incidents_of_groups          ON incidents (group_id, start_time DESC, id DESC) WHERE group_id <> '';
CREATE INDEX incidents_judged             ON incidents (start_time DESC, id DESC) WHERE verdict <> '';

-- What people said, one row per record: a verdict is withdrawn where another row withdraws it.
CREATE TABLE feedback (
    id               TEXT    NOT NULL PRIMARY KEY,
    action           TEXT    NOT NULL,
    verdict          TEXT    NOT NULL,
    stream           TEXT    NOT NULL,
    entity           TEXT    NOT NULL,
    incident         TEXT    NOT NULL,
    anomaly          TEXT    NOT NULL,
    from_time        INTEGER NOT NULL, -- Event time of the rows it is about.
    to_time          INTEGER NOT NULL,
    features         TEXT    NOT NULL,
    guilty           TEXT    NOT NULL,
    until_time       INTEGER NOT NULL, -- Event time at which its effect ends.
    withdraws        TEXT    NOT NULL,
    who              TEXT    NOT NULL,
    part_of          TEXT    NOT NULL,
    comment          TEXT    NOT NULL,
    at               INTEGER NOT NULL,
    created_at       INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX feedback_verdicts    ON feedback (at DESC, id DESC) WHERE action = 'verdict';
CREATE INDEX feedback_by_stream   ON feedback (stream, at DESC, id DESC) WHERE action = 'verdict';
CREATE INDEX feedback_by_incident ON feedback (incident, at DESC, id DESC) WHERE incident <> '';
CREATE INDEX feedback_by_anomaly  ON feedback (anomaly, at DESC, id DESC) WHERE action = 'verdict' AND anomaly <> '';
CREATE INDEX feedback_of_groups   ON feedback (part_of, at DESC, id DESC) WHERE part_of <> '';
CREATE INDEX feedback_withdrawals ON feedback (withdraws) WHERE withdraws <> '';

-- +goose Down
DROP TABLE incidents;
DROP TABLE feedback;
