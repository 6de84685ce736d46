-- A tenant's own key in the key service is given up by two people, as every other key is destroyed.
ALTER TABLE audit_erasure DROP CONSTRAINT audit_erasure_kind_check;
ALTER TABLE audit_erasure ADD CONSTRAINT audit_erasure_kind_check CHECK (kind IN ('user', 'team', 'month', 'tenant-key'));
