-- What is affected, as the state says: alerts that ask for an incident look through the open ones of their service, not
-- through all. Empty: nothing in particular. Null: an older version wrote it, and only the state says.
ALTER TABLE incidents ADD COLUMN service TEXT;

CREATE INDEX incidents_open_of_service ON incidents (service, declared_at_ms)
    WHERE status <> 'resolved' AND status <> 'closed';
