-- What the last check of each kind said, and what providers billed: an import is never changed.
GRANT SELECT, INSERT, UPDATE ON routing_standing TO :"app";
SELECT make_append_only('routing_invoice');
GRANT SELECT, INSERT ON routing_invoice TO :"app";
