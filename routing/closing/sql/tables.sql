-- Statements and adjustments. Nothing here is ever changed: a verdict on a proposal and the closing of a month are rows of their own.
-- Lock (7002, hash of the tenant): whoever closes a month, or says where an adjustment belongs.

-- What one attempt, call or invoice costs otherwise than the statement of a closed month says. `occurrence` makes the same finding
-- the same row, however often it is found.
CREATE TABLE routing_adjustment (
  id uuid PRIMARY KEY,
  call uuid,
  entry uuid NOT NULL,
  amount_nano bigint NOT NULL CHECK (amount_nano <> 0),
  proposed_at timestamptz NOT NULL DEFAULT mandate_now(),
  attempt smallint NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  kind text NOT NULL CHECK (kind IN ('late-usage', 'price-correction', 'credit', 'invoice-difference')),
  tenant text NOT NULL,
  corrects text NOT NULL CHECK (corrects ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
  occurrence text NOT NULL CHECK (occurrence <> ''),
  team text NOT NULL DEFAULT '',
  route text NOT NULL DEFAULT '',
  model text NOT NULL DEFAULT '',
  provider text NOT NULL DEFAULT '',
  note text NOT NULL DEFAULT '',
  proposed_by text NOT NULL,
  CONSTRAINT routing_adjustment_once UNIQUE (tenant, occurrence)
);
CREATE INDEX routing_adjustment_tenant ON routing_adjustment (tenant, id);
SELECT make_append_only('routing_adjustment');
GRANT SELECT, INSERT ON routing_adjustment TO :"app";

-- What finance said to a proposal, once. `period` is the open month that an accepted one belongs to.
CREATE TABLE routing_adjustment_verdict (
  adjustment uuid PRIMARY KEY,
  entry uuid NOT NULL,
  decided_at timestamptz NOT NULL DEFAULT mandate_now(),
  accepted boolean NOT NULL,
  period text NOT NULL DEFAULT '',
  reason text NOT NULL DEFAULT '',
  decided_by text NOT NULL,
  CHECK (accepted = (period <> ''))
);
CREATE INDEX routing_adjustment_period ON routing_adjustment_verdict (period) WHERE accepted;
SELECT make_append_only('routing_adjustment_verdict');
GRANT SELECT, INSERT ON routing_adjustment_verdict TO :"app";

-- A month as somebody prepared it: `body` is canonical JSON, `digest` its SHA-256. Prepared again it is another row.
CREATE TABLE routing_statement (
  id uuid PRIMARY KEY,
  cut_off_at timestamptz NOT NULL,
  spent_nano bigint NOT NULL,
  accrued_nano bigint NOT NULL,
  adjusted_nano bigint NOT NULL,
  tenant text NOT NULL,
  period text NOT NULL CHECK (period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
  digest text NOT NULL,
  prepared_by text NOT NULL,
  entry uuid NOT NULL,
  body bytea NOT NULL CHECK (sha256(body) = decode(digest, 'hex'))
);
CREATE INDEX routing_statement_period ON routing_statement (tenant, period, id);
SELECT make_append_only('routing_statement');
GRANT SELECT, INSERT ON routing_statement TO :"app";

-- A month is closed once, and never opened again.
CREATE TABLE routing_period (
  statement uuid NOT NULL UNIQUE,
  entry uuid NOT NULL,
  closed_at timestamptz NOT NULL DEFAULT mandate_now(),
  tenant text NOT NULL,
  period text NOT NULL,
  closed_by text NOT NULL,
  PRIMARY KEY (tenant, period)
);
SELECT make_append_only('routing_period');
GRANT SELECT, INSERT ON routing_period TO :"app";
