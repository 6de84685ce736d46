-- Whether no window stands above its ceiling. Asked by who has just reserved in them, it sees them as they are then: their rows
-- are its own until its commit.
CREATE FUNCTION ledger_within(p_windows bigint[], p_ceilings bigint[]) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN coalesce((
    SELECT bool_and(w.posted_nano + w.pending_nano + w.overrun_nano <= t.most)
      FROM unnest(p_windows, p_ceilings) AS t (id, most)
      JOIN routing_ledger_window w ON w.id = t.id), true);
END $$;
