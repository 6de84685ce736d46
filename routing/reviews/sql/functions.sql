-- Review cases. Every function locks the case's call before its first write, compares, and writes or does not.
-- Locks, in order: the call's row, then as finish_call; the case and its decisions last (whoever changes a case has its call's row).

-- Opens a case in the transaction that holds its call; asked again with the same id it does nothing.
CREATE FUNCTION review_open(p routing_review) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  at timestamptz := mandate_now();
BEGIN
  INSERT INTO routing_review_case (id, call, revision, opened_at, due_at, approvals, stage, on_overdue, tenant, team, key, route, queue, queue_tenant,
                                   escalate_to, message, rules)
  VALUES (p.id, p.call, p.revision, at, at + p.due, p.approvals, p.stage, p.on_overdue, p.tenant, p.team, p.key, p.route, p.queue, p.queue_tenant,
          p.escalate_to, p.message, p.rules::jsonb)
  ON CONFLICT (id) DO NOTHING;
END $$;

-- Hands a call to a person: its last attempt settled, its draft in the vault, its case open, in one commit.
CREATE FUNCTION review_hold(p routing_ending, p_attempt routing_settlement, p_attempt_entry routing_entry, p_sealed routing_sealed, p_entry routing_entry,
                            p_decision routing_decided, p_review routing_review,
                            OUT answer text, OUT state text, OUT cost_nano bigint, OUT left_nano bigint, OUT revision bigint, OUT stop_epoch bigint)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF p.state <> 'held' THEN
    RAISE EXCEPTION 'a case is opened for a held call, not %', p.state USING ERRCODE = 'MD003';
  END IF;
  SELECT f.answer, f.state, f.cost_nano, f.left_nano, f.revision, f.stop_epoch INTO answer, state, cost_nano, left_nano, revision, stop_epoch
    FROM finish_call(p, p_attempt, p_attempt_entry, p_sealed, p_entry, p_decision) f;
  IF answer = 'finished' THEN
    PERFORM review_open(p_review);
  END IF;
END $$;

