-- Content, encrypted under keys that never come here. It is erased by destroying a key, so a row never changes;
-- until erasure is built, a row is not deleted either.
CREATE TABLE vault_content (
  call uuid NOT NULL,
  no smallint NOT NULL,
  field text NOT NULL,
  tenant_key text NOT NULL,
  subject_key text NOT NULL,
  nonce bytea NOT NULL CHECK (octet_length(nonce) = 12),
  ciphertext bytea NOT NULL,
  PRIMARY KEY (call, field, no)
) PARTITION BY RANGE (call);
ALTER TABLE vault_content ALTER COLUMN ciphertext SET STORAGE EXTERNAL;
SELECT make_append_only('vault_content');
INSERT INTO partitioned_table VALUES ('vault_content', 100);
GRANT SELECT, INSERT (call, field, no, tenant_key, subject_key, nonce, ciphertext) ON vault_content TO :"app";
