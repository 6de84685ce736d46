-- How attempts and calls end. Every function locks the call's row before its first write, compares, and writes or not.
-- Locks, in order: order lock (shared, only where a decision ends the call), the call's row, attempt and posting, decision,
-- vault, entries, call, its review case, windows by (rank, id).

-- Moves one attempt and books it; the caller holds the call's row and settles the windows last.
CREATE FUNCTION attempt_end(p_call uuid, p routing_settlement, p_at timestamptz,
                            OUT moved boolean, OUT held_nano bigint, OUT posted_nano bigint, OUT overrun_nano bigint, OUT windows bigint[])
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  open boolean := p.becomes = 'unknown';  -- it keeps holding its money
BEGIN
  IF p.was || ' ' || p.becomes NOT IN ('started succeeded', 'started failed', 'started unknown', 'reserved voided', 'unknown reconciled') THEN
    RAISE EXCEPTION 'an attempt does not go from % to %', p.was, p.becomes USING ERRCODE = 'MD003';
  END IF;
  UPDATE routing_attempt a
     SET state = p.becomes, error_class = coalesce(p.error_class, ''), basis = coalesce(p.basis, ''),
         settled_at = CASE WHEN NOT open THEN p_at END, unknown_at = CASE WHEN open THEN p_at END,
         posted_nano = CASE WHEN open OR p.becomes = 'voided' THEN 0 ELSE least(p.amount_nano, a.reserved_nano) END,
         overrun_nano = CASE WHEN open OR p.becomes = 'voided' THEN 0 ELSE greatest(p.amount_nano - a.reserved_nano, 0) END,
         tokens_input = p.tokens_input, tokens_cached = p.tokens_cached, tokens_cache_write = p.tokens_cache_write, tokens_output = p.tokens_output,
         service_tier = coalesce(p.service_tier, '')
   WHERE a.call = p_call AND a.no = p.no AND a.state = p.was
  RETURNING CASE WHEN open THEN 0 ELSE a.reserved_nano END, a.posted_nano, a.overrun_nano, CASE WHEN open THEN '{}' ELSE a.windows END
       INTO held_nano, posted_nano, overrun_nano, windows;
  moved := FOUND;
  IF moved AND NOT open THEN
    PERFORM ledger_post(p_call, p.no, p.becomes, coalesce(p.basis, 'none'), posted_nano, overrun_nano, p_at);
  END IF;
END $$;

