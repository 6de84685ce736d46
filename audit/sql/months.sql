-- Months, written so that they may run with more rights than their caller has: nothing is looked up where the owner of the
-- tables could lay something of the same name. These replace the first ones of base.sql. Once the log is sealed
-- (deploy/guard.sql) make_months and drop_month belong to the role mandate_guard and are the only way to a partition.
-- Errors: MD010 this month may not be dropped. What else drop_month asks now is in retention/sql/drop_month.sql, which replaces it.

CREATE OR REPLACE FUNCTION mandate_now() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  -- INVARIANT: whoever may only set a setting moves no clock; the owner's row must be there too
  IF current_setting('mandate.demo', true) = 'on' AND EXISTS (SELECT FROM public.demo_installation) THEN
    RETURN clock_timestamp() + coalesce(nullif(current_setting('mandate.clock_offset', true), '')::interval, interval '0');
  END IF;
  RETURN clock_timestamp();
END $$;

CREATE OR REPLACE FUNCTION make_month(p_parent text, p_month date, p_fillfactor int) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  child text := p_parent || to_char(p_month, '_YYYYMM');
  low uuid := public.uuid7_floor(date_trunc('month', p_month)::timestamp AT TIME ZONE 'UTC');
  high uuid := public.uuid7_floor((date_trunc('month', p_month) + interval '1 month')::timestamp AT TIME ZONE 'UTC');
  parent regclass := format('public.%I', p_parent)::regclass;
  key text;
  guard record;
BEGIN
  IF to_regclass(format('public.%I', child)) IS NOT NULL THEN
    RETURN false;
  END IF;
  SELECT attname INTO STRICT key FROM pg_partitioned_table JOIN pg_attribute ON attrelid = partrelid AND attnum = partattrs[0] WHERE partrelid = parent;
  -- LIKE, CHECK and ATTACH hold up no insert; PARTITION OF would
  EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE INCLUDING COMPRESSION) WITH (fillfactor = %s)',
                 child, p_parent, p_fillfactor);
  EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT month CHECK (%I >= %L AND %I < %L)', child, key, low, key, high);
  EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', p_parent, child, low, high);
  EXECUTE format('ALTER TABLE public.%I DROP CONSTRAINT month', child);
  FOR guard IN SELECT tgname, tgtype, tgenabled, proname FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid WHERE tgrelid = parent AND NOT tgisinternal LOOP
    IF guard.tgtype & 1 = 0 THEN  -- ATTACH copies row triggers only
      EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON public.%I FOR EACH STATEMENT EXECUTE FUNCTION public.%I()', guard.tgname, child, guard.proname);
    END IF;
    IF guard.tgenabled = 'A' THEN
      EXECUTE format('ALTER TABLE public.%I ENABLE ALWAYS TRIGGER %I', child, guard.tgname);
    END IF;
  END LOOP;
  -- whoever made it, it belongs to whom its parent belongs to
  EXECUTE format('ALTER TABLE public.%I OWNER TO %I', child, (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = parent));
  RETURN true;
END $$;

-- The current month and p_ahead more, of every registered table, in a demo also the month before; how many were made. The application
-- may call it (start-up, a daily job) although it may create nothing itself.
CREATE OR REPLACE FUNCTION make_months(p_ahead int DEFAULT 3) RETURNS int LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  parent record;
  first date := date_trunc('month', public.mandate_now() AT TIME ZONE 'UTC')::date;
  behind int := CASE WHEN EXISTS (SELECT FROM public.demo_installation) THEN 1 ELSE 0 END;
  made int := 0;
BEGIN
  IF p_ahead NOT BETWEEN 0 AND 24 THEN
    RAISE EXCEPTION 'between 0 and 24 months can be made ahead, not %', p_ahead;
  END IF;
  PERFORM pg_advisory_xact_lock(7001, 2);
  FOR parent IN SELECT name, fillfactor FROM public.partitioned_table ORDER BY name LOOP
    FOR step IN -behind..p_ahead LOOP
      made := made + public.make_month(parent.name, (first + make_interval(months => step))::date, parent.fillfactor)::int;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;

-- Drops one month that is over; false when it is not there. The log's own months only when six more are over, every entry in them
-- has its leaf, and this very transaction has appended `log.pruned` before. Waits two seconds for appends at most (55P03).
CREATE FUNCTION drop_month(p_parent text, p_month date) RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  child text := p_parent || to_char(p_month, '_YYYYMM');
  over timestamptz := (date_trunc('month', p_month) + interval '1 month')::timestamp AT TIME ZONE 'UTC';
  outside bigint := 0;
BEGIN
  IF NOT EXISTS (SELECT FROM public.partitioned_table WHERE name = p_parent) OR to_regclass(format('public.%I', child)) IS NULL THEN
    RETURN false;
  END IF;
  IF over > clock_timestamp() - make_interval(months => (CASE p_parent WHEN 'audit_entry' THEN 6 ELSE 0 END)) THEN
    RAISE EXCEPTION '%: this month is too young to be dropped', child USING ERRCODE = 'MD010';
  END IF;
  PERFORM set_config('lock_timeout', '2s', true);
  EXECUTE format('LOCK TABLE public.%I IN ACCESS EXCLUSIVE MODE', p_parent);
  IF p_parent = 'audit_entry' THEN
    EXECUTE format('SELECT count(*) FROM public.%I e WHERE NOT EXISTS (SELECT FROM public.audit_leaf l WHERE l.entry = e.id)', child) INTO outside;
    IF outside > 0 THEN
      RAISE EXCEPTION '%: % entries have no place in the tree', child, outside USING ERRCODE = 'MD010';
    END IF;
    -- INVARIANT: what is taken away is said first, in the same transaction
    IF NOT EXISTS (SELECT FROM public.audit_entry WHERE xid = pg_current_xact_id() AND kind = 'log.pruned') THEN
      RAISE EXCEPTION '%: append log.pruned first', child USING ERRCODE = 'MD010';
    END IF;
  END IF;
  EXECUTE format('DROP TABLE public.%I', child);
  RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION drop_month(text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_month(text, date) TO :"app";
