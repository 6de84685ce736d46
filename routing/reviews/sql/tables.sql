-- Held calls that wait for a person, and what people decided about them. A case changes only under its call's row lock.

CREATE TABLE routing_review_case (
  id uuid PRIMARY KEY,
  call uuid NOT NULL,
  revision bigint NOT NULL,
  opened_at timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  closed_at timestamptz,
  claimed_until timestamptz,
  approvals smallint NOT NULL CHECK (approvals > 0),
  version smallint NOT NULL DEFAULT 0,
  round smallint NOT NULL DEFAULT 1,
  stage text NOT NULL CHECK (stage IN ('request', 'response', 'failure', 'sample')),
  outcome text NOT NULL DEFAULT '' CHECK (outcome IN ('', 'approved', 'edited', 'redacted', 'rejected', 'overdue-released', 'overdue-rejected', 'cancelled')),
  on_overdue text NOT NULL CHECK (on_overdue IN ('escalate', 'reject', 'release')),
  tenant text NOT NULL,
  team text NOT NULL,
  key text NOT NULL,
  route text NOT NULL,
  queue text NOT NULL,
  queue_tenant text NOT NULL,
  escalate_to text NOT NULL DEFAULT '',
  came_from text NOT NULL DEFAULT '',
  claimed_by text NOT NULL DEFAULT '',
  message text NOT NULL,
  rules jsonb NOT NULL,
  CHECK ((closed_at IS NULL) = (outcome = '')),
  CHECK ((claimed_by = '') = (claimed_until IS NULL))
) WITH (fillfactor = 70);
-- INVARIANT: a held call has one case at a time
CREATE UNIQUE INDEX routing_review_case_held ON routing_review_case (call) WHERE closed_at IS NULL AND stage <> 'sample';
CREATE UNIQUE INDEX routing_review_case_sample ON routing_review_case (call, queue_tenant, queue) WHERE stage = 'sample';
CREATE INDEX routing_review_case_call ON routing_review_case (call);
CREATE INDEX routing_review_case_due ON routing_review_case (due_at) WHERE closed_at IS NULL;
CREATE INDEX routing_review_case_tenant ON routing_review_case (tenant, id);
GRANT SELECT, INSERT, UPDATE (due_at, closed_at, claimed_until, approvals, version, round, outcome, on_overdue, queue, queue_tenant,
      escalate_to, came_from, claimed_by) ON routing_review_case TO :"app";

CREATE TABLE routing_review_decision (
  review uuid NOT NULL REFERENCES routing_review_case (id),
  decided_at timestamptz NOT NULL,
  no smallint NOT NULL CHECK (no > 0),
  version smallint NOT NULL,
  round smallint NOT NULL,
  verdict text NOT NULL CHECK (verdict IN ('approved', 'edited', 'redacted', 'rejected')),
  actor text NOT NULL,
  reason text NOT NULL,
  PRIMARY KEY (review, no)
);
SELECT make_append_only('routing_review_decision');
GRANT SELECT, INSERT ON routing_review_decision TO :"app";

CREATE TYPE routing_review AS (
  id uuid, call uuid, revision bigint, due interval, approvals smallint, stage text, on_overdue text, tenant text, team text, key text, route text,
  queue text, queue_tenant text, escalate_to text, message text, rules text
);
CREATE TYPE routing_verdict AS (review uuid, call uuid, ttl interval, version smallint, actor text, verdict text, reason text, code text);
CREATE TYPE routing_overdue AS (review uuid, call uuid, due_at timestamptz, ttl interval, version smallint, verdict text, code text);
