-- Shadow runs: a call of its own (`call`) that puts the request of another (`of`) to one more model, whose answer nobody gets.
-- Not partitioned: one call is asked beside at one model once, whatever the months. Nothing here is ever changed.
CREATE TABLE routing_beside (
  call uuid PRIMARY KEY,
  of uuid NOT NULL,
  asked_at timestamptz NOT NULL,
  tenant text NOT NULL,
  team text NOT NULL,
  route text NOT NULL,
  model text NOT NULL,
  CONSTRAINT routing_beside_once UNIQUE (of, model),
  CHECK (call <> of)
);
CREATE INDEX routing_beside_asked ON routing_beside (asked_at);
SELECT make_append_only('routing_beside');
GRANT SELECT, INSERT ON routing_beside TO :"app";

-- What came of comparing both answers, once. `failed`: it gave no answer, or one that the route's validators turn down;
-- `incomparable`: one of the two cannot be read (any more), or it was cut off by us; it counts as nothing.
CREATE TABLE routing_beside_verdict (
  call uuid PRIMARY KEY,
  entry uuid NOT NULL,
  compared_at timestamptz NOT NULL DEFAULT mandate_now(),
  verdict text NOT NULL CHECK (verdict IN ('agreed', 'differed', 'failed', 'incomparable'))
);
SELECT make_append_only('routing_beside_verdict');
GRANT SELECT, INSERT ON routing_beside_verdict TO :"app";

CREATE TYPE routing_beside_link AS (of uuid, model text, ceilings bigint[]);
