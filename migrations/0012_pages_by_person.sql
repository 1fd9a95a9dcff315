-- Whoever answers by SMS names no incident: it is looked for among those that called them.
CREATE INDEX pages_by_person ON pages (person_id, paged_at_ms) WHERE person_id IS NOT NULL;
