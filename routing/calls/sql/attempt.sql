-- The worker's steps before and between models.
-- Locks, in order: order lock (shared, start only), the call's row before the first write, inserts, windows by (rank, id).

-- All a worker needs, without a lock and without a claim.
CREATE FUNCTION peek(p_call uuid, OUT state text, OUT code text, OUT tenant text, OUT team text, OUT key text, OUT route text, OUT dialect text,
                     OUT run text, OUT user_ref text, OUT stream boolean, OUT relayed boolean, OUT released boolean, OUT worker uuid, OUT reply_to uuid,
                     OUT revision bigint, OUT stop_epoch bigint, OUT admitted_at timestamptz, OUT deadline_at timestamptz, OUT reserved_at timestamptz,
                     OUT cancel_at timestamptz, OUT moment timestamptz, OUT attempts smallint, OUT lost_retries smallint,
                     OUT tried_state text[], OUT tried_model text[], OUT tried_model_tenant text[], OUT tried_provider text[], OUT tried_nano bigint[],
                     OUT tried_error text[], OUT decision_no smallint, OUT decision_revision bigint, OUT decision_digest bytea, OUT decision_facts bytea,
                     OUT tenant_key text, OUT subject_key text, OUT nonce bytea, OUT ciphertext bytea)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  SELECT c.state, c.code, c.tenant, c.team, c.key, c.route, c.dialect, c.run, c.user_ref, c.stream, c.relayed, c.released, c.worker, c.reply_to,
         c.revision, c.stop_epoch, c.admitted_at, c.deadline_at, c.reserved_at, c.cancel_at, c.attempts, c.lost_retries
    INTO state, code, tenant, team, key, route, dialect, run, user_ref, stream, relayed, released, worker, reply_to,
         revision, stop_epoch, admitted_at, deadline_at, reserved_at, cancel_at, attempts, lost_retries
    FROM routing_call c WHERE c.id = p_call;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  moment := mandate_now();
  SELECT array_agg(a.state ORDER BY a.no), array_agg(a.model ORDER BY a.no), array_agg(a.model_tenant ORDER BY a.no),
         array_agg(a.provider ORDER BY a.no), array_agg(a.reserved_nano ORDER BY a.no), array_agg(a.error_class ORDER BY a.no)
    INTO tried_state, tried_model, tried_model_tenant, tried_provider, tried_nano, tried_error FROM routing_attempt a WHERE a.call = p_call;
  SELECT d.no, d.revision, d.digest, d.facts INTO decision_no, decision_revision, decision_digest, decision_facts
    FROM policies_decision d WHERE d.call = p_call AND d.stage = 'request' ORDER BY d.no DESC LIMIT 1;
  -- records of other stages count too: the next one needs a number of its own
  SELECT max(d.no) INTO decision_no FROM policies_decision d WHERE d.call = p_call;
  SELECT v.tenant_key, v.subject_key, v.nonce, v.ciphertext INTO tenant_key, subject_key, nonce, ciphertext
    FROM vault_content v WHERE v.call = p_call AND v.field = 'request' AND v.no = 0;
END $$;

