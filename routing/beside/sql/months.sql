-- Links and verdicts lie in the months of their shadow runs, and go with them (retention). What there is moves into its months.
CREATE TEMP TABLE beside_was ON COMMIT DROP AS SELECT * FROM routing_beside;
CREATE TEMP TABLE verdict_was ON COMMIT DROP AS SELECT * FROM routing_beside_verdict;
DROP TABLE routing_beside, routing_beside_verdict;

-- A shadow run: a call of its own (`call`) that puts the request of another (`of`) to one more model, whose answer nobody gets.
-- Nothing here is ever changed. That one call is asked beside at one model once is asked by beside_put: `of` may be of any month.
CREATE TABLE routing_beside (
  call uuid PRIMARY KEY,
  of uuid NOT NULL,
  asked_at timestamptz NOT NULL,
  tenant text NOT NULL,
  team text NOT NULL,
  route text NOT NULL,
  model text NOT NULL,
  CHECK (call <> of)
) PARTITION BY RANGE (call);
CREATE INDEX routing_beside_of ON routing_beside (of, model);
CREATE INDEX routing_beside_asked ON routing_beside (asked_at);
SELECT make_append_only('routing_beside');
GRANT SELECT, INSERT ON routing_beside TO :"app";
INSERT INTO partitioned_table VALUES ('routing_beside', 100);

-- What came of comparing both answers, once. `failed`: it gave no answer, or one that the route's validators turn down;
-- `incomparable`: one of the two cannot be read (any more), or it was cut off by us; it counts as nothing.
CREATE TABLE routing_beside_verdict (
  call uuid PRIMARY KEY,
  entry uuid NOT NULL,
  compared_at timestamptz NOT NULL DEFAULT mandate_now(),
  verdict text NOT NULL CHECK (verdict IN ('agreed', 'differed', 'failed', 'incomparable'))
) PARTITION BY RANGE (call);
SELECT make_append_only('routing_beside_verdict');
GRANT SELECT, INSERT ON routing_beside_verdict TO :"app";
INSERT INTO partitioned_table VALUES ('routing_beside_verdict', 100);

-- every month that has calls; later ones are made as those of all tables are
SELECT make_month(t.name, to_date(right(c.relname, 6), 'YYYYMM'), 100)
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid CROSS JOIN (VALUES ('routing_beside'), ('routing_beside_verdict')) t (name)
 WHERE i.inhparent = 'routing_call'::regclass;
INSERT INTO routing_beside (call, of, asked_at, tenant, team, route, model)
SELECT call, of, asked_at, tenant, team, route, model FROM beside_was;
INSERT INTO routing_beside_verdict (call, entry, compared_at, verdict) SELECT call, entry, compared_at, verdict FROM verdict_was;
