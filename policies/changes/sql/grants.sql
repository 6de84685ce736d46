-- What the application role may do with change requests: an approval is never taken back, only dismissed.
GRANT SELECT, INSERT, UPDATE ON policies_change, policies_change_approval TO :"app";
GRANT SELECT, INSERT, UPDATE, DELETE ON policies_change_edit, policies_change_check, policies_repeat TO :"app";
CREATE INDEX policies_document_history_identity ON policies_document_history (kind, tenant, name, history_id DESC);
