-- Leases, and what is done about calls that nobody carries any more.

-- True: the lease stands (a lease that ran out but that nobody buried revives). False: buried; take a new id, drop every call.
CREATE FUNCTION renew(p_worker uuid, p_host text, p_pid int, p_kind text, p_ttl interval) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  at timestamptz := mandate_now();
BEGIN
  UPDATE routing_worker_lease SET expires_at = at + p_ttl WHERE worker = p_worker AND lost_at IS NULL;
  IF NOT FOUND THEN
    INSERT INTO routing_worker_lease (worker, started_at, expires_at, pid, kind, host) VALUES (p_worker, at, at + p_ttl, p_pid, p_kind, p_host)
    ON CONFLICT (worker) DO NOTHING;
  END IF;
  RETURN FOUND;
END $$;

-- A worker that ends well says so; its calls, if any are left, are swept at once.
CREATE FUNCTION give_up(p_worker uuid) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  UPDATE routing_worker_lease SET lost_at = mandate_now() WHERE worker = p_worker AND lost_at IS NULL;
  RETURN FOUND;
END $$;

-- The only place where a worker is declared lost by time. None within one ttl of the server's own start: while it was
-- away nobody could renew.
CREATE FUNCTION bury(p_ttl interval) RETURNS uuid[] LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  lost uuid[];
  at timestamptz := mandate_now();
BEGIN
  IF pg_postmaster_start_time() > clock_timestamp() - p_ttl THEN
    RETURN '{}';
  END IF;
  WITH dead AS (
    SELECT worker FROM routing_worker_lease WHERE lost_at IS NULL AND expires_at < at ORDER BY worker FOR NO KEY UPDATE SKIP LOCKED
  ), buried AS (
    UPDATE routing_worker_lease l SET lost_at = at FROM dead WHERE l.worker = dead.worker RETURNING l.worker
  )
  SELECT coalesce(array_agg(worker), '{}') INTO lost FROM buried;
  RETURN lost;
END $$;

-- Open calls that need somebody: without a worker, with a lost one, or past their deadline. The process judges.
-- That somebody looked is written down every few seconds, for readiness.
CREATE FUNCTION sweep_find(p_grace interval, p_limit int)
RETURNS TABLE (call uuid, tenant text, state text, worker uuid, lost boolean, overdue interval, cancelled boolean, relayed boolean, lost_retries smallint,
               waiting interval, stream boolean, reply_to uuid, dialect text, open_nos smallint[], open_states text[])
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  at timestamptz := mandate_now();
BEGIN
  UPDATE routing_swept SET swept_at = clock_timestamp() WHERE swept_at < clock_timestamp() - interval '3 seconds';
  -- a demo that makes its history holds this lock: its calls live in another time
  IF NOT pg_try_advisory_xact_lock_shared(7001, 4) THEN
    RETURN;
  END IF;
  RETURN QUERY
    SELECT c.id, c.tenant, c.state, c.worker, l.lost, at - c.deadline_at, c.cancel_at IS NOT NULL, c.relayed, c.lost_retries,
           at - c.moved_at, c.stream, c.reply_to, c.dialect, coalesce(o.nos, '{}'), coalesce(o.states, '{}')
      FROM routing_call c
      CROSS JOIN LATERAL (SELECT c.worker IS NOT NULL AND NOT EXISTS (
                            SELECT FROM routing_worker_lease w WHERE w.worker = c.worker AND w.lost_at IS NULL) AS lost) l
      LEFT JOIN LATERAL (SELECT array_agg(a.no ORDER BY a.no) AS nos, array_agg(a.state ORDER BY a.no) AS states
                           FROM routing_attempt a WHERE a.call = c.id AND a.state IN ('reserved', 'started')) o ON true
     WHERE c.finished_at IS NULL AND c.state <> 'held' AND (c.worker IS NULL OR l.lost OR at >= c.deadline_at + p_grace)
     ORDER BY c.id LIMIT p_limit;
END $$;

