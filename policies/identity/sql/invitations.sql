-- What the application role may do with invitations, and with the second factors that allauth keeps.
GRANT SELECT, INSERT, UPDATE ON policies_invitation TO :"app";
GRANT SELECT, INSERT, UPDATE, DELETE ON mfa_authenticator TO :"app";
