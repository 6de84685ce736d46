-- The only way in. The body is canonical JSON (audit.log.entry builds it) and is hashed exactly as stored.
CREATE FUNCTION audit_append(p_id uuid, p_kind text, p_call uuid, p_tenant text, p_body bytea) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  INSERT INTO audit_entry (id, kind, call, tenant, body) VALUES (p_id, p_kind, p_call, p_tenant, p_body);
END $$;

-- Whether an entry is in: after a broken connection the same step, asked again with the same entry id, gives the same answer.
CREATE FUNCTION entry_seen(p_entry uuid) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN EXISTS (SELECT FROM audit_entry WHERE id = p_entry);
END $$;

-- What was said by the first act of a kind whose data has this number under this name; null when there is none. A later one,
-- whoever appended it, changes nothing.
CREATE FUNCTION act_first(p_kind text, p_member text, p_number bigint) RETURNS bytea LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN (SELECT e.body FROM audit_entry e
           WHERE e.call IS NULL AND e.kind = p_kind AND convert_from(e.body, 'UTF8')::json -> 'data' ->> p_member = p_number::text
           ORDER BY e.xid, e.id LIMIT 1);
END $$;
