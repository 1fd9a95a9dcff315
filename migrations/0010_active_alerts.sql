-- The conditions of a source that hold: whoever asks for them reads those, not all that were ever heard of. A condition
-- that repeats itself moves nothing here; only that it begins or ends is sorted in.
CREATE INDEX alerts_active ON alerts (source) WHERE status <> 'resolved';
