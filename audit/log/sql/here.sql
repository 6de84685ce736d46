-- The bodies of what this transaction has appended about no call, of a kind. Deferred constraints ask it at the commit.
CREATE FUNCTION entries_here(p_kind text) RETURNS SETOF bytea LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN QUERY SELECT e.body FROM audit_entry e WHERE e.xid = pg_current_xact_id() AND e.call IS NULL AND e.kind = p_kind;
END $$;
