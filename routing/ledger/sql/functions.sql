-- Money. Every function takes the windows as the process read them, sorted by (rank, id), and updates them one
-- statement at a time in that order, after everything else in its transaction. Error: MD002 the race for headroom is lost.

-- Makes the windows that are not there yet. Its commit is not awaited: the admission that uses them flushes it.
CREATE FUNCTION open_windows(p_tenant text[], p_budget text[], p_subject text[], p_starts timestamptz[], p_ends timestamptz[], p_rank smallint[])
RETURNS TABLE (place bigint, id bigint, rank smallint) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  w record;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  FOR w IN SELECT * FROM unnest(p_tenant, p_budget, p_subject, p_starts, p_ends, p_rank) AS t (tenant, budget, subject, starts, ends, rank)
            ORDER BY t.rank, t.tenant, t.budget, t.subject, t.starts, t.ends LOOP
    INSERT INTO routing_ledger_window (tenant, budget, subject, starts, ends, rank)
    VALUES (w.tenant, w.budget, w.subject, w.starts, w.ends, w.rank)
    ON CONFLICT ON CONSTRAINT routing_ledger_window_once DO NOTHING;
  END LOOP;
  RETURN QUERY
    SELECT t.place, l.id, l.rank
      FROM unnest(p_tenant, p_budget, p_subject, p_starts, p_ends) WITH ORDINALITY AS t (tenant, budget, subject, starts, ends, place)
      JOIN routing_ledger_window l USING (tenant, budget, subject, starts, ends);
END $$;

-- A look without a lock, so that a refusal writes nothing. `within`: every window is there and holds the moment.
-- What p_old_nano holds in p_old counts as left: it is about to be replaced.
CREATE FUNCTION ledger_headroom(p_windows bigint[], p_limits bigint[], p_hard boolean[], p_amount_nano bigint, p_moment timestamptz,
                                p_old bigint[], p_old_nano bigint, OUT within boolean, OUT fits boolean, OUT left_nano bigint[])
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  SELECT count(*) = cardinality(p_windows) AND bool_and(p_moment >= w.starts AND p_moment < w.ends),
         bool_and(NOT t.hard OR t.most - w.posted_nano - w.pending_nano - w.overrun_nano + h.held >= p_amount_nano),
         array_agg(t.most - w.posted_nano - w.pending_nano - w.overrun_nano + h.held ORDER BY t.place)
    INTO within, fits, left_nano
    FROM unnest(p_windows, p_limits, p_hard) WITH ORDINALITY AS t (id, most, hard, place)
    JOIN routing_ledger_window w ON w.id = t.id
    CROSS JOIN LATERAL (SELECT CASE WHEN t.id = ANY (p_old) THEN p_old_nano ELSE 0 END AS held) h;
END $$;

-- Takes the amount from every window or, by MD002, from none. The limit is the one of the highest revision seen.
CREATE FUNCTION ledger_reserve(p_windows bigint[], p_limits bigint[], p_hard boolean[], p_amount_nano bigint, p_revision bigint)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  FOR k IN 1..coalesce(cardinality(p_windows), 0) LOOP
    UPDATE routing_ledger_window
       SET pending_nano = pending_nano + p_amount_nano,
           limit_nano = CASE WHEN p_revision >= limit_revision THEN p_limits[k] ELSE limit_nano END,
           hard = CASE WHEN p_revision >= limit_revision THEN p_hard[k] ELSE hard END,
           limit_revision = greatest(p_revision, limit_revision)
     WHERE id = p_windows[k]
       AND (NOT CASE WHEN p_revision >= limit_revision THEN p_hard[k] ELSE hard END
            OR posted_nano + pending_nano + overrun_nano + p_amount_nano
               <= CASE WHEN p_revision >= limit_revision THEN p_limits[k] ELSE limit_nano END);
    IF NOT FOUND THEN
      RAISE EXCEPTION 'no headroom' USING ERRCODE = 'MD002';
    END IF;
  END LOOP;
END $$;

-- Replaces one reservation by another, in one pass over both sets of windows. What shrinks is never refused.
CREATE FUNCTION ledger_reprice(p_old bigint[], p_old_nano bigint, p_windows bigint[], p_limits bigint[], p_hard boolean[],
                               p_amount_nano bigint, p_revision bigint)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  w record;
BEGIN
  FOR w IN SELECT l.id, t.most, t.hard,
                  CASE WHEN t.id IS NULL THEN 0 ELSE p_amount_nano END - CASE WHEN l.id = ANY (p_old) THEN p_old_nano ELSE 0 END AS change
             FROM routing_ledger_window l
             LEFT JOIN unnest(p_windows, p_limits, p_hard) AS t (id, most, hard) ON t.id = l.id
            WHERE l.id = ANY (p_old || p_windows)
            ORDER BY l.rank, l.id LOOP
    UPDATE routing_ledger_window
       SET pending_nano = pending_nano + w.change,
           limit_nano = CASE WHEN w.most IS NOT NULL AND p_revision >= limit_revision THEN w.most ELSE limit_nano END,
           hard = CASE WHEN w.most IS NOT NULL AND p_revision >= limit_revision THEN w.hard ELSE hard END,
           limit_revision = CASE WHEN w.most IS NOT NULL THEN greatest(p_revision, limit_revision) ELSE limit_revision END
     WHERE id = w.id
       AND (w.change <= 0
            OR NOT CASE WHEN p_revision >= limit_revision THEN w.hard ELSE hard END
            OR posted_nano + pending_nano + overrun_nano + w.change
               <= CASE WHEN p_revision >= limit_revision THEN w.most ELSE limit_nano END);
    IF NOT FOUND THEN
      RAISE EXCEPTION 'no headroom' USING ERRCODE = 'MD002';
    END IF;
  END LOOP;
END $$;

CREATE FUNCTION ledger_post(p_call uuid, p_attempt smallint, p_kind text, p_basis text, p_posted_nano bigint, p_overrun_nano bigint, p_at timestamptz)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  INSERT INTO routing_posting (call, posted_at, posted_nano, overrun_nano, attempt, kind, basis)
  VALUES (p_call, p_at, p_posted_nano, p_overrun_nano, p_attempt, p_kind, p_basis);
END $$;

-- Gives back what was held and books what was used, in the windows stored with the attempt: never recomputed.
-- Returns the least that any hard one of them has left, null where none is hard.
CREATE FUNCTION ledger_settle(p_windows bigint[], p_held_nano bigint, p_posted_nano bigint, p_overrun_nano bigint)
RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  one bigint;
  left_nano bigint;
BEGIN
  FOR k IN 1..coalesce(cardinality(p_windows), 0) LOOP
    UPDATE routing_ledger_window
       SET pending_nano = pending_nano - p_held_nano, posted_nano = posted_nano + p_posted_nano, overrun_nano = overrun_nano + p_overrun_nano
     WHERE id = p_windows[k]
    RETURNING CASE WHEN hard THEN limit_nano - posted_nano - pending_nano - overrun_nano END INTO one;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'window % is gone', p_windows[k] USING ERRCODE = 'MD003';
    END IF;
    left_nano := least(left_nano, one);
  END LOOP;
  RETURN left_nano;
END $$;
