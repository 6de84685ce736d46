-- What the application role may do with sessions: Django makes, renews and ends them.
GRANT SELECT, INSERT, UPDATE, DELETE ON policies_session TO :"app";
