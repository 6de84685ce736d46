-- What the application role may do with changes that one person published alone: none is ever forgotten.
GRANT SELECT, INSERT, UPDATE ON policies_change_glass TO :"app";
