-- What keeps even the owner of the tables from changing the log's: event triggers, in a schema of a superuser's own. Run it in
-- Mandate's database as a superuser (roles.sql does, `make up` does); it may run again at any time:
--   psql -d mandate -f deploy/guard.sql
-- Unsealed it lets everything pass. `manage.py seal`, after each `migrate`, seals: from then on a statement that changes a
-- table, partition, trigger, rule, policy, grant or function of the log is refused, whoever runs it. Before an upgrade that
-- changes them a superuser says why: SELECT mandate_guard.unseal('upgrade to 1.4');  both make an entry.
-- Error MD011: the log is sealed.

BEGIN;
DROP EVENT TRIGGER IF EXISTS mandate_guard_watch;
DROP EVENT TRIGGER IF EXISTS mandate_guard_rewrite;

DO $$ BEGIN
  -- makes and drops the log's partitions, in two functions; nobody can become it
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'mandate_guard') THEN
    CREATE ROLE mandate_guard NOLOGIN;
  END IF;
END $$;
GRANT mandate_owner TO mandate_guard;
CREATE SCHEMA IF NOT EXISTS mandate_guard;
GRANT USAGE ON SCHEMA mandate_guard TO PUBLIC;

CREATE TABLE IF NOT EXISTS mandate_guard.seal (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  sealed_at timestamptz,
  print bytea,
  reason text NOT NULL DEFAULT 'not sealed yet'
);
INSERT INTO mandate_guard.seal DEFAULT VALUES ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS mandate_guard.guarded_table (name text PRIMARY KEY);
GRANT SELECT ON mandate_guard.seal, mandate_guard.guarded_table TO PUBLIC;
GRANT UPDATE (print) ON mandate_guard.seal TO mandate_guard;

-- A later version of this file may take the print of more: what was whole under the one before is printed anew at the end.
DO $$
DECLARE
  whole boolean;
BEGIN
  IF to_regprocedure('mandate_guard.print()') IS NOT NULL THEN
    SELECT print = mandate_guard.print() INTO whole FROM mandate_guard.seal;
  END IF;
  PERFORM set_config('mandate_guard.whole', CASE WHEN whole THEN 'yes' ELSE 'no' END, true);
END $$;

-- The guarded tables and their partitions.
CREATE OR REPLACE FUNCTION mandate_guard.relations() RETURNS SETOF oid LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    SELECT c.oid FROM pg_class c JOIN mandate_guard.guarded_table g ON g.name = c.relname WHERE c.relnamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'public')
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent JOIN mandate_guard.guarded_table g ON g.name = c.relname
     WHERE c.relnamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'public');
END $$;

-- One digest of everything that says what may be done to the log: what the catalogue holds about these tables, and the functions.
CREATE OR REPLACE FUNCTION mandate_guard.print() RETURNS bytea LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  those oid[] := ARRAY(SELECT mandate_guard.relations());
  functions text[] := ARRAY['append_only', 'tree_only_grows', 'audit_append', 'entry_seen', 'act_first', 'mandate_now', 'uuid7_floor', 'first_write',
                            'make_month', 'make_months', 'drop_month', 'month_of_log', 'make_append_only', 'entries_here', 'document_needs_entry',
                            'bundle_needs_entry'];
  found text;
