-- Whose share of a month's models bought by the hour is whose, written once: by the first tenant that closes the month, for all.
-- A row without tenant and team: hours that nobody used. The rows of a model add up to what its hours of the month cost.
-- Lock (7002, hash of ''), after that of the tenant: whoever closes a month of any tenant.
CREATE TABLE routing_capacity_share (
  tokens bigint NOT NULL CHECK (tokens >= 0),
  microhours bigint NOT NULL CHECK (microhours >= 0),
  cost_nano bigint NOT NULL CHECK (cost_nano >= 0),
  frozen_at timestamptz NOT NULL DEFAULT mandate_now(),
  entry uuid NOT NULL,
  period text NOT NULL CHECK (period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
  model text NOT NULL CHECK (model <> ''),
  tenant text NOT NULL,
  team text NOT NULL,
  PRIMARY KEY (period, model, tenant, team)
);
SELECT make_append_only('routing_capacity_share');
GRANT SELECT, INSERT ON routing_capacity_share TO :"app";

-- What of them falls to the tenant, beside the statement's total.
ALTER TABLE routing_statement ADD COLUMN capacity_nano bigint NOT NULL DEFAULT 0;
