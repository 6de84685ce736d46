-- One budget in one period: what was posted, what is held, what providers billed above their reservations. The row is
-- hot: no index on a counter, room on the page, and a vacuum that does not wait. `rank` (narrow to wide) is fixed when
-- the row is made, so that old settlements and new admissions keep one lock order.
CREATE TABLE routing_ledger_window (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  starts timestamptz NOT NULL,
  ends timestamptz NOT NULL CHECK (ends > starts),
  limit_nano bigint NOT NULL DEFAULT 0 CHECK (limit_nano >= 0),
  limit_revision bigint NOT NULL DEFAULT 0,
  posted_nano bigint NOT NULL DEFAULT 0 CHECK (posted_nano >= 0),
  pending_nano bigint NOT NULL DEFAULT 0 CHECK (pending_nano >= 0),
  overrun_nano bigint NOT NULL DEFAULT 0 CHECK (overrun_nano >= 0),
  rank smallint NOT NULL,
  hard boolean NOT NULL DEFAULT true,
  tenant text NOT NULL,
  budget text NOT NULL,
  subject text NOT NULL,
  CONSTRAINT routing_ledger_window_once UNIQUE (tenant, budget, subject, starts, ends)
) WITH (fillfactor = 15, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0);
GRANT SELECT, INSERT (starts, ends, rank, tenant, budget, subject),
      UPDATE (limit_nano, limit_revision, posted_nano, pending_nano, overrun_nano, hard) ON routing_ledger_window TO :"app";

-- An attempt's end in money. Its primary key is "charged exactly once".
CREATE TABLE routing_posting (
  call uuid NOT NULL,
  posted_at timestamptz NOT NULL,
  posted_nano bigint NOT NULL CHECK (posted_nano >= 0),
  overrun_nano bigint NOT NULL CHECK (overrun_nano >= 0),
  attempt smallint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('succeeded', 'failed', 'reconciled', 'voided')),
  basis text NOT NULL CHECK (basis IN ('reported', 'counted', 'reserve', 'person', 'none')),
  PRIMARY KEY (call, attempt)
) PARTITION BY RANGE (call);
SELECT make_append_only('routing_posting');
INSERT INTO partitioned_table VALUES ('routing_posting', 100);
GRANT SELECT, INSERT ON routing_posting TO :"app";
