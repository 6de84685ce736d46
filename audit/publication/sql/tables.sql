-- How publishing stands, said by the sequencer's process every few seconds. None of this is evidence: the published files, the
-- register and the witnesses are, and none of them lies in this database.
CREATE TABLE audit_publication (
  told_at timestamptz NOT NULL,
  published_at timestamptz,
  cosigned_at timestamptz,
  size bigint NOT NULL DEFAULT 0,
  register_size bigint NOT NULL DEFAULT 0,
  cosigned_size bigint NOT NULL DEFAULT 0,
  failures bigint NOT NULL DEFAULT 0,
  quorum smallint NOT NULL DEFAULT 0,
  log smallint PRIMARY KEY,
  checkpoint text NOT NULL DEFAULT '',
  folder text NOT NULL DEFAULT '',
  register text NOT NULL DEFAULT '',
  failure text NOT NULL DEFAULT '',
  witnesses jsonb NOT NULL DEFAULT '[]'
);
GRANT SELECT, INSERT, UPDATE ON audit_publication TO :"app";
