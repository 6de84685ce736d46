-- Whether the key that a process has cached still stands: its hash is the same, it is neither revoked nor expired by
-- PostgreSQL's clock, and its team and tenant are in use. Asked under the order lock by every admission.
CREATE FUNCTION key_stands(p_key text, p_hash bytea) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM 1
       FROM policies_api_key k
       JOIN policies_tenant t ON t.slug = k.tenant AND t.archived_at IS NULL
       JOIN policies_team m ON m.tenant_id = t.id AND m.slug = k.team AND m.archived_at IS NULL
      WHERE k.id = p_key AND k.hash = p_hash AND k.revoked_at IS NULL
        AND (k.expires_at IS NULL OR k.expires_at > mandate_now());
    RETURN FOUND;
END
$$;