-- Carries out one judgement: 'again' back to the queue, or the call's end. Everything it rests on is checked again under
-- the row lock; a row that somebody else holds is left to them.
CREATE FUNCTION sweep_call(p routing_ending, p_grace interval, p_no smallint[], p_becomes text[], p_entry_id uuid[], p_entry_body bytea[], p_entry routing_entry,
                           OUT answer text, OUT state text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  c record;
  m record;
  held bigint[];
  held_nano bigint;
  at timestamptz := mandate_now();
  lost boolean;
  late boolean;
  allowed boolean;
BEGIN
  IF p.state NOT IN ('again', 'failed', 'cancelled') THEN
    RAISE EXCEPTION 'the sweep does not answer %', p.state USING ERRCODE = 'MD003';
  END IF;
  PERFORM first_write();
  SELECT r.state, r.worker, r.tenant, r.deadline_at, r.cancel_at, r.relayed, r.lost_retries INTO c
    FROM routing_call r WHERE r.id = p.call FOR NO KEY UPDATE SKIP LOCKED;
  lost := c.worker IS NOT NULL AND NOT EXISTS (SELECT FROM routing_worker_lease l WHERE l.worker = c.worker AND l.lost_at IS NULL);
  late := at >= c.deadline_at + p_grace;
  allowed := c.state IN ('admitted', 'running') AND c.worker IS NOT DISTINCT FROM p.worker AND CASE p.state
    WHEN 'again' THEN lost AND NOT late AND NOT c.relayed AND c.cancel_at IS NULL AND (c.lost_retries > 0 OR cardinality(p_no) = 0)
    WHEN 'failed' THEN lost OR late
    ELSE c.cancel_at IS NOT NULL AND (lost OR late OR c.worker IS NULL) END;
  allowed := allowed AND p_no = (SELECT coalesce(array_agg(a.no ORDER BY a.no), '{}') FROM routing_attempt a
                                  WHERE a.call = p.call AND a.state IN ('reserved', 'started'));
  IF allowed IS NOT TRUE THEN
    answer := CASE WHEN coalesce(entry_seen(p_entry.id), false) OR coalesce(entry_seen(p_entry_id[1]), false) THEN p.state ELSE 'moved' END;
    state := c.state;
    RETURN;
  END IF;
  FOR k IN 1..cardinality(p_no) LOOP
    SELECT * INTO m FROM attempt_end(p.call, ROW(0, p_no[k], CASE p_becomes[k] WHEN 'voided' THEN 'reserved' ELSE 'started' END, p_becomes[k],
                                                 CASE p_becomes[k] WHEN 'voided' THEN 'none' ELSE '' END,
                                                 CASE p_becomes[k] WHEN 'voided' THEN '' ELSE 'worker_lost' END, NULL, NULL, NULL, NULL, NULL)::routing_settlement, at);
    IF NOT m.moved OR (p_becomes[k] = 'voided' AND held IS NOT NULL) THEN
      RAISE EXCEPTION 'attempt % of call % cannot become %', p_no[k], p.call, p_becomes[k] USING ERRCODE = 'MD003';
    END IF;
    PERFORM audit_append(p_entry_id[k], 'attempt.' || p_becomes[k], p.call, c.tenant, p_entry_body[k]);
    IF p_becomes[k] = 'voided' THEN
      held := m.windows;
      held_nano := m.held_nano;
    END IF;
  END LOOP;
  IF p.state = 'again' THEN
    UPDATE routing_call r SET worker = NULL, moved_at = at, lost_retries = r.lost_retries - (cardinality(p_no) > 0)::int WHERE r.id = p.call;
  ELSE
    PERFORM audit_append(p_entry.id, 'call.' || p.state, p.call, c.tenant, p_entry.body);
    UPDATE routing_call r
       SET state = p.state, code = p.code, finished_at = at,
           cost_nano = (SELECT coalesce(sum(a.posted_nano + a.overrun_nano), 0) FROM routing_attempt a WHERE a.call = p.call)
     WHERE r.id = p.call;
  END IF;
  IF held IS NOT NULL THEN
    PERFORM ledger_settle(held, held_nano, 0, 0);
  END IF;
  answer := p.state;
  state := CASE p.state WHEN 'again' THEN c.state ELSE p.state END;
END $$;

-- What a worker asks twice a second: has the policy moved, is any of its calls to be cancelled?
CREATE FUNCTION running_calls(p_worker uuid, OUT revision bigint, OUT stop_epoch bigint, OUT cancelled uuid[])
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  SELECT c.revision, c.stop_epoch INTO revision, stop_epoch FROM policies_control c WHERE c.id = 1;
  SELECT coalesce(array_agg(c.id), '{}') INTO cancelled FROM routing_call c
   WHERE c.finished_at IS NULL AND c.worker = p_worker AND c.cancel_at IS NOT NULL;
END $$;

-- Attempts that have been unknown for long, oldest first.
CREATE FUNCTION reconcile_find(p_age interval, p_limit int)
RETURNS TABLE (call uuid, tenant text, no smallint, reserved_nano bigint, unknown_at timestamptz) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  before timestamptz := mandate_now() - p_age;
BEGIN
  RETURN QUERY
    SELECT a.call, c.tenant, a.no, a.reserved_nano, a.unknown_at FROM routing_attempt a JOIN routing_call c ON c.id = a.call
     WHERE a.unknown_at IS NOT NULL AND a.unknown_at < before ORDER BY a.unknown_at LIMIT p_limit;
END $$;

CREATE FUNCTION idempotency_expire(p_limit int) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  gone int;
BEGIN
  DELETE FROM routing_idempotency WHERE (key, hash) IN (
    SELECT key, hash FROM routing_idempotency WHERE expires_at < mandate_now() ORDER BY expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END $$;
