-- What a request said beside its body, as far as it is read: without it, to close an alert looks like to create one.
ALTER TABLE alert_bodies ADD COLUMN heading TEXT NOT NULL DEFAULT '';
