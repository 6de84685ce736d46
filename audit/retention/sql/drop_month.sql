-- Takes away one month that is over; false when it is not there. Of the log itself the entries of calls and sign-ins go, the acts stay in
-- their places, and leaves, tiles and checkpoints are not touched: every proof stays valid. Asked here, whatever the caller thinks:
-- age, legal holds, a signed place for each entry, entry bundles that show it, and `log.pruned` in this very transaction. Waits two seconds for appends (55P03).
CREATE OR REPLACE FUNCTION drop_month(p_parent text, p_month date) RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  child text := p_parent || to_char(p_month, '_YYYYMM');
  first timestamptz := date_trunc('month', p_month)::timestamp AT TIME ZONE 'UTC';
  over timestamptz := (date_trunc('month', p_month) + interval '1 month')::timestamp AT TIME ZONE 'UTC';
  least_months int := CASE p_parent WHEN 'vault_content' THEN 0 ELSE 6 END;
  fill smallint := (SELECT t.fillfactor FROM public.partitioned_table t WHERE t.name = p_parent);
  hold record;
  found record;
  still bigint;
BEGIN
  IF fill IS NULL OR to_regclass(format('public.%I', child)) IS NULL THEN
    RETURN false;
  END IF;
  IF over > clock_timestamp() - make_interval(months => least_months) THEN
    RAISE EXCEPTION '%: this month is too young to be dropped', child USING ERRCODE = 'MD010';
  END IF;
  PERFORM pg_advisory_xact_lock(7001, 4);
  -- INVARIANT: what is on legal hold stays, whoever asks; a call holds its own month, anything else every month
  SELECT h.id, h.kind, h.name INTO hold FROM public.audit_hold h
   WHERE h.lifted_at IS NULL AND (h.call IS NULL OR h.call >= public.uuid7_floor(first) AND h.call < public.uuid7_floor(over)) ORDER BY h.set_at LIMIT 1;
  IF hold.id IS NOT NULL THEN
    RAISE EXCEPTION '%: the legal hold % stands (% %)', child, hold.id, hold.kind, hold.name USING ERRCODE = 'MD012';
  END IF;
  IF p_parent = 'audit_entry' THEN
    found := public.month_of_log(p_month);
    -- INVARIANT: nothing goes that the signed tree does not hold
    IF found.outside > 0 THEN
      RAISE EXCEPTION '%: % entries have no signed place in the tree', child, found.outside USING ERRCODE = 'MD010';
    END IF;
    -- INVARIANT: nothing goes that is not published, entry bundles and all: who holds the folder can still read and check it
    IF found.minimum > (SELECT coalesce(max(p.size), 0) FROM public.audit_publication p WHERE p.log = 1) THEN
      RAISE EXCEPTION '%: its entries reach up to index %, and are not all in the published entry bundles', child, found.minimum - 1 USING ERRCODE = 'MD010';
    END IF;
    -- INVARIANT: what is taken away is said first, in the same transaction, and exactly
    IF NOT EXISTS (SELECT FROM (SELECT convert_from(e.body, 'UTF8')::json -> 'data' AS said FROM public.audit_entry e
                                 WHERE e.xid = pg_current_xact_id() AND e.kind = 'log.pruned') entry
                    WHERE said ->> 'month' = to_char(p_month, 'YYYY-MM') AND said ->> 'minimumIndex' = found.minimum::text
                      AND said ->> 'kept' = found.stays::text AND said ->> 'keptDigest' = found.kept_digest) THEN
      RAISE EXCEPTION '%: append a log.pruned first that says exactly what goes', child USING ERRCODE = 'MD010';
    END IF;
  END IF;
  PERFORM set_config('lock_timeout', '2s', true);
  EXECUTE format('LOCK TABLE public.%I IN ACCESS EXCLUSIVE MODE', p_parent);
  IF p_parent <> 'audit_entry' THEN
    EXECUTE format('DROP TABLE public.%I', child);
    RETURN true;
  END IF;
  EXECUTE format('SELECT count(*) FROM public.%I', child) INTO still;
  IF still <> found.goes + found.stays THEN
    RAISE EXCEPTION '%: entries came in meanwhile', child USING ERRCODE = 'MD010';
  END IF;
  EXECUTE format('ALTER TABLE public.audit_entry DETACH PARTITION public.%I', child);
  EXECUTE format('ALTER TABLE public.%I RENAME TO %I', child, child || '_old');
  PERFORM public.make_month(p_parent, p_month, fill);
  EXECUTE format($q$INSERT INTO public.audit_entry (id, call, xid, recorded_at, log, kind, tenant, body)
                    SELECT id, call, xid, recorded_at, log, kind, tenant, body FROM public.%I
                     WHERE call IS NULL AND kind NOT LIKE 'signin.%%' ORDER BY xid, id$q$, child || '_old');
  EXECUTE format('DROP TABLE public.%I', child || '_old');
  RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION drop_month(text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_month(text, date) TO :"app";
