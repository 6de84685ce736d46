-- The log. Entries are written in the transaction of what they record; the sequencer alone writes the rest.

CREATE TABLE audit_entry (
  id uuid NOT NULL,
  call uuid,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  recorded_at timestamptz NOT NULL DEFAULT mandate_now(),
  log smallint NOT NULL DEFAULT 1,
  kind text NOT NULL,
  tenant text NOT NULL DEFAULT '',
  body bytea NOT NULL CHECK (octet_length(body) BETWEEN 2 AND 65535),
  PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX audit_entry_order ON audit_entry (xid, id);
CREATE INDEX audit_entry_call ON audit_entry (call) WHERE call IS NOT NULL;
CREATE INDEX audit_entry_tenant ON audit_entry (tenant, id);
-- what people and jobs did, among the millions of entries of calls; calls pay nothing for it
CREATE INDEX audit_entry_acts ON audit_entry (id) WHERE call IS NULL;
CREATE INDEX audit_entry_act_kinds ON audit_entry (kind, id) WHERE call IS NULL;
SELECT make_append_only('audit_entry');
INSERT INTO partitioned_table VALUES ('audit_entry', 100);
-- INVARIANT: nobody chooses xid and recorded_at, so entries cannot be dated back
GRANT SELECT, INSERT (id, log, kind, call, tenant, body) ON audit_entry TO :"app";

-- xid and recorded_at are copied: the checkpoint's seal covers them, which the entry's own hash cannot
CREATE TABLE audit_leaf (
  entry uuid NOT NULL UNIQUE,
  index bigint NOT NULL CHECK (index >= 0),
  xid xid8 NOT NULL,
  recorded_at timestamptz NOT NULL,
  log smallint NOT NULL,
  hash bytea NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (log, index)
);
SELECT make_append_only('audit_leaf');
GRANT SELECT, INSERT (entry, index, xid, recorded_at, log, hash) ON audit_leaf TO :"app";

-- full tiles only: 256 hashes; open ones lie in audit_tree_state
CREATE TABLE audit_tile (
  index bigint NOT NULL CHECK (index >= 0),
  log smallint NOT NULL,
  level smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
  hashes bytea NOT NULL CHECK (octet_length(hashes) = 8192),
  PRIMARY KEY (log, level, index)
);
ALTER TABLE audit_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;
SELECT make_append_only('audit_tile');
GRANT SELECT, INSERT (index, log, level, hashes) ON audit_tile TO :"app";

CREATE TABLE audit_checkpoint (
  seq bigint NOT NULL CHECK (seq >= 0),
  size bigint NOT NULL CHECK (size >= 0),
  horizon xid8 NOT NULL,
  signed_at timestamptz NOT NULL,
  log smallint NOT NULL,
  root bytea NOT NULL CHECK (octet_length(root) = 32),
  seal bytea NOT NULL CHECK (octet_length(seal) = 64),
  note text NOT NULL,
  PRIMARY KEY (log, seq)
);
CREATE INDEX audit_checkpoint_size ON audit_checkpoint (log, size);
CREATE INDEX audit_checkpoint_signed ON audit_checkpoint (signed_at);
SELECT make_append_only('audit_checkpoint');
GRANT SELECT, INSERT (seq, size, horizon, signed_at, log, root, seal, note) ON audit_checkpoint TO :"app";

-- The sequencer's place: the newest checkpoint's seq, size and horizon, and the tiles not yet full, level 0 first.
-- Level l holds (size >> 8 l) mod 256 hashes. Every column can be derived from the other tables, and verify does.
CREATE TABLE audit_tree_state (
  size bigint NOT NULL CHECK (size >= 0),
  seq bigint NOT NULL CHECK (seq >= -1),
  horizon xid8 NOT NULL,
  log smallint PRIMARY KEY,
  open_tiles bytea NOT NULL CHECK (octet_length(open_tiles) % 32 = 0)
) WITH (fillfactor = 10);
INSERT INTO audit_tree_state (size, seq, horizon, log, open_tiles) VALUES (0, -1, '0', 1, '');
CREATE FUNCTION tree_only_grows() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.log = OLD.log AND NEW.size >= OLD.size AND NEW.seq = OLD.seq + 1 THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION '% only grows: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'MD009';
END $$;
CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON audit_tree_state FOR EACH ROW EXECUTE FUNCTION tree_only_grows();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit_tree_state FOR EACH STATEMENT EXECUTE FUNCTION append_only();
ALTER TABLE audit_tree_state ENABLE ALWAYS TRIGGER only_grows, ENABLE ALWAYS TRIGGER refuse_truncate;
GRANT SELECT, UPDATE (size, seq, horizon, open_tiles) ON audit_tree_state TO :"app";
