-- Who takes a schedule over for a while. Rows are never deleted: who was on call, and by whose word, can be asked for ever.
CREATE TABLE overrides (
    number BIGINT NOT NULL PRIMARY KEY,  -- the order in which they were made: where two overlap, the later counts
    schedule TEXT NOT NULL,
    person TEXT NOT NULL,
    from_ms BIGINT NOT NULL,
    to_ms BIGINT NOT NULL,
    made_by TEXT NOT NULL,               -- JSON
    made_at_ms BIGINT NOT NULL,
    delivery TEXT,                       -- what asked for it: a repetition of that makes no second one
    withdrawn_by TEXT,                   -- JSON
    withdrawn_at_ms BIGINT
);

CREATE INDEX overrides_by_end ON overrides (to_ms);
CREATE UNIQUE INDEX overrides_by_delivery ON overrides (delivery);
