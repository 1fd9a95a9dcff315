-- What one replica at a time sees to: who, and until when the others leave it alone.
CREATE TABLE duties (
    name TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    until_ms BIGINT NOT NULL
);
