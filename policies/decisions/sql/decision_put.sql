-- Adds one decision record inside the caller's transaction.
CREATE FUNCTION decision_put(
    p_call uuid, p_no smallint, p_stage text, p_tenant text, p_revision bigint, p_effect text, p_digest bytea, p_facts bytea
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO policies_decision (call, revision, no, stage, tenant, effect, digest, facts)
    VALUES (p_call, p_revision, p_no, p_stage, p_tenant, p_effect, p_digest, p_facts);
END
$$;
