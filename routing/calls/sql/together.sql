-- Several admissions in one transaction. Error: MD002 they cannot be let in together, ask for each by itself.
-- Locks, in order: order lock (shared), inserts of all calls, then the union of their windows by (rank, id), one statement each
-- with the sum. Two batches cannot deadlock: each waits for windows only while it holds windows that come before them, and nobody
-- waits for an insert of a batch but a repetition of one of its own calls, which holds no window yet.

-- Lets in whom nothing stands against; `places` are theirs, counted from 1. For the others nothing is written: each asks `admit`,
-- which says why not. So are those asked who bring an Idempotency-Key, since they may have to wait for a twin.
CREATE FUNCTION admit_together(p routing_ask[], p_reservation routing_reservation[], p_decision routing_decided[], p_sealed routing_sealed[],
                               p_entry routing_entry[], OUT places int[], OUT moment timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  control record;
  sums record;
  made int;
BEGIN
  PERFORM order_shared();
  moment := mandate_now();
  SELECT c.revision, c.stop_epoch INTO control FROM policies_control c WHERE c.id = 1;  -- a later statement: a new snapshot
  SELECT coalesce(array_agg(a.ordinality::int ORDER BY a.ordinality), '{}') INTO places
    FROM unnest(p) WITH ORDINALITY a
    JOIN (SELECT k.key, k.key_hash FROM (SELECT DISTINCT u.key, u.key_hash FROM unnest(p) u) k WHERE key_stands(k.key, k.key_hash)) s
   USING (key, key_hash)
   WHERE a.revision = control.revision AND a.stop_epoch = control.stop_epoch AND a.idempotency_hash IS NULL
     AND (p_reservation[a.ordinality::int]).model IS NOT NULL
     AND (moment >= (p_reservation[a.ordinality::int]).valid_until) IS NOT TRUE;
  LOOP
    -- INVARIANT: down to here nothing is written, so those who are left out cost no WAL and no transaction id
    IF places = '{}' THEN
      RETURN;
    END IF;
    SELECT * INTO sums FROM ledger_sums(ARRAY(SELECT p_reservation[k] FROM unnest(places) k), moment);
    EXIT WHEN sums.tight = '{}';
    places := ARRAY(SELECT k FROM unnest(places) k WHERE NOT (p_reservation[k]).windows && sums.tight);
  END LOOP;

  INSERT INTO routing_call (id, reply_to, revision, stop_epoch, admitted_at, deadline_at, reserved_at, moved_at, attempts, lost_retries, stream,
                            state, tenant, team, key, route, dialect, user_ref, run)
  SELECT a.id, a.reply_to, a.revision, a.stop_epoch, moment, moment + a.ttl, moment, moment, 1, a.lost_retries, a.stream,
         'admitted', a.tenant, a.team, a.key, a.route, a.dialect, a.user_ref, a.run
    FROM unnest(p) WITH ORDINALITY a WHERE a.ordinality = ANY (places)
  ON CONFLICT ON CONSTRAINT routing_call_pkey DO NOTHING;
  GET DIAGNOSTICS made = ROW_COUNT;
  IF made <> cardinality(places) THEN  -- the first time of one of them was in doubt, and it was in
    RAISE EXCEPTION 'a call is there already' USING ERRCODE = 'MD002';
  END IF;
  PERFORM decision_put((p[d.ordinality]).id, d.no, d.stage, (p[d.ordinality]).tenant, control.revision, d.effect, d.digest, d.facts)
     FROM unnest(p_decision) WITH ORDINALITY d WHERE d.ordinality = ANY (places);
  PERFORM vault_put((p[s.ordinality]).id, s.field, s.no, s.tenant_key, s.subject_key, s.nonce, s.ciphertext)
     FROM unnest(p_sealed) WITH ORDINALITY s WHERE s.ordinality = ANY (places) AND s.field IS NOT NULL;
  INSERT INTO routing_attempt (call, revision, reserved_nano, no, state, model, model_tenant, provider, windows)
  SELECT (p[r.ordinality]).id, control.revision, r.amount_nano, 1, 'reserved', r.model, r.model_tenant, r.provider, r.windows
    FROM unnest(p_reservation) WITH ORDINALITY r WHERE r.ordinality = ANY (places);
  PERFORM audit_append(e.id, 'call.admitted', (p[e.ordinality]).id, (p[e.ordinality]).tenant, e.body)
     FROM unnest(p_entry) WITH ORDINALITY e WHERE e.ordinality = ANY (places);
  FOR k IN 1..cardinality(sums.windows) LOOP
    PERFORM ledger_reserve(sums.windows[k:k], sums.limits[k:k], sums.hard[k:k], sums.amounts[k], control.revision);
  END LOOP;
END $$;