-- Claims the call where nobody has it and starts an attempt; the commit after which a model may be called. Without a
-- reservation it starts the reserved attempt as it stands; with one it re-prices that, or reserves a new attempt.
CREATE FUNCTION start_attempt(p routing_start, p_reservation routing_reservation, p_decision routing_decided, p_entry routing_entry,
                              OUT answer text, OUT revision bigint, OUT stop_epoch bigint, OUT moment timestamptz, OUT left_nano bigint[],
                              OUT state text, OUT attempt_state text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  c record;
  tried record;
  look record;
  reserves boolean := p_reservation.model IS NOT NULL;
BEGIN
  PERFORM order_shared();
  moment := mandate_now();
  SELECT k.revision, k.stop_epoch INTO revision, stop_epoch FROM policies_control k WHERE k.id = 1;
  IF (p.revision <> revision OR p.stop_epoch <> stop_epoch) AND NOT entry_seen(p_entry.id) THEN
    answer := 'stale';
    RETURN;
  END IF;
  SELECT r.state, r.worker, r.cancel_at, r.deadline_at, r.reserved_at, r.attempts, r.tenant INTO c FROM routing_call r WHERE r.id = p.call FOR NO KEY UPDATE;
  SELECT a.state, a.reserved_nano, a.windows INTO tried FROM routing_attempt a WHERE a.call = p.call AND a.no = p.no;
  state := coalesce(c.state, '');
  attempt_state := coalesce(tried.state, '');
  answer := CASE
    WHEN attempt_state = 'started' AND c.worker = p.worker AND entry_seen(p_entry.id) THEN 'started'  -- the first time was in doubt
    WHEN state NOT IN ('admitted', 'running') THEN 'moved'
    WHEN c.worker <> p.worker THEN 'lost'
    WHEN c.cancel_at IS NOT NULL THEN 'cancelled'
    WHEN moment >= c.deadline_at THEN 'late'
    WHEN NOT EXISTS (SELECT FROM routing_worker_lease l WHERE l.worker = p.worker AND l.lost_at IS NULL) THEN 'lease_lost'
    WHEN attempt_state NOT IN ('', 'reserved') OR (attempt_state = '' AND (NOT reserves OR p.no <> c.attempts + 1)) THEN 'moved'
  END;
  IF answer IS NOT NULL THEN
    RETURN;
  END IF;
  IF reserves AND moment >= p_reservation.valid_until THEN
    answer := 'day_ended';
    RETURN;
  END IF;
  IF reserves AND cardinality(p_reservation.windows) > 0 THEN
    -- money belongs to the windows of the call's first reservation
    SELECT * INTO look FROM ledger_headroom(p_reservation.windows, p_reservation.limits, p_reservation.hard, p_reservation.amount_nano,
                                            coalesce(c.reserved_at, moment), tried.windows, coalesce(tried.reserved_nano, 0));
    IF look.within IS NOT TRUE THEN
      answer := 'window_moved';
      moment := coalesce(c.reserved_at, moment);
      RETURN;
    ELSIF NOT look.fits THEN
      answer := 'no_headroom';
      left_nano := look.left_nano;
      RETURN;
    END IF;
  END IF;

  IF p_decision.no IS NOT NULL THEN
    PERFORM decision_put(p.call, p_decision.no, p_decision.stage, c.tenant, revision, p_decision.effect, p_decision.digest, p_decision.facts);
  END IF;
  IF attempt_state = '' THEN
    INSERT INTO routing_attempt (call, revision, reserved_nano, started_at, no, state, model, model_tenant, provider, windows)
    VALUES (p.call, revision, p_reservation.amount_nano, moment, p.no, 'started', p_reservation.model, p_reservation.model_tenant,
            p_reservation.provider, p_reservation.windows);
  ELSIF reserves THEN
    UPDATE routing_attempt a SET state = 'started', started_at = moment, revision = start_attempt.revision, reserved_nano = p_reservation.amount_nano,
           windows = p_reservation.windows, model = p_reservation.model, model_tenant = p_reservation.model_tenant, provider = p_reservation.provider
     WHERE a.call = p.call AND a.no = p.no;
  ELSE
    UPDATE routing_attempt a SET state = 'started', started_at = moment, revision = start_attempt.revision WHERE a.call = p.call AND a.no = p.no;
  END IF;
  PERFORM audit_append(p_entry.id, 'attempt.started', p.call, c.tenant, p_entry.body);
  UPDATE routing_call r
     SET state = 'running', worker = p.worker, moved_at = CASE WHEN r.worker IS NULL THEN moment ELSE r.moved_at END,
         attempts = greatest(r.attempts, p.no), relayed = r.relayed OR p.relays,
         reserved_at = CASE WHEN reserves THEN coalesce(r.reserved_at, moment) ELSE r.reserved_at END,
         revision = CASE WHEN p_decision.no IS NULL THEN r.revision ELSE start_attempt.revision END,
         stop_epoch = CASE WHEN p_decision.no IS NULL THEN r.stop_epoch ELSE start_attempt.stop_epoch END
   WHERE r.id = p.call;
  IF reserves AND attempt_state = '' THEN
    PERFORM ledger_reserve(p_reservation.windows, p_reservation.limits, p_reservation.hard, p_reservation.amount_nano, revision);
  ELSIF reserves THEN
    PERFORM ledger_reprice(tried.windows, tried.reserved_nano, p_reservation.windows, p_reservation.limits, p_reservation.hard,
                           p_reservation.amount_nano, revision);
  END IF;
  answer := 'started';
  state := 'running';
  attempt_state := 'started';
END $$;

-- Claims a call whose plan begins with no attempt (a hold, a human step).
CREATE FUNCTION claim(p_call uuid, p_worker uuid) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  c record;
BEGIN
  PERFORM first_write();
  SELECT r.state, r.worker INTO c FROM routing_call r WHERE r.id = p_call FOR NO KEY UPDATE;
  IF NOT FOUND OR c.state NOT IN ('admitted', 'running') OR c.worker <> p_worker THEN
    RETURN 'lost';
  END IF;
  IF NOT EXISTS (SELECT FROM routing_worker_lease l WHERE l.worker = p_worker AND l.lost_at IS NULL) THEN
    RETURN 'lease_lost';
  END IF;
  UPDATE routing_call SET worker = p_worker, state = 'running', moved_at = mandate_now() WHERE id = p_call;
  RETURN 'claimed';
END $$;

-- Records how an answer was weighed, and the answer, by the worker that has the call. Asked again it changes nothing.
CREATE FUNCTION weigh_call(p_call uuid, p_worker uuid, p_revision bigint, p_decision routing_decided, p_sealed routing_sealed)
RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  c record;
BEGIN
  PERFORM first_write();
  SELECT r.state, r.worker, r.tenant INTO c FROM routing_call r WHERE r.id = p_call FOR NO KEY UPDATE;
  IF c.worker IS DISTINCT FROM p_worker OR c.state IS DISTINCT FROM 'running' THEN
    RETURN 'moved';
  END IF;
  IF EXISTS (SELECT FROM policies_decision d WHERE d.call = p_call AND d.no = p_decision.no AND d.digest = p_decision.digest) THEN
    RETURN 'weighed';
  END IF;
  PERFORM decision_put(p_call, p_decision.no, p_decision.stage, c.tenant, p_revision, p_decision.effect, p_decision.digest, p_decision.facts);
  IF p_sealed.field IS NOT NULL THEN
    PERFORM vault_put(p_call, p_sealed.field, p_sealed.no, p_sealed.tenant_key, p_sealed.subject_key, p_sealed.nonce, p_sealed.ciphertext);
  END IF;
  RETURN 'weighed';
END $$;
