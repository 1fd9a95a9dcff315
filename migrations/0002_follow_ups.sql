-- How many follow-ups of an incident are still to be done: the page of each person shows theirs, also of incidents
-- that are long over.
ALTER TABLE incidents ADD COLUMN open_follow_ups BIGINT NOT NULL DEFAULT 0;

-- Of those that are there already: each open one stands in the state with this.
UPDATE incidents SET open_follow_ups =
    (LENGTH(state) - LENGTH(REPLACE(state, '"done_at":null', ''))) / LENGTH('"done_at":null');

CREATE INDEX incidents_by_follow_ups ON incidents (declared_at_ms) WHERE open_follow_ups > 0;

-- Those whose post-mortem is not done yet: `/incident list` shows them beside the open ones.
CREATE INDEX incidents_unclosed ON incidents (declared_at_ms) WHERE status <> 'closed';