-- Ends one attempt while the call goes on, or long after. p_worker null: the reconciler or a person, for `unknown` only.
CREATE FUNCTION settle_attempt(p_call uuid, p_worker uuid, p routing_settlement, p_entry routing_entry, OUT answer text, OUT state text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  c record;
  m record;
BEGIN
  PERFORM first_write();
  SELECT r.worker, r.tenant, r.finished_at INTO c FROM routing_call r WHERE r.id = p_call FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    answer := 'moved';
    RETURN;
  END IF;
  IF p.was = 'unknown' OR c.worker = p_worker THEN
    SELECT * INTO m FROM attempt_end(p_call, p, mandate_now());
    IF m.moved THEN
      PERFORM audit_append(p_entry.id, 'attempt.' || p.becomes, p_call, c.tenant, p_entry.body);
      IF c.finished_at IS NOT NULL AND m.posted_nano + m.overrun_nano > 0 THEN
        UPDATE routing_call r SET cost_nano = r.cost_nano + m.posted_nano + m.overrun_nano WHERE r.id = p_call;
      END IF;
      PERFORM ledger_settle(m.windows, m.held_nano, m.posted_nano, m.overrun_nano);
      answer := 'settled';
      RETURN;
    END IF;
  END IF;
  answer := CASE WHEN entry_seen(p_entry.id) THEN 'settled' ELSE 'moved' END;
  SELECT a.state INTO state FROM routing_attempt a WHERE a.call = p_call AND a.no = p.no;
END $$;

-- Ends the call (completed, failed, cancelled) or hands it to a person (held), together with its last attempt. With a decision
-- (denied again at a start) that one is bound to what is in force, as an admission is: 'stale' writes nothing.
-- A held call is nobody's but the person's: it answers `moved` to every machine.
CREATE FUNCTION finish_call(p routing_ending, p_attempt routing_settlement, p_attempt_entry routing_entry, p_sealed routing_sealed, p_entry routing_entry,
                            p_decision routing_decided,
                            OUT answer text, OUT state text, OUT cost_nano bigint, OUT left_nano bigint, OUT revision bigint, OUT stop_epoch bigint)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  c record;
  others record;
  m record;
  at timestamptz;
  settles boolean := p_attempt.no IS NOT NULL;
  decides boolean := p_decision.no IS NOT NULL;
BEGIN
  IF p.state NOT IN ('completed', 'failed', 'cancelled', 'held') THEN
    RAISE EXCEPTION 'a call does not end as %', p.state USING ERRCODE = 'MD003';
  END IF;
  IF decides THEN
    PERFORM order_shared();
    SELECT o.revision, o.stop_epoch INTO revision, stop_epoch FROM policies_control o WHERE o.id = 1;  -- a later statement: a new snapshot
    IF (p.revision <> revision OR p.stop_epoch <> stop_epoch) AND NOT entry_seen(p_entry.id) THEN
      answer := 'stale';
      RETURN;
    END IF;
  END IF;
  PERFORM first_write();
  SELECT r.state, r.worker, r.tenant, r.cost_nano INTO c FROM routing_call r WHERE r.id = p.call FOR NO KEY UPDATE;
  IF NOT FOUND OR c.state NOT IN ('admitted', 'running') OR (c.worker IS NOT NULL AND c.worker IS DISTINCT FROM p.worker)
     OR (c.worker IS NULL AND p.state = 'completed') THEN
    answer := CASE WHEN entry_seen(p_entry.id) THEN 'finished' WHEN c.state IN ('admitted', 'running') THEN 'lost' ELSE 'moved' END;
    state := c.state;
    cost_nano := c.cost_nano;
    RETURN;
  END IF;
  SELECT bool_or(a.state IN ('reserved', 'started')) AS open, coalesce(sum(a.posted_nano + a.overrun_nano), 0) AS cost
    INTO others FROM routing_attempt a WHERE a.call = p.call AND a.no IS DISTINCT FROM p_attempt.no;
  IF others.open THEN
    answer := 'open_attempt';
    state := c.state;
    RETURN;
  END IF;
  at := mandate_now();
  cost_nano := others.cost;
  IF settles THEN
    SELECT * INTO m FROM attempt_end(p.call, p_attempt, at);
    IF NOT m.moved THEN
      answer := 'moved';
      SELECT a.state INTO state FROM routing_attempt a WHERE a.call = p.call AND a.no = p_attempt.no;
      RETURN;
    END IF;
    cost_nano := cost_nano + m.posted_nano + m.overrun_nano;
  END IF;
  IF decides THEN
    PERFORM decision_put(p.call, p_decision.no, p_decision.stage, c.tenant, p.revision, p_decision.effect, p_decision.digest, p_decision.facts);
  END IF;
  IF p_sealed.field IS NOT NULL THEN
    PERFORM vault_put(p.call, p_sealed.field, p_sealed.no, p_sealed.tenant_key, p_sealed.subject_key, p_sealed.nonce, p_sealed.ciphertext);
  END IF;
  IF settles THEN
    PERFORM audit_append(p_attempt_entry.id, 'attempt.' || p_attempt.becomes, p.call, c.tenant, p_attempt_entry.body);
  END IF;
  PERFORM audit_append(p_entry.id, 'call.' || p.state, p.call, c.tenant, p_entry.body);
  UPDATE routing_call r
     SET state = p.state, code = p.code, cost_nano = finish_call.cost_nano,
         finished_at = CASE WHEN p.state <> 'held' THEN at END,
         worker = CASE WHEN p.state <> 'held' THEN r.worker END,
         moved_at = CASE WHEN p.state = 'held' THEN at ELSE r.moved_at END
   WHERE r.id = p.call;
  IF settles THEN
    left_nano := ledger_settle(m.windows, m.held_nano, m.posted_nano, m.overrun_nano);
  END IF;
  answer := 'finished';
  state := p.state;
END $$;

-- Locks a call for what a person, or the clock of a queue, decides about it in the rest of this transaction.
CREATE FUNCTION call_lock(p_call uuid, OUT state text, OUT tenant text) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM first_write();
  SELECT r.state, r.tenant INTO state, tenant FROM routing_call r WHERE r.id = p_call FOR NO KEY UPDATE;
END $$;

-- Admitted in this transaction, and held before any model. Nobody else can have the row yet.
CREATE FUNCTION call_held_at_once(p_call uuid, p_entry routing_entry) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  place text;
BEGIN
  UPDATE routing_call r SET state = 'held' WHERE r.id = p_call AND r.state = 'admitted' AND r.worker IS NULL AND r.attempts = 0 RETURNING r.tenant INTO place;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'call % cannot be held before any model', p_call USING ERRCODE = 'MD003';
  END IF;
  PERFORM audit_append(p_entry.id, 'call.held', p_call, place, p_entry.body);
END $$;

-- A held call goes on: it waits for a worker, under a new deadline. The caller of this has the row (call_lock).
CREATE FUNCTION call_goes_on(p_call uuid, p_ttl interval, p_entry routing_entry) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  at timestamptz := mandate_now();
  place text;
BEGIN
  UPDATE routing_call r SET state = 'running', released = true, code = '', worker = NULL, deadline_at = at + p_ttl, moved_at = at
   WHERE r.id = p_call AND r.state = 'held' RETURNING r.tenant INTO place;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'call % is not held', p_call USING ERRCODE = 'MD003';
  END IF;
  PERFORM audit_append(p_entry.id, 'call.released', p_call, place, p_entry.body);
END $$;

-- A held call ends with an answer or a refusal. What a person gives out is released and completed at once: two entries.
CREATE FUNCTION call_answered(p_call uuid, p_state text, p_code text, p_sealed routing_sealed, p_released routing_entry, p_entry routing_entry)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  at timestamptz := mandate_now();
  place text;
BEGIN
  IF p_state NOT IN ('completed', 'failed') THEN
    RAISE EXCEPTION 'a held call does not end as %', p_state USING ERRCODE = 'MD003';
  END IF;
  UPDATE routing_call r
     SET state = p_state, code = p_code, finished_at = at, released = r.released OR p_state = 'completed',
         cost_nano = (SELECT coalesce(sum(a.posted_nano + a.overrun_nano), 0) FROM routing_attempt a WHERE a.call = p_call)
   WHERE r.id = p_call AND r.state = 'held' RETURNING r.tenant INTO place;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'call % is not held', p_call USING ERRCODE = 'MD003';
  END IF;
  IF p_sealed.field IS NOT NULL THEN
    PERFORM vault_put(p_call, p_sealed.field, p_sealed.no, p_sealed.tenant_key, p_sealed.subject_key, p_sealed.nonce, p_sealed.ciphertext);
  END IF;
  IF p_state = 'completed' THEN
    PERFORM audit_append(p_released.id, 'call.released', p_call, place, p_released.body);
  END IF;
  PERFORM audit_append(p_entry.id, 'call.' || p_state, p_call, place, p_entry.body);
END $$;

-- Cancels what no worker has; of a worker it is asked (p_ask), and the worker or the sweep carries it out. A held call is
-- cancelled by who asks for it (p_ask), with its case; a caller who only hung up leaves it to the person.
CREATE FUNCTION cancel_call(p_call uuid, p_code text, p_ask boolean, p_void_entry routing_entry, p_entry routing_entry, OUT answer text, OUT state text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  c record;
  a record;
  m record;
  at timestamptz;
BEGIN
  PERFORM first_write();
  SELECT r.state, r.worker, r.tenant, r.finished_at INTO c FROM routing_call r WHERE r.id = p_call FOR NO KEY UPDATE;
  state := coalesce(c.state, '');
  IF NOT FOUND OR c.finished_at IS NOT NULL THEN
    answer := CASE WHEN entry_seen(p_entry.id) THEN 'cancelled' ELSE 'over' END;
    RETURN;
  END IF;
  at := mandate_now();
  IF c.state = 'held' AND NOT p_ask THEN
    answer := 'running';
    RETURN;
  END IF;
  IF c.worker IS NOT NULL THEN
    answer := CASE WHEN p_ask THEN 'asked' ELSE 'running' END;
    IF p_ask THEN
      UPDATE routing_call r SET cancel_at = at WHERE r.id = p_call AND r.cancel_at IS NULL;
    END IF;
    RETURN;
  END IF;
  SELECT t.no, count(*) OVER () AS count, t.state INTO a FROM routing_attempt t WHERE t.call = p_call AND t.state IN ('reserved', 'started');
  IF FOUND AND (a.count > 1 OR a.state <> 'reserved') THEN
    RAISE EXCEPTION 'call % has no worker but % open attempts', p_call, a.count USING ERRCODE = 'MD003';
  END IF;
  IF a.no IS NOT NULL THEN
    SELECT * INTO m FROM attempt_end(p_call, ROW(0, a.no, 'reserved', 'voided', 'none', '', NULL, NULL, NULL, NULL, NULL)::routing_settlement, at);
    PERFORM audit_append(p_void_entry.id, 'attempt.voided', p_call, c.tenant, p_void_entry.body);
  END IF;
  PERFORM audit_append(p_entry.id, 'call.cancelled', p_call, c.tenant, p_entry.body);
  UPDATE routing_call r
     SET state = 'cancelled', code = p_code, finished_at = at,
         cost_nano = (SELECT coalesce(sum(t.posted_nano + t.overrun_nano), 0) FROM routing_attempt t WHERE t.call = p_call)
   WHERE r.id = p_call;
  IF c.state = 'held' THEN
    PERFORM review_withdrawn(p_call, at);
  END IF;
  IF a.no IS NOT NULL THEN
    PERFORM ledger_settle(m.windows, m.held_nano, 0, 0);
  END IF;
  answer := 'cancelled';
  state := 'cancelled';
END $$;
