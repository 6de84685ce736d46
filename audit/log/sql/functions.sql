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
