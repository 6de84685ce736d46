-- Admission and denial. Errors: MD001 asked too late in a transaction, MD002 the race for headroom is lost,
-- MD003 something that cannot be. Answers are the note's words.
-- Locks, in order: order lock (shared), idempotency, inserts, windows by (rank, id).

-- What this Idempotency-Key means by now: '' nothing, 'duplicate' or 'conflict'.
CREATE FUNCTION idempotency_twin(p routing_ask, p_at timestamptz, OUT answer text, OUT call uuid)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  twin record;
BEGIN
  SELECT i.call, i.digest INTO twin FROM routing_idempotency i
   WHERE i.key = p.key AND i.hash = p.idempotency_hash AND i.expires_at > p_at;
  answer := CASE WHEN NOT FOUND THEN '' WHEN twin.digest = p.idempotency_digest THEN 'duplicate' ELSE 'conflict' END;
  call := twin.call;
END $$;

CREATE FUNCTION admit(p routing_ask, p_reservation routing_reservation, p_decision routing_decided, p_sealed routing_sealed, p_entry routing_entry,
                      OUT answer text, OUT revision bigint, OUT stop_epoch bigint, OUT call uuid, OUT moment timestamptz, OUT left_nano bigint[])
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  reserves boolean := p_reservation.model IS NOT NULL;
  look record;
BEGIN
  PERFORM order_shared();
  moment := mandate_now();
  SELECT c.revision, c.stop_epoch INTO revision, stop_epoch FROM policies_control c WHERE c.id = 1;  -- a later statement: a new snapshot
  <<refused>>
  BEGIN
    -- INVARIANT: down to the last look nothing is written, so a refusal costs no WAL and no transaction id
    IF NOT key_stands(p.key, p.key_hash) THEN
      answer := 'unauthenticated';
      EXIT refused;
    END IF;
    IF p.idempotency_hash IS NOT NULL THEN
      SELECT * INTO look FROM idempotency_twin(p, moment);
      IF look.answer <> '' THEN
        answer := look.answer;
        call := look.call;
        EXIT refused;
      END IF;
    END IF;
    IF p.revision <> revision OR p.stop_epoch <> stop_epoch THEN
      answer := 'stale';
      EXIT refused;
    END IF;
    -- INVARIANT: what is reserved was decided on the day it is reserved on, by this clock: a dated raise ends with its last day
    IF reserves AND moment >= p_reservation.valid_until THEN
      answer := 'day_ended';
      EXIT refused;
    END IF;
    IF reserves AND cardinality(p_reservation.windows) > 0 THEN
      SELECT * INTO look FROM ledger_headroom(p_reservation.windows, p_reservation.limits, p_reservation.hard, p_reservation.amount_nano, moment, NULL, 0);
      IF look.within IS NOT TRUE THEN
        answer := 'window_moved';
        EXIT refused;
      ELSIF NOT look.fits THEN
        answer := 'no_headroom';
        left_nano := look.left_nano;
        EXIT refused;
      END IF;
    END IF;

    IF p.idempotency_hash IS NOT NULL THEN
      -- waits for a twin in flight; no row: the twin was first
      INSERT INTO routing_idempotency AS i (call, expires_at, key, hash, digest)
      VALUES (p.id, moment + interval '24 hours', p.key, p.idempotency_hash, p.idempotency_digest)
      ON CONFLICT ON CONSTRAINT routing_idempotency_pkey DO UPDATE SET call = EXCLUDED.call, expires_at = EXCLUDED.expires_at, digest = EXCLUDED.digest
      WHERE i.expires_at <= moment;
      IF NOT FOUND THEN
        SELECT * INTO look FROM idempotency_twin(p, moment);
        answer := look.answer;
        call := look.call;
        EXIT refused;
      END IF;
    END IF;
    INSERT INTO routing_call (id, reply_to, revision, stop_epoch, admitted_at, deadline_at, reserved_at, moved_at, attempts, lost_retries, stream,
                              state, tenant, team, key, route, dialect, user_ref, run)
    VALUES (p.id, p.reply_to, revision, stop_epoch, moment, moment + p.ttl, CASE WHEN reserves THEN moment END, moment, reserves::int, p.lost_retries,
            p.stream, 'admitted', p.tenant, p.team, p.key, p.route, p.dialect, p.user_ref, p.run)
    ON CONFLICT ON CONSTRAINT routing_call_pkey DO NOTHING;
    IF NOT FOUND THEN
      answer := 'repeated';
      EXIT refused;
    END IF;
    PERFORM decision_put(p.id, p_decision.no, p_decision.stage, p.tenant, revision, p_decision.effect, p_decision.digest, p_decision.facts);
    IF p_sealed.field IS NOT NULL THEN
      PERFORM vault_put(p.id, p_sealed.field, p_sealed.no, p_sealed.tenant_key, p_sealed.subject_key, p_sealed.nonce, p_sealed.ciphertext);
    END IF;
    IF reserves THEN
      INSERT INTO routing_attempt (call, revision, reserved_nano, no, state, model, model_tenant, provider, windows)
      VALUES (p.id, revision, p_reservation.amount_nano, 1, 'reserved', p_reservation.model, p_reservation.model_tenant, p_reservation.provider, p_reservation.windows);
    END IF;
    PERFORM audit_append(p_entry.id, 'call.admitted', p.id, p.tenant, p_entry.body);
    IF reserves THEN
      PERFORM ledger_reserve(p_reservation.windows, p_reservation.limits, p_reservation.hard, p_reservation.amount_nano, revision);
    END IF;
    answer := 'admitted';
    call := p.id;
    RETURN;
  END refused;
  IF entry_seen(p_entry.id) THEN  -- the first time was in doubt, and it was in
    answer := 'admitted';
    call := p.id;
    SELECT c.admitted_at INTO moment FROM routing_call c WHERE c.id = p.id;
  ELSIF answer = 'repeated' THEN
    RAISE EXCEPTION 'call % is taken', p.id USING ERRCODE = 'MD003';
  END IF;
