CREATE FUNCTION vault_put(p_call uuid, p_field text, p_no smallint, p_tenant_key text, p_subject_key text, p_nonce bytea, p_ciphertext bytea)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  INSERT INTO vault_content (call, field, no, tenant_key, subject_key, nonce, ciphertext)
  VALUES (p_call, p_field, p_no, p_tenant_key, p_subject_key, p_nonce, p_ciphertext);
END $$;
