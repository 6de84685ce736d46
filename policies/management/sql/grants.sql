-- What the application role may do with the tables of policies, and the one control row.
INSERT INTO policies_control (id, revision, digest, stop_epoch) VALUES (1, 0, '', 0);
ALTER TABLE policies_control SET (fillfactor = 10);

GRANT SELECT, UPDATE ON policies_control TO :"app";
GRANT SELECT, INSERT ON policies_bundle, policies_decision TO :"app";
GRANT SELECT, INSERT, UPDATE ON policies_stop, policies_user, policies_tenant, policies_team, policies_api_key, policies_token TO :"app";
GRANT SELECT, INSERT, UPDATE, DELETE ON policies_document, policies_membership TO :"app";
GRANT SELECT, INSERT ON policies_document_history, policies_user_history, policies_tenant_history, policies_team_history,
    policies_membership_history, policies_api_key_history, policies_token_history TO :"app";

SELECT make_append_only('policies_bundle');
SELECT make_append_only('policies_decision');
INSERT INTO partitioned_table (name, fillfactor) VALUES ('policies_decision', 100);
SELECT make_months(3);
