-- How the log is doing, said by those who look after it. None of this is evidence: verify trusts signatures, not these rows.

-- What the log's own checks found last. Scope "recent": from the last checkpoint that held to the newest, every minute;
-- "whole": all of it, every night. seq, size, horizon, revision and epoch are those of the newest checkpoint that held.
CREATE TABLE audit_verified (
  checked_at timestamptz NOT NULL,
  held_at timestamptz,
  seq bigint NOT NULL CHECK (seq >= -1),
  size bigint NOT NULL CHECK (size >= 0),
  revision bigint,
  epoch bigint,
  seconds double precision NOT NULL,
  horizon xid8 NOT NULL,
  log smallint NOT NULL,
  scope text NOT NULL CHECK (scope IN ('recent', 'whole')),
  findings text[] NOT NULL,
  PRIMARY KEY (log, scope)
);
GRANT SELECT, INSERT, UPDATE ON audit_verified TO :"app";

-- The sequencer, every few seconds: alive, and what it refuses, if it does.
CREATE TABLE audit_sequencer (
  seen_at timestamptz NOT NULL,
  sequenced bigint NOT NULL DEFAULT 0,
  stragglers bigint NOT NULL DEFAULT 0,
  refusals bigint NOT NULL DEFAULT 0,
  log smallint PRIMARY KEY,
  refusal text NOT NULL DEFAULT ''
);
GRANT SELECT, INSERT, UPDATE ON audit_sequencer TO :"app";
