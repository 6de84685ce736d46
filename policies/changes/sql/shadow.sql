-- What the application role may do with shadows: what they found is kept.
GRANT SELECT, INSERT, UPDATE ON policies_change_shadow TO :"app";
