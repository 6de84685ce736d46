-- Ground for every app: the clock, months, the rule of the first write, and the refusal of changes.
-- Errors: MD001 a lock or a row was asked for too late in a transaction; MD009 the table is append-only.

-- One row where this installation was created as a demo, which may live in another time. Only the owner can say so, and
-- only before the first entry; the log's origin says it too.
CREATE TABLE demo_installation (one boolean PRIMARY KEY DEFAULT true CHECK (one), since timestamptz NOT NULL DEFAULT clock_timestamp());
GRANT SELECT ON demo_installation TO :"app";

CREATE FUNCTION become_demo() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  INSERT INTO demo_installation SELECT WHERE NOT EXISTS (SELECT FROM audit_entry) ON CONFLICT DO NOTHING;
  RETURN EXISTS (SELECT FROM demo_installation);
END $$;
REVOKE EXECUTE ON FUNCTION become_demo() FROM PUBLIC;

CREATE FUNCTION mandate_now() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  -- INVARIANT: whoever may only set a setting moves no clock; the owner's row must be there too
  IF current_setting('mandate.demo', true) = 'on' AND EXISTS (SELECT FROM demo_installation) THEN
    RETURN clock_timestamp() + coalesce(nullif(current_setting('mandate.clock_offset', true), '')::interval, interval '0');
  END IF;
  RETURN clock_timestamp();
END $$;

-- The least UUIDv7 of a millisecond: 48 bits of time, then zeros. It bounds months; it is no id.
CREATE FUNCTION uuid7_floor(p_moment timestamptz) RETURNS uuid LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN (lpad(to_hex(floor(extract(epoch FROM p_moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
END $$;

-- A transaction that must wait for a row before its id is given out calls this first.
CREATE FUNCTION first_write() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
    RAISE EXCEPTION 'this transaction has written already' USING ERRCODE = 'MD001';
  END IF;
END $$;

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'MD009';
END $$;

-- Guards a table, or a partitioned parent; make_month guards its partitions alike.
CREATE FUNCTION make_append_only(p_table text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION append_only()', p_table);
  EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION append_only()', p_table);
  -- ALWAYS: session_replication_role = replica does not switch it off
  EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER refuse_change, ENABLE ALWAYS TRIGGER refuse_truncate', p_table);
END $$;

-- Every table that is partitioned by month on a UUIDv7. An app adds its parents in its first migration.
CREATE TABLE partitioned_table (name text PRIMARY KEY, fillfactor smallint NOT NULL CHECK (fillfactor BETWEEN 10 AND 100));
GRANT SELECT ON partitioned_table TO :"app";

-- Makes one month of one table; nothing when it is there. LIKE, CHECK and ATTACH hold up no insert; PARTITION OF would.
CREATE FUNCTION make_month(p_parent text, p_month date, p_fillfactor int) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  child text := p_parent || to_char(p_month, '_YYYYMM');
  low uuid := uuid7_floor(date_trunc('month', p_month)::timestamp AT TIME ZONE 'UTC');
  high uuid := uuid7_floor((date_trunc('month', p_month) + interval '1 month')::timestamp AT TIME ZONE 'UTC');
  key text;
  guard record;
BEGIN
  IF to_regclass(format('%I', child)) IS NOT NULL THEN
    RETURN false;
  END IF;
  SELECT attname INTO STRICT key FROM pg_partitioned_table JOIN pg_attribute ON attrelid = partrelid AND attnum = partattrs[0]
   WHERE partrelid = format('%I', p_parent)::regclass;
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE INCLUDING COMPRESSION) WITH (fillfactor = %s)',
                 child, p_parent, p_fillfactor);
  EXECUTE format('ALTER TABLE %I ADD CONSTRAINT month CHECK (%I >= %L AND %I < %L)', child, key, low, key, high);
  EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', p_parent, child, low, high);
  EXECUTE format('ALTER TABLE %I DROP CONSTRAINT month', child);
  FOR guard IN SELECT tgname, tgtype, tgenabled, tgfoid::regproc AS body FROM pg_trigger
                WHERE tgrelid = format('%I', p_parent)::regclass AND NOT tgisinternal LOOP
    IF guard.tgtype & 1 = 0 THEN  -- ATTACH copies row triggers only
      EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION %s()', guard.tgname, child, guard.body);
    END IF;
    IF guard.tgenabled = 'A' THEN
      EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', child, guard.tgname);
    END IF;
  END LOOP;
  RETURN true;
END $$;

-- The current month and p_ahead more, of every registered table, in a demo also the month before; how many were made. The application may call it
-- (start-up, a daily job) although it may create nothing itself: hence SECURITY DEFINER and a fixed search_path.
CREATE FUNCTION make_months(p_ahead int DEFAULT 3) RETURNS int LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  parent record;
  first date := date_trunc('month', mandate_now() AT TIME ZONE 'UTC')::date;
  behind int := CASE WHEN EXISTS (SELECT FROM demo_installation) THEN 1 ELSE 0 END;
  made int := 0;
BEGIN
  IF p_ahead NOT BETWEEN 0 AND 24 THEN
    RAISE EXCEPTION 'between 0 and 24 months can be made ahead, not %', p_ahead;
  END IF;
  PERFORM pg_advisory_xact_lock(7001, 2);
  FOR parent IN SELECT name, fillfactor FROM partitioned_table ORDER BY name LOOP
    FOR step IN -behind..p_ahead LOOP
      made := made + make_month(parent.name, (first + make_interval(months => step))::date, parent.fillfactor)::int;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;
REVOKE EXECUTE ON FUNCTION make_months(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_months(int) TO :"app";

-- How many months after the current one every registered table has; below two, readiness should fail.
CREATE FUNCTION months_ahead() RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  first date := date_trunc('month', mandate_now() AT TIME ZONE 'UTC')::date;
  ahead int := -1;
BEGIN
  WHILE ahead < 24 AND NOT EXISTS (
    SELECT FROM partitioned_table
     WHERE to_regclass(format('%I', name || to_char(first + make_interval(months => ahead + 1), '_YYYYMM'))) IS NULL
  ) LOOP
    ahead := ahead + 1;
  END LOOP;
  RETURN ahead;
END $$;