BEGIN
  SELECT string_agg(line, E'\n' ORDER BY line COLLATE "C") INTO found FROM (
    SELECT concat_ws(' ', 'table', oid, relname, relnamespace, relkind, relowner, relpersistence, relrowsecurity, relforcerowsecurity, relispartition, relacl, reloftype)
      FROM pg_class WHERE oid = ANY(those)
    UNION ALL
    SELECT concat_ws(' ', 'column', attrelid, attnum, attname, atttypid, atttypmod, attnotnull, attisdropped, attgenerated, attidentity, attacl)
      FROM pg_attribute WHERE attrelid = ANY(those) AND attnum > 0
    UNION ALL
    SELECT concat_ws(' ', 'default', adrelid, adnum, adbin) FROM pg_attrdef WHERE adrelid = ANY(those)
    UNION ALL
    SELECT concat_ws(' ', 'trigger', tgrelid, tgname, tgfoid, tgtype, tgenabled, tgattr, tgqual) FROM pg_trigger WHERE tgrelid = ANY(those)
    UNION ALL
    SELECT concat_ws(' ', 'rule', ev_class, rulename, ev_type, ev_enabled) FROM pg_rewrite WHERE ev_class = ANY(those)
    UNION ALL
    SELECT concat_ws(' ', 'policy', polrelid, polname, polcmd) FROM pg_policy WHERE polrelid = ANY(those)
    UNION ALL
    SELECT concat_ws(' ', 'constraint', conrelid, conname, contype, convalidated, conkey, conbin) FROM pg_constraint
     WHERE conrelid = ANY(those) OR confrelid = ANY(those)
    UNION ALL
    SELECT concat_ws(' ', 'index', indrelid, indexrelid, indisunique, indisprimary, indisvalid, indkey, indpred, indexprs) FROM pg_index WHERE indrelid = ANY(those)
    UNION ALL
    SELECT concat_ws(' ', 'child', inhparent, inhrelid) FROM pg_inherits WHERE inhparent = ANY(those)
    UNION ALL
    SELECT concat_ws(' ', 'function', oid, proname, pronargs, proowner, prolang, prosecdef, provolatile, proconfig, proacl, prosrc)
      FROM pg_proc WHERE pronamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'public') AND proname = ANY(functions)
  ) lines (line);
  RETURN sha256(convert_to(coalesce(found, ''), 'UTF8'));
END $$;

-- Runs as whoever gave the command.
CREATE OR REPLACE FUNCTION mandate_guard.watch() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  kept bytea;
  held bytea;
BEGIN
  SELECT print INTO STRICT kept FROM mandate_guard.seal;
  IF kept IS NULL THEN
    RETURN;
  END IF;
  -- a rewrite can leave the definition as it was, and every row another
  IF TG_EVENT = 'table_rewrite' AND pg_event_trigger_table_rewrite_oid() IN (SELECT mandate_guard.relations())
     OR TG_EVENT = 'ddl_command_end' AND TG_TAG = 'ALTER DEFAULT PRIVILEGES' THEN
    RAISE EXCEPTION 'the log is sealed: % is refused', TG_TAG USING ERRCODE = 'MD011',
      HINT = 'a superuser unseals it for an upgrade, with a reason that becomes an entry: SELECT mandate_guard.unseal(…)';
  END IF;
  IF TG_EVENT = 'table_rewrite' THEN
    RETURN;
  END IF;
  held := mandate_guard.print();
  IF held = kept THEN
    RETURN;
  END IF;
  -- INVARIANT: nobody can become this role; its two functions make a month and drop one
  IF current_user = 'mandate_guard' THEN
    UPDATE mandate_guard.seal SET print = held;
    RETURN;
  END IF;
  RAISE EXCEPTION 'the log is sealed: % is refused', TG_TAG USING ERRCODE = 'MD011',
    HINT = 'a superuser unseals it for an upgrade, with a reason that becomes an entry: SELECT mandate_guard.unseal(…)';
END $$;

-- Every table that has the log's triggers, and the two that say which months there are and whose clock counts.
CREATE OR REPLACE FUNCTION mandate_guard.candidates() RETURNS SETOF text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    SELECT c.relname::text FROM pg_class c
     WHERE c.relnamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'public') AND NOT c.relispartition AND (c.relname IN ('partitioned_table', 'demo_installation') OR EXISTS (
       SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgrelid = c.oid AND p.pronamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'public') AND p.proname IN ('append_only', 'tree_only_grows')));
END $$;

-- The names of guarded tables and partitions whose triggers do not stop UPDATE (16), DELETE (8) and TRUNCATE (32) always.
CREATE OR REPLACE FUNCTION mandate_guard.open_tables() RETURNS SETOF text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    SELECT c.relname::text FROM pg_class c
     WHERE c.oid IN (SELECT mandate_guard.relations()) AND c.relname NOT IN ('partitioned_table', 'demo_installation')
       AND 56 <> (SELECT coalesce(bit_or(t.tgtype::int), 0) & 56 FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
                   WHERE t.tgrelid = c.oid AND t.tgenabled = 'A' AND t.tgqual IS NULL AND p.proname IN ('append_only', 'tree_only_grows'))
     ORDER BY 1;
END $$;

-- Seals what is there: `first`, `again` after it was unsealed, or `already` (new tables of the log are taken in). Whoever migrates
-- may: it only tightens. It calls nothing that belongs to the owner, who has fewer rights than it.
CREATE OR REPLACE FUNCTION mandate_guard.seal() RETURNS text LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  before record;
  name text;
