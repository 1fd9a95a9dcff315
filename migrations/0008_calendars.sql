-- What one replica at a time sees to: who, and until when the others leave it alone.
CREATE TABLE duties (
    name TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    until_ms BIGINT NOT NULL
);

-- The calendars that feed schedules: the last good copy of each, so that neither a restart nor an absence of the address
-- takes anybody off call.
CREATE TABLE calendars (
    schedule TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    read_at_ms BIGINT NOT NULL,       -- when the address last gave it, or said that it had not changed
    version BIGINT NOT NULL,          -- counts what became of its turns
    turns TEXT NOT NULL,              -- JSON: who is on call when
    strangers TEXT NOT NULL,          -- JSON: names that are nobody's
    troubles TEXT NOT NULL,           -- JSON: what was not understood
    trouble TEXT                      -- why the address gave nothing when it was asked last
);
