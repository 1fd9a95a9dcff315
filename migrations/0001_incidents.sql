-- What is kept. One text for SQLite and PostgreSQL: TEXT and BIGINT only; times are milliseconds since 1970 (…_ms),
-- ids and JSON are text.

-- One row for each incident: the state that its events add up to, kept beside them so that a command costs the same
-- on a long timeline as on a short one.
CREATE TABLE incidents (
    id TEXT NOT NULL PRIMARY KEY,
    day TEXT NOT NULL,              -- the day of the declaration in the organization's zone, 2025-09-14
    number BIGINT NOT NULL,         -- counts from 1 on each day
    version BIGINT NOT NULL,        -- the number of the last event
    status TEXT NOT NULL,
    severity TEXT NOT NULL,
    channel TEXT,                   -- the war room's Slack id, once there is one
    declared_at_ms BIGINT NOT NULL,
    state TEXT NOT NULL,            -- JSON
    head TEXT NOT NULL,             -- the hash of the last event
    UNIQUE (day, number)
);

CREATE INDEX incidents_by_time ON incidents (declared_at_ms);
CREATE INDEX incidents_open ON incidents (declared_at_ms) WHERE status <> 'resolved' AND status <> 'closed';
CREATE INDEX incidents_by_channel ON incidents (channel) WHERE channel IS NOT NULL;

-- What has happened. Rows are added, never changed and never removed; each carries the hash of the one before it.
CREATE TABLE events (
    incident_id TEXT NOT NULL,
    seq BIGINT NOT NULL,            -- from 1, without gaps
    kind TEXT NOT NULL,
    happened_at_ms BIGINT NOT NULL,
    recorded_at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,            -- JSON
    payload TEXT NOT NULL,          -- JSON
    hash TEXT NOT NULL,
    PRIMARY KEY (incident_id, seq)
);

-- What was written down later than it happened, in the order in which it happened: the few rows that an export puts
-- elsewhere than where they were written down. Most events cost this index nothing.
CREATE INDEX events_moved ON events (incident_id, happened_at_ms, seq) WHERE happened_at_ms <> recorded_at_ms;

-- What has come in: a delivery that is made twice is done once.
CREATE TABLE deliveries (
    id TEXT NOT NULL PRIMARY KEY,
    incident_id TEXT NOT NULL,
    seq BIGINT NOT NULL,            -- the first event that it led to
    expires_at_ms BIGINT            -- null: remembered for ever
);

CREATE INDEX deliveries_by_expiry ON deliveries (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

-- What the world must still be told. A row is removed when it is done; a clock is a row with a later date.
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    incident_id TEXT NOT NULL,
    lane TEXT NOT NULL,
    queue TEXT,                     -- rows of one incident and queue go out in the order of their position; null: unordered
    position BIGINT NOT NULL,
    key TEXT,                       -- a newer row of the same incident and key replaces a waiting one
    effect TEXT NOT NULL,           -- JSON
    ordered_at_ms BIGINT NOT NULL,
    due_at_ms BIGINT NOT NULL,      -- when to look at it; while it is being done, when its lease runs out
    attempts BIGINT NOT NULL,       -- how often it was begun; with the owner, the fence of its lease
    lease_owner TEXT,               -- who is doing it; null: it waits
    buried_at_ms BIGINT,            -- given up: kept for the operator, never done
    last_error TEXT
);

CREATE INDEX outbox_due ON outbox (lane, due_at_ms) WHERE buried_at_ms IS NULL;
CREATE INDEX outbox_by_incident ON outbox (incident_id, queue, position);
