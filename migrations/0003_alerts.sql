-- Alerts: what was heard of conditions, and the groups in which they are told.

-- One row for each condition that a source has reported: the newest that is known of it.
CREATE TABLE alerts (
    id TEXT NOT NULL PRIMARY KEY,   -- the source's id, a slash, and the sender's key of the condition
    version BIGINT NOT NULL,        -- counts from 1 with each signal
    source TEXT NOT NULL,
    group_id TEXT NOT NULL,
    status TEXT NOT NULL,
    last_seen_ms BIGINT NOT NULL,
    expires_at_ms BIGINT,           -- in full minutes; null: it does not expire, or is over
    tracked TEXT NOT NULL,          -- JSON: episode, counts, times
    alert TEXT NOT NULL,            -- JSON: what was said when its episode began
    body_id TEXT                    -- the request that said it
);

CREATE INDEX alerts_by_group ON alerts (group_id);
CREATE INDEX alerts_by_expiry ON alerts (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

-- What is told together: one incident, or one card.
CREATE TABLE alert_groups (
    id TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    incident_id TEXT,
    changed_at_ms BIGINT NOT NULL,
    state TEXT NOT NULL             -- JSON
);

CREATE INDEX alert_groups_by_incident ON alert_groups (incident_id) WHERE incident_id IS NOT NULL;

-- Requests that changed something, as they came in, for a while.
CREATE TABLE alert_bodies (
    id TEXT NOT NULL PRIMARY KEY,   -- in the order of their coming
    source TEXT NOT NULL,
    received_at_ms BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    body TEXT NOT NULL
);

CREATE INDEX alert_bodies_by_time ON alert_bodies (received_at_ms);

-- Whoever must speak now and then: when it is missed, unless it speaks before.
CREATE TABLE heartbeats (
    id TEXT NOT NULL PRIMARY KEY,
    due_at_ms BIGINT NOT NULL
);
