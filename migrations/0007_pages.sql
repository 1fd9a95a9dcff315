-- The ledger: what became of each page, of each way that it took, and of each group of alerts; and what its auditor has
-- found. Pages follow from the events and are written in the same commit: `firebell audit verify` compares the two.

-- One row for each page.
CREATE TABLE pages (
    id TEXT NOT NULL PRIMARY KEY,   -- the incident, a slash, and the page's number within it
    incident_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    seq BIGINT NOT NULL,            -- the event by which it stands as it does
    addressee TEXT NOT NULL,        -- for people: @ana, #ops
    person_id TEXT,                 -- the [[people]] entry; null: the configuration knew none
    why TEXT NOT NULL,              -- for people
    paged_at_ms BIGINT NOT NULL,
    contacts TEXT NOT NULL,         -- JSON: by which ways, and when each is taken
    ended TEXT,                     -- answered, resolved, expired; null: it has not ended
    ended_at_ms BIGINT,
    ended_by TEXT,                  -- who, for people
    ended_via TEXT                  -- the way by which it was answered
);

CREATE INDEX pages_by_time ON pages (paged_at_ms, id);
CREATE INDEX pages_by_incident ON pages (incident_id, number);
CREATE INDEX pages_open ON pages (paged_at_ms, id) WHERE ended IS NULL;

-- How far each way of a page came, a row for each state that it reached.
CREATE TABLE page_deliveries (
    id TEXT NOT NULL PRIMARY KEY,   -- the page, a slash, the way, a slash, and the state
    incident_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    via TEXT NOT NULL,
    state TEXT NOT NULL,            -- ordered, delayed, failed, accepted, delivered, answered
    at_ms BIGINT NOT NULL,
    provider_id TEXT,
    reason TEXT
);

CREATE INDEX page_deliveries_by_page ON page_deliveries (incident_id, number, seq);

-- Orders that were given up: there should be none, and the auditor looks each minute.
CREATE INDEX outbox_buried ON outbox (buried_at_ms, id) WHERE buried_at_ms IS NOT NULL;

-- When the round of a group of alerts began, and which order it waits for as long as it fires and nobody has been told.
ALTER TABLE alert_groups ADD COLUMN began_at_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alert_groups ADD COLUMN owed TEXT;

-- Of those that are there already: as good as their state can be read without knowing JSON.
UPDATE alert_groups SET began_at_ms = changed_at_ms;
UPDATE alert_groups SET owed = CASE WHEN state LIKE '%"then":"declare"%' THEN 'declare' ELSE 'card' END
    WHERE incident_id IS NULL AND state NOT LIKE '%"firing":0,%' AND state NOT LIKE '%"then":"suppress"%'
    AND state NOT LIKE '%"card":{%' AND state NOT LIKE '%"hold":{%';

CREATE INDEX alert_groups_by_time ON alert_groups (began_at_ms, id);
CREATE INDEX alert_groups_owed ON alert_groups (id) WHERE owed IS NOT NULL;

-- Whoever looks over the ledger: one row, so that of several replicas one looks at a time.
CREATE TABLE audits (
    id TEXT NOT NULL PRIMARY KEY,
    due_at_ms BIGINT NOT NULL,      -- nobody looks again before
    looks BIGINT NOT NULL,          -- the number of the last look, its fence
    state TEXT NOT NULL             -- JSON: what was found, what was said of it
);

INSERT INTO audits (id, due_at_ms, looks, state) VALUES ('ledger', 0, 0, '{}');