BEGIN
  SELECT * INTO STRICT before FROM mandate_guard.seal FOR UPDATE;
  IF before.print <> mandate_guard.print() THEN
    RAISE EXCEPTION 'what was sealed is not what is there' USING ERRCODE = 'MD011', HINT = 'treat the log as tampered with, run `audit verify`';
  END IF;
  INSERT INTO mandate_guard.guarded_table SELECT mandate_guard.candidates() ON CONFLICT DO NOTHING;
  IF NOT EXISTS (SELECT FROM mandate_guard.guarded_table WHERE guarded_table.name = 'audit_entry') THEN
    RAISE EXCEPTION 'there is no log to seal: run `migrate` first' USING ERRCODE = 'MD011';
  END IF;
  FOR name IN SELECT mandate_guard.open_tables() LOOP
    RAISE EXCEPTION '"%" does not refuse changes: a log without its triggers is not sealed', name USING ERRCODE = 'MD011';
  END LOOP;
  -- for the time of this, what is sealed may be changed
  UPDATE mandate_guard.seal SET print = NULL;
  FOR name IN SELECT p.oid::regprocedure::text FROM pg_proc p
               WHERE p.pronamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'public') AND p.prosecdef AND p.proname IN ('make_months', 'drop_month')
                 AND p.proowner <> 'mandate_guard'::regrole LOOP
    EXECUTE format('ALTER FUNCTION %s OWNER TO mandate_guard', name);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO mandate_owner', name);
  END LOOP;
  UPDATE mandate_guard.seal SET print = mandate_guard.print(), reason = '', sealed_at = clock_timestamp();
  RETURN CASE WHEN before.sealed_at IS NULL THEN 'first' WHEN before.print IS NULL THEN 'again' ELSE 'already' END;
END $$;
REVOKE EXECUTE ON FUNCTION mandate_guard.seal() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mandate_guard.seal() TO mandate_owner;

-- For an upgrade. Only a superuser; the entry says who and why.
CREATE OR REPLACE FUNCTION mandate_guard.unseal(p_reason text) RETURNS void LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  entry text := replace(gen_random_uuid()::text, '-', '');
  said text;
  name text;
BEGIN
  IF p_reason !~ '^[A-Za-z0-9 .,:;_()/-]{3,200}$' THEN
    RAISE EXCEPTION 'say why, in 3 to 200 plain letters, digits and marks' USING ERRCODE = 'MD011';
  END IF;
  PERFORM FROM mandate_guard.seal WHERE print IS NOT NULL FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  -- a UUIDv7 of now; the body is canonical JSON: names in order, no spaces
  entry := lpad(to_hex(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7' || substr(entry, 14, 3) || substr(entry, 17);
  said := format('{"actor":"cli:%s","at":"%s","call":null,"data":{"reason":"%s"},"id":"%s","kind":"log.unsealed","schema":1,"subject":"","tenant":""}',
                 regexp_replace(session_user, '[^A-Za-z0-9_.-]', '_', 'g'),
                 to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), p_reason, entry);
  INSERT INTO public.audit_entry (id, kind, body) VALUES (entry::uuid, 'log.unsealed', convert_to(said, 'UTF8'));
  UPDATE mandate_guard.seal SET print = NULL, reason = p_reason;
  FOR name IN SELECT p.oid::regprocedure::text FROM pg_proc p
               WHERE p.pronamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'public') AND p.proowner = 'mandate_guard'::regrole LOOP
    EXECUTE format('ALTER FUNCTION %s OWNER TO mandate_owner', name);
  END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION mandate_guard.unseal(text) FROM PUBLIC;

CREATE EVENT TRIGGER mandate_guard_watch ON ddl_command_end EXECUTE FUNCTION mandate_guard.watch();
CREATE EVENT TRIGGER mandate_guard_rewrite ON table_rewrite EXECUTE FUNCTION mandate_guard.watch();
-- ALWAYS: session_replication_role = replica does not switch them off
ALTER EVENT TRIGGER mandate_guard_watch ENABLE ALWAYS;
ALTER EVENT TRIGGER mandate_guard_rewrite ENABLE ALWAYS;

UPDATE mandate_guard.seal SET print = mandate_guard.print() WHERE current_setting('mandate_guard.whole') = 'yes';
COMMIT;