END $$;

-- A denied call: its row, its decision, its entry; no content.
CREATE FUNCTION deny(p routing_ask, p_decision routing_decided, p_entry routing_entry,
                     OUT answer text, OUT revision bigint, OUT stop_epoch bigint, OUT call uuid, OUT moment timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  look record;
BEGIN
  PERFORM order_shared();
  moment := mandate_now();
  SELECT c.revision, c.stop_epoch INTO revision, stop_epoch FROM policies_control c WHERE c.id = 1;
  <<refused>>
  BEGIN
    IF NOT key_stands(p.key, p.key_hash) THEN
      answer := 'unauthenticated';
      EXIT refused;
    END IF;
    IF p.idempotency_hash IS NOT NULL THEN
      SELECT * INTO look FROM idempotency_twin(p, moment);
      IF look.answer <> '' THEN  -- admitted before the policy changed: its answer still stands
        answer := look.answer;
        call := look.call;
        EXIT refused;
      END IF;
    END IF;
    IF p.revision <> revision OR p.stop_epoch <> stop_epoch THEN
      answer := 'stale';
      EXIT refused;
    END IF;
    INSERT INTO routing_call (id, revision, stop_epoch, admitted_at, deadline_at, moved_at, finished_at, stream, state, code,
                              tenant, team, key, route, dialect, user_ref, run)
    VALUES (p.id, revision, stop_epoch, moment, moment + p.ttl, moment, moment, p.stream, 'denied', p.code,
            p.tenant, p.team, p.key, p.route, p.dialect, p.user_ref, p.run)
    ON CONFLICT ON CONSTRAINT routing_call_pkey DO NOTHING;
    IF NOT FOUND THEN
      answer := 'repeated';
      EXIT refused;
    END IF;
    PERFORM decision_put(p.id, p_decision.no, p_decision.stage, p.tenant, revision, p_decision.effect, p_decision.digest, p_decision.facts);
    PERFORM audit_append(p_entry.id, 'call.denied', p.id, p.tenant, p_entry.body);
    answer := 'denied';
    call := p.id;
    RETURN;
  END refused;
  IF entry_seen(p_entry.id) THEN
    answer := 'denied';
    call := p.id;
  ELSIF answer = 'repeated' THEN
    RAISE EXCEPTION 'call % is taken', p.id USING ERRCODE = 'MD003';
  END IF;
END $$;
