-- Reading begins with what happens from now on: nobody is told of the past.
INSERT INTO routing_notified (id, xid, entry)
SELECT 1, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, '00000000-0000-0000-0000-000000000000';

GRANT SELECT, UPDATE ON routing_notified TO :"app";
GRANT SELECT, INSERT, UPDATE ON routing_delivery TO :"app";
GRANT SELECT, INSERT ON routing_budget_mark TO :"app";
