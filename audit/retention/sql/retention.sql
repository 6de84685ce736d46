-- Legal holds and erasures; `drop_month.sql` is the one way to take an old month away. Lock (7001, 4): whoever sets or lifts a hold, erases or prunes.

-- Set by one person, lifted by two. What is held is named as in the entry: a tenant, a use case, a call, a subject's key.
CREATE TABLE audit_hold (
  id uuid PRIMARY KEY,
  call uuid,
  set_at timestamptz NOT NULL DEFAULT mandate_now(),
  lift_asked_at timestamptz,
  lifted_at timestamptz,
  kind text NOT NULL CHECK (kind IN ('organisation', 'tenant', 'use-case', 'call', 'subject')),
  tenant text NOT NULL,
  name text NOT NULL,
  reason text NOT NULL CHECK (reason <> ''),
  set_by text NOT NULL,
  lift_asked_by text NOT NULL DEFAULT '',
  lifted_by text NOT NULL DEFAULT '',
  CHECK ((kind = 'organisation') = (tenant = '' AND name = '')),
  CHECK ((kind = 'call') = (call IS NOT NULL))
);
CREATE INDEX audit_hold_on ON audit_hold (set_at) WHERE lifted_at IS NULL;
GRANT SELECT, INSERT, UPDATE (lift_asked_at, lift_asked_by, lifted_at, lifted_by) ON audit_hold TO :"app";

-- Asked for by one person, done by another (or by the retention of a tenant). A key is named and fingerprinted, never held here: after
-- a restore of the key store whoever starts destroys again what these rows name.
CREATE TABLE audit_erasure (
  id uuid PRIMARY KEY,
  asked_at timestamptz NOT NULL DEFAULT mandate_now(),
  erased_at timestamptz,
  kind text NOT NULL CHECK (kind IN ('user', 'team', 'month')),
  tenant text NOT NULL,
  key text NOT NULL,
  fingerprint text NOT NULL DEFAULT '',
  basis text NOT NULL CHECK (basis <> ''),
  asked_by text NOT NULL,
  erased_by text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX audit_erasure_open ON audit_erasure (key) WHERE erased_at IS NULL;
CREATE INDEX audit_erasure_done ON audit_erasure (erased_at) WHERE erased_at IS NOT NULL;
GRANT SELECT, INSERT, UPDATE (erased_at, erased_by, fingerprint) ON audit_erasure TO :"app";

-- What a month of the log holds: entries of calls and sign-ins, which go; the acts, which stay, since a process asks for the first
-- `bundle.activated` of its revision for ever; how many have no signed place; and what `log.pruned` must say.
CREATE FUNCTION month_of_log(p_month date, OUT goes bigint, OUT stays bigint, OUT outside bigint, OUT minimum bigint, OUT kept_digest text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  low uuid := public.uuid7_floor(date_trunc('month', p_month)::timestamp AT TIME ZONE 'UTC');
  high uuid := public.uuid7_floor((date_trunc('month', p_month) + interval '1 month')::timestamp AT TIME ZONE 'UTC');
  signed bigint := (SELECT coalesce(max(c.size), 0) FROM public.audit_checkpoint c WHERE c.log = 1);
BEGIN
  SELECT count(*) FILTER (WHERE NOT stay), count(*) FILTER (WHERE stay), count(*) FILTER (WHERE index IS NULL OR index >= signed), max(index) + 1,
         encode(sha256(coalesce(string_agg(int8send(index), ''::bytea ORDER BY index) FILTER (WHERE stay), ''::bytea)), 'hex')
    INTO goes, stays, outside, minimum, kept_digest
    FROM (SELECT l.index, e.call IS NULL AND e.kind NOT LIKE 'signin.%' AS stay
            FROM public.audit_entry e LEFT JOIN public.audit_leaf l ON l.entry = e.id WHERE e.id >= low AND e.id < high) rows;
END $$;
GRANT EXECUTE ON FUNCTION month_of_log(date) TO :"app";
