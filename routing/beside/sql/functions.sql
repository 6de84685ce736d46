-- Shadow runs. Errors, and nothing is written: MD004 a budget has no money for one, MD005 the model was asked beside the call before.
-- Locks: as admit and deny; then the one of call and model (7003, hash of both), after which nothing but the commit waits.

-- Admits a shadow run, alone, with its link; not where any of its windows would stand above its ceiling afterwards.
CREATE FUNCTION admit_beside(p routing_ask, p_reservation routing_reservation, p_decision routing_decided, p_sealed routing_sealed, p_entry routing_entry,
                             p_link routing_beside_link,
                             OUT answer text, OUT revision bigint, OUT stop_epoch bigint, OUT call uuid, OUT moment timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  SELECT a.answer, a.revision, a.stop_epoch, a.call, a.moment INTO answer, revision, stop_epoch, call, moment
    FROM admit(p, p_reservation, p_decision, p_sealed, p_entry) a;
  IF answer = 'admitted' AND NOT EXISTS (SELECT FROM routing_beside b WHERE b.call = p.id) THEN
    -- INVARIANT: a shadow run takes no budget past its first alert; asked after it reserved, for only then nobody else moves them
    IF NOT ledger_within(p_reservation.windows, p_link.ceilings) THEN
      RAISE EXCEPTION 'no money for a shadow run' USING ERRCODE = 'MD004';
    END IF;
    PERFORM beside_put(p, p_link, moment);
  END IF;
END $$;

-- Denies one: its row, its decision, its entry and its link.
CREATE FUNCTION deny_beside(p routing_ask, p_decision routing_decided, p_entry routing_entry, p_link routing_beside_link,
                            OUT answer text, OUT revision bigint, OUT stop_epoch bigint, OUT call uuid, OUT moment timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  SELECT d.answer, d.revision, d.stop_epoch, d.call, d.moment INTO answer, revision, stop_epoch, call, moment
    FROM deny(p, p_decision, p_entry) d;
  IF answer = 'denied' AND NOT EXISTS (SELECT FROM routing_beside b WHERE b.call = p.id) THEN
    PERFORM beside_put(p, p_link, coalesce(moment, mandate_now()));
  END IF;
END $$;

CREATE FUNCTION beside_put(p routing_ask, p_link routing_beside_link, p_at timestamptz) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  -- INVARIANT: one call is asked beside at one model once; months know nothing of each other, so that all who ask wait here
  PERFORM pg_advisory_xact_lock(7003, hashtext(p_link.of::text || p_link.model));
  IF EXISTS (SELECT FROM routing_beside b WHERE b.of = p_link.of AND b.model = p_link.model) THEN
    RAISE EXCEPTION 'this model was asked beside the call before' USING ERRCODE = 'MD005';
  END IF;
  INSERT INTO routing_beside (call, of, asked_at, tenant, team, route, model)
  VALUES (p.id, p_link.of, p_at, p.tenant, p.team, p.route, p_link.model);
END $$;
