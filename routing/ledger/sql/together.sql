-- Several reservations at once. The windows are taken as every admission takes them: by (rank, id), one statement each, last.

-- What these reservations come to in each of their windows, in lock order. `tight` are the windows that are not there, do not
-- hold the moment, or may not have room for all of it. A look without a lock: `ledger_reserve` decides. Where two name another
-- limit for the same window, the stricter one counts.
CREATE FUNCTION ledger_sums(p_reservations routing_reservation[], p_moment timestamptz,
                            OUT tight bigint[], OUT windows bigint[], OUT limits bigint[], OUT hard boolean[], OUT amounts bigint[])
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  SELECT coalesce(array_agg(s.id) FILTER (WHERE s.fits IS NOT TRUE), '{}'), coalesce(array_agg(s.id ORDER BY s.rank, s.id), '{}'),
         array_agg(s.most ORDER BY s.rank, s.id), array_agg(s.hard ORDER BY s.rank, s.id), array_agg(s.amount ORDER BY s.rank, s.id)
    INTO tight, windows, limits, hard, amounts
    FROM (SELECT w.id, l.rank, min(w.most) AS most, bool_or(w.hard) AS hard, sum(r.amount_nano)::bigint AS amount,
                 p_moment >= l.starts AND p_moment < l.ends
                 AND (NOT bool_or(w.hard) OR min(w.most) - l.posted_nano - l.pending_nano - l.overrun_nano >= sum(r.amount_nano)) AS fits
            FROM unnest(p_reservations) AS r
            CROSS JOIN LATERAL unnest(r.windows, r.limits, r.hard) AS w (id, most, hard)
            LEFT JOIN routing_ledger_window l ON l.id = w.id
           GROUP BY w.id, l.id) s;
END $$;
