-- What was changed on purpose, deploys above all: for a while, so that an incident that begins soon after hears of it.
CREATE TABLE changes (
    id TEXT NOT NULL PRIMARY KEY,   -- the source's id, a slash, and the sender's key of the change
    source TEXT NOT NULL,
    happened_at_ms BIGINT NOT NULL,
    change TEXT NOT NULL            -- JSON
);

CREATE INDEX changes_by_time ON changes (happened_at_ms);
