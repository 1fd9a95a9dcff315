-- When whoever must speak now and then was last heard; none: never, as far as is on record.
ALTER TABLE heartbeats ADD COLUMN heard_at_ms BIGINT;