-- Admits a call and holds it before any model, with no reservation: money belongs to the windows of the release.
CREATE FUNCTION admit_held(p routing_ask, p_decision routing_decided, p_sealed routing_sealed, p_entry routing_entry, p_held routing_entry, p_review routing_review,
                           OUT answer text, OUT revision bigint, OUT stop_epoch bigint, OUT call uuid, OUT moment timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  SELECT a.answer, a.revision, a.stop_epoch, a.call, a.moment INTO answer, revision, stop_epoch, call, moment
    FROM admit(p, NULL, p_decision, p_sealed, p_entry) a;
  IF answer = 'admitted' AND NOT entry_seen(p_held.id) THEN
    PERFORM call_held_at_once(p.id, p_held);
    PERFORM review_open(p_review);
  END IF;
END $$;

-- Takes a case for a person: `claimed`; `taken` by another whose claim stands; `decided` by the same person already; `closed`.
CREATE FUNCTION review_claim(p_review uuid, p_call uuid, p_actor text, p_ttl interval, p_entry routing_entry, OUT answer text, OUT until timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  c record;
  v record;
  at timestamptz;
BEGIN
  SELECT * INTO c FROM call_lock(p_call);
  at := mandate_now();
  SELECT * INTO v FROM routing_review_case r WHERE r.id = p_review AND r.call = p_call;
  until := v.claimed_until;
  IF entry_seen(p_entry.id) THEN
    answer := 'claimed';
    RETURN;
  END IF;
  answer := CASE
    WHEN v.id IS NULL OR v.closed_at IS NOT NULL THEN 'closed'
    WHEN v.claimed_by NOT IN ('', p_actor) AND v.claimed_until > at THEN 'taken'
    WHEN EXISTS (SELECT FROM routing_review_decision d WHERE d.review = p_review AND d.round = v.round AND d.version = v.version AND d.actor = p_actor) THEN 'decided'
    ELSE 'claimed' END;
  IF answer = 'claimed' THEN
    until := at + p_ttl;
    UPDATE routing_review_case SET claimed_by = p_actor, claimed_until = until WHERE id = p_review;
    PERFORM audit_append(p_entry.id, 'review.claimed', p_call, c.tenant, p_entry.body);
  END IF;
END $$;

-- Gives a claimed case back: `returned`, or `moved` where it is not this person's.
CREATE FUNCTION review_return(p_review uuid, p_call uuid, p_actor text, p_entry routing_entry) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  c record;
BEGIN
  SELECT * INTO c FROM call_lock(p_call);
  IF entry_seen(p_entry.id) THEN
    RETURN 'returned';
  END IF;
  UPDATE routing_review_case r SET claimed_by = '', claimed_until = NULL
   WHERE r.id = p_review AND r.call = p_call AND r.closed_at IS NULL AND r.claimed_by = p_actor AND r.claimed_until > mandate_now();
  IF NOT FOUND THEN
    RETURN 'moved';
  END IF;
  PERFORM audit_append(p_entry.id, 'review.returned', p_call, c.tenant, p_entry.body);
  RETURN 'returned';
END $$;

-- One person's decision: `counted` (more people are needed), `closed` (it was the last one needed and the call went on or
-- ended with it), or why not: `over`, `unclaimed`, `version` (another text than the one decided about), `decided`.
CREATE FUNCTION review_decide(p routing_verdict, p_draft routing_sealed, p_answer routing_sealed, p_entry routing_entry, p_released routing_entry, p_end routing_entry,
                              OUT answer text, OUT outcome text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  c record;
  v record;
  at timestamptz;
  drafted smallint;
  approved int;
BEGIN
  SELECT * INTO c FROM call_lock(p.call);
  at := mandate_now();
  SELECT * INTO v FROM routing_review_case r WHERE r.id = p.review AND r.call = p.call;
  outcome := coalesce(v.outcome, '');
  answer := CASE
    WHEN entry_seen(p_entry.id) THEN CASE WHEN v.closed_at IS NULL THEN 'counted' ELSE 'closed' END  -- the first time was in doubt
    WHEN v.id IS NULL OR v.closed_at IS NOT NULL OR (v.stage <> 'sample' AND c.state <> 'held') THEN 'over'
    WHEN v.claimed_by <> p.actor OR v.claimed_until <= at THEN 'unclaimed'
    WHEN v.version <> p.version THEN 'version'
    WHEN EXISTS (SELECT FROM routing_review_decision d WHERE d.review = v.id AND d.round = v.round AND d.version = v.version AND d.actor = p.actor) THEN 'decided' END;
  IF answer IS NOT NULL THEN
    RETURN;
  END IF;
  IF (p.verdict IN ('edited', 'redacted')) <> (p_draft.field IS NOT NULL) OR (p_draft.field IS NOT NULL AND v.stage IN ('request', 'sample')) THEN
    RAISE EXCEPTION 'a case of stage % cannot be %', v.stage, p.verdict USING ERRCODE = 'MD003';
  END IF;
  drafted := v.version + (p_draft.field IS NOT NULL)::int;
  IF p_draft.field IS NOT NULL THEN
    PERFORM vault_put(p.call, p_draft.field, drafted, p_draft.tenant_key, p_draft.subject_key, p_draft.nonce, p_draft.ciphertext);
  END IF;
  PERFORM audit_append(p_entry.id, 'review.' || p.verdict, p.call, c.tenant, p_entry.body);
  INSERT INTO routing_review_decision (review, decided_at, no, version, round, verdict, actor, reason)
  VALUES (v.id, at, (SELECT count(*) + 1 FROM routing_review_decision d WHERE d.review = v.id), drafted, v.round, p.verdict, p.actor, p.reason);
  SELECT count(DISTINCT d.actor) INTO approved FROM routing_review_decision d
   WHERE d.review = v.id AND d.round = v.round AND d.version = drafted AND d.verdict <> 'rejected';
  IF p.verdict <> 'rejected' AND approved < v.approvals THEN
    UPDATE routing_review_case SET version = drafted, claimed_by = '', claimed_until = NULL WHERE id = v.id;
    answer := 'counted';
    RETURN;
  END IF;
  outcome := CASE WHEN p.verdict <> 'approved' THEN p.verdict ELSE coalesce(
    (SELECT d.verdict FROM routing_review_decision d WHERE d.review = v.id AND d.version = drafted AND d.verdict IN ('edited', 'redacted')), 'approved') END;
  UPDATE routing_review_case SET version = drafted, claimed_by = '', claimed_until = NULL, closed_at = at, outcome = review_decide.outcome WHERE id = v.id;
  answer := 'closed';
  IF v.stage = 'sample' THEN
    RETURN;
  END IF;
  IF p.verdict = 'rejected' THEN
    PERFORM call_answered(p.call, 'failed', p.code, p_answer, NULL, p_end);
  ELSIF v.stage = 'request' THEN
    PERFORM call_goes_on(p.call, p.ttl, p_released);
  ELSE
    PERFORM call_answered(p.call, 'completed', '', p_answer, p_released, p_end);
  END IF;
END $$;

-- What a queue's document says about a case that nobody decided in time: `done`; `claimed` (a person is at it); `moved`.
-- p_review: the case as the next queue opens it (escalate); where there is no such queue any more, it is rejected.
CREATE FUNCTION review_overdue(p routing_overdue, p_review routing_review, p_answer routing_sealed, p_entry routing_entry, p_released routing_entry, p_end routing_entry)
RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  c record;
  v record;
  at timestamptz;
BEGIN
  SELECT * INTO c FROM call_lock(p.call);
  at := mandate_now();
  SELECT * INTO v FROM routing_review_case r WHERE r.id = p.review AND r.call = p.call;
  IF entry_seen(p_entry.id) THEN
    RETURN 'done';
  END IF;
  -- INVARIANT: what a person has decided stands, and so does the text a person wrote
  IF v.id IS NULL OR v.closed_at IS NOT NULL OR v.version <> p.version OR v.due_at <> p.due_at OR at < v.due_at
     OR (v.on_overdue <> p.verdict AND (v.on_overdue <> 'escalate' OR p.verdict <> 'reject')) OR (v.stage <> 'sample' AND c.state <> 'held') THEN
    RETURN 'moved';
  END IF;
  IF v.claimed_until > at THEN
    RETURN 'claimed';
  END IF;
  IF p.verdict = 'escalate' THEN
    PERFORM audit_append(p_entry.id, 'review.escalated', p.call, c.tenant, p_entry.body);
    UPDATE routing_review_case
       SET queue = p_review.queue, queue_tenant = p_review.queue_tenant, approvals = p_review.approvals, due_at = at + p_review.due,
           on_overdue = p_review.on_overdue, escalate_to = p_review.escalate_to, came_from = v.queue, round = v.round + 1, claimed_by = '', claimed_until = NULL
     WHERE id = v.id;
    RETURN 'done';
  END IF;
  PERFORM audit_append(p_entry.id, 'review.overdue', p.call, c.tenant, p_entry.body);
  UPDATE routing_review_case SET closed_at = at, outcome = 'overdue-' || p.verdict || CASE p.verdict WHEN 'release' THEN 'd' ELSE 'ed' END, claimed_by = '', claimed_until = NULL
   WHERE id = v.id;
  IF v.stage = 'sample' THEN
    RETURN 'done';
  END IF;
  IF p.verdict = 'reject' THEN
    PERFORM call_answered(p.call, 'failed', p.code, p_answer, NULL, p_end);
  ELSIF v.stage = 'request' THEN
    PERFORM call_goes_on(p.call, p.ttl, p_released);
  ELSE
    PERFORM call_answered(p.call, 'completed', '', p_answer, p_released, p_end);
  END IF;
  RETURN 'done';
END $$;

-- The call was cancelled while it was held; cancel_call has its row.
CREATE FUNCTION review_withdrawn(p_call uuid, p_at timestamptz) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  UPDATE routing_review_case SET closed_at = p_at, outcome = 'cancelled', claimed_by = '', claimed_until = NULL
   WHERE call = p_call AND closed_at IS NULL AND stage <> 'sample';
END $$;

-- A delivered call that somebody shall look at afterwards: true where the case is new.
CREATE FUNCTION review_sample(p routing_review, p_entry routing_entry) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  at timestamptz := mandate_now();
BEGIN
  INSERT INTO routing_review_case (id, call, revision, opened_at, due_at, approvals, stage, on_overdue, tenant, team, key, route, queue, queue_tenant,
                                   escalate_to, message, rules)
  VALUES (p.id, p.call, p.revision, at, at + p.due, 1, 'sample', 'release', p.tenant, p.team, p.key, p.route, p.queue, p.queue_tenant, '', p.message, p.rules::jsonb)
  ON CONFLICT (call, queue_tenant, queue) WHERE stage = 'sample' DO NOTHING;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM audit_append(p_entry.id, 'review.sampled', p.call, p.tenant, p_entry.body);
  RETURN true;
END $$;
