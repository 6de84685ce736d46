-- Calls and their attempts. A column that changes on the usual path is in no index and in no index's condition.

CREATE TABLE routing_call (
  id uuid NOT NULL,
  worker uuid,
  reply_to uuid,
  revision bigint NOT NULL,
  stop_epoch bigint NOT NULL,
  cost_nano bigint NOT NULL DEFAULT 0 CHECK (cost_nano >= 0),
  admitted_at timestamptz NOT NULL,
  deadline_at timestamptz NOT NULL,
  reserved_at timestamptz,
  moved_at timestamptz NOT NULL,
  cancel_at timestamptz,
  finished_at timestamptz,
  attempts smallint NOT NULL DEFAULT 0,
  lost_retries smallint NOT NULL DEFAULT 0,
  stream boolean NOT NULL,
  relayed boolean NOT NULL DEFAULT false,
  released boolean NOT NULL DEFAULT false,
  state text NOT NULL CHECK (state IN ('denied', 'admitted', 'running', 'held', 'completed', 'failed', 'cancelled')),
  code text NOT NULL DEFAULT '',
  tenant text NOT NULL,
  team text NOT NULL,
  key text NOT NULL,
  route text NOT NULL,
  dialect text NOT NULL,
  user_ref text NOT NULL DEFAULT '',
  run text,
  PRIMARY KEY (id),
  CHECK ((finished_at IS NULL) = (state IN ('admitted', 'running', 'held')))
) PARTITION BY RANGE (id);
CREATE INDEX routing_call_open ON routing_call (id) WHERE finished_at IS NULL;
CREATE INDEX routing_call_tenant ON routing_call (tenant, id);
CREATE INDEX routing_call_run ON routing_call (run, id) WHERE run IS NOT NULL;
INSERT INTO partitioned_table VALUES ('routing_call', 70);
GRANT SELECT, INSERT, UPDATE (worker, revision, stop_epoch, cost_nano, deadline_at, reserved_at, moved_at, cancel_at, finished_at,
      attempts, lost_retries, relayed, released, state, code) ON routing_call TO :"app";

CREATE TABLE routing_attempt (
  call uuid NOT NULL,
  revision bigint NOT NULL,
  reserved_nano bigint NOT NULL CHECK (reserved_nano >= 0),
  posted_nano bigint NOT NULL DEFAULT 0 CHECK (posted_nano >= 0),
  overrun_nano bigint NOT NULL DEFAULT 0 CHECK (overrun_nano >= 0),
  started_at timestamptz,
  settled_at timestamptz,
  unknown_at timestamptz,
  tokens_input int,
  tokens_cached int,
  tokens_cache_write int,
  tokens_output int,
  no smallint NOT NULL CHECK (no > 0),
  state text NOT NULL CHECK (state IN ('reserved', 'started', 'succeeded', 'failed', 'unknown', 'reconciled', 'voided')),
  model text NOT NULL,
  model_tenant text NOT NULL DEFAULT '',
  provider text NOT NULL,
  basis text NOT NULL DEFAULT '',
  error_class text NOT NULL DEFAULT '',
  windows bigint[] NOT NULL,
  PRIMARY KEY (call, no),
  CHECK ((unknown_at IS NOT NULL) = (state = 'unknown'))
) PARTITION BY RANGE (call);
CREATE INDEX routing_attempt_unknown ON routing_attempt (unknown_at) WHERE unknown_at IS NOT NULL;
INSERT INTO partitioned_table VALUES ('routing_attempt', 60);
GRANT SELECT, INSERT, UPDATE (revision, reserved_nano, posted_nano, overrun_nano, started_at, settled_at, unknown_at, tokens_input,
      tokens_cached, tokens_cache_write, tokens_output, state, model, model_tenant, provider, basis, error_class, windows) ON routing_attempt TO :"app";

-- The same Idempotency-Key of the same API key means the same call, for a day. Unique across months, hence no partitions.
CREATE TABLE routing_idempotency (
  call uuid NOT NULL,
  expires_at timestamptz NOT NULL,
  key text NOT NULL,
  hash bytea NOT NULL,
  digest bytea NOT NULL,
  PRIMARY KEY (key, hash)
);
CREATE INDEX routing_idempotency_expiry ON routing_idempotency (expires_at);
GRANT SELECT, INSERT, UPDATE (call, expires_at, digest), DELETE ON routing_idempotency TO :"app";

-- One row a process. A lease that ran out revives with the next renewal, unless it was buried: lost_at says so.
CREATE TABLE routing_worker_lease (
  worker uuid PRIMARY KEY,
  started_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  lost_at timestamptz,
  pid int NOT NULL,
  kind text NOT NULL CHECK (kind IN ('calls', 'web', 'jobs')),
  host text NOT NULL
) WITH (fillfactor = 10);
GRANT SELECT, INSERT, UPDATE (expires_at, lost_at), DELETE ON routing_worker_lease TO :"app";

-- When somebody last swept: one row, written every few seconds by whoever does.
CREATE TABLE routing_swept (one boolean PRIMARY KEY DEFAULT true CHECK (one), swept_at timestamptz NOT NULL) WITH (fillfactor = 10);
INSERT INTO routing_swept (swept_at) VALUES ('-infinity');
GRANT SELECT, UPDATE (swept_at) ON routing_swept TO :"app";

-- What one step takes, grouped: SQL functions take rows, not twenty arguments.
CREATE TYPE routing_ask AS (
  id uuid, reply_to uuid, revision bigint, stop_epoch bigint, ttl interval, lost_retries smallint, stream boolean,
  key_hash bytea, idempotency_hash bytea, idempotency_digest bytea,
  tenant text, team text, key text, route text, dialect text, run text, user_ref text, code text
);
-- its last attribute, `valid_until`, is in valid_until.sql
CREATE TYPE routing_reservation AS (
  amount_nano bigint, windows bigint[], limits bigint[], hard boolean[], model text, model_tenant text, provider text
);
CREATE TYPE routing_decided AS (no smallint, stage text, effect text, digest bytea, facts bytea);
CREATE TYPE routing_sealed AS (field text, no smallint, tenant_key text, subject_key text, nonce bytea, ciphertext bytea);
CREATE TYPE routing_entry AS (id uuid, body bytea);
CREATE TYPE routing_start AS (call uuid, worker uuid, revision bigint, stop_epoch bigint, no smallint, relays boolean);
CREATE TYPE routing_settlement AS (
  amount_nano bigint, no smallint, was text, becomes text, basis text, error_class text,
  tokens_input int, tokens_cached int, tokens_cache_write int, tokens_output int
);
-- revision and stop_epoch: what a decision that ends the call was made under; null where none does.
CREATE TYPE routing_ending AS (call uuid, worker uuid, revision bigint, stop_epoch bigint, state text, code text);
