"""Attempts that stayed unknown, as a worker that died leaves them: in a world with a route, a price and a budget."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import connection

from controlplane.kernel.ids import IdSource, call_name
from policies.bundles.snapshot import published
from policies.engine.decide import decide
from policies.engine.facts import Facts, KeyFacts, RequestFacts, draw_of, encode
from tests.policies.changes.world import World, force

DOCUMENTS = """\
apiVersion: mandate/v1
kind: Provider
metadata: {{name: sky, tenant: {0}}}
spec: {{type: openai-compatible, baseUrl: "https://nobody.invalid/v1"}}
---
apiVersion: mandate/v1
kind: Model
metadata: {{name: small, tenant: {0}}}
spec:
  provider: sky
  upstreamName: small
  tier: small
  capabilities: [chat]
  contextWindow: 4000
  maxOutputTokens: 1000
  regions: [eu]
  clearance: [public, internal]
  prices:
    - {{from: 2026-01-01, currency: EUR, inputPerMillion: "1", cachedInputPerMillion: "0.1",
       outputPerMillion: "10", batchFactor: "0.5"}}
---
apiVersion: mandate/v1
kind: UseCase
metadata: {{name: asking, tenant: {0}}}
spec:
  owner: cleo@acme.example
  purpose: "Ask"
  riskClass: limited
  dataClasses: [internal]
  reviewOn: 2027-03-01
  validation: {{by: rui@acme.example, on: 2026-01-01, evidence: "tried", validUntil: 2090-10-01}}
---
apiVersion: mandate/v1
kind: Permission
metadata: {{name: may-call, tenant: {0}}}
spec: {{effect: permit, on: call}}
---
apiVersion: mandate/v1
kind: Route
metadata: {{name: ask, tenant: {0}}}
spec: {{useCase: asking, task: chat, strategy: {{type: single, model: small}}}}
"""
_CALL = """
INSERT INTO routing_call (id, revision, stop_epoch, admitted_at, deadline_at, reserved_at, moved_at, finished_at, attempts,
                          stream, state, code, tenant, team, key, route, dialect)
VALUES (%s, %s, 0, now(), now(), now(), now(), now(), 1, false, 'failed', 'worker_lost', %s, 'claims', 'k1', 'ask',
        'openai.chat')
"""
_ATTEMPT = """
INSERT INTO routing_attempt (call, revision, reserved_nano, started_at, unknown_at, no, state, model, model_tenant, provider,
                             error_class, windows)
VALUES (%s, %s, %s, now(), now(), 1, 'unknown', 'small', %s, 'sky', 'worker_lost', %s)
"""
IDS = IdSource()


@dataclass
class Lost:
    """A tenant with one budget of 1,000,000 nano units, and its lost attempts."""

    world: World
    window: int = 0
    calls: list[UUID] = field(default_factory=list)

    @classmethod
    def of(cls, world: World) -> "Lost":
        """Publish the documents and open the window."""
        force(*DOCUMENTS.format(world.tenant).split("---\n"))
        made = cls(world)
        [(made.window,)] = _ask(
            "SELECT id FROM open_windows(ARRAY[%s], ARRAY['month'], ARRAY[''], ARRAY[now() - interval '1 day'], "
            "ARRAY[now() + interval '1 day'], ARRAY[9::smallint])",
            world.tenant,
        )
        return made

    def attempt(self, reserved_nano: int) -> str:
        """One more; the name of its call."""
        call, snapshot, tenant = IDS.new(), published(), self.world.tenant
        facts = Facts(
            now=f"{datetime.now(tz=UTC):%Y-%m-%dT%H:%M:%SZ}",
            call=call.hex,
            tenant=tenant,
            team="claims",
            key=KeyFacts(id="k1"),
            route="ask",
            request=RequestFacts(dialect="openai.chat", input_tokens_max=500, output_tokens_asked=100),
            draw=draw_of(sha256(call.bytes).digest()),
        )  # fmt: skip
        decision = decide(snapshot.bundle, facts)
        assert decision.effect == "permit"
        with connection.cursor() as cursor:
            cursor.execute(_CALL, [call, snapshot.revision, tenant])
            cursor.execute(
                _ATTEMPT, [call, snapshot.revision, reserved_nano, tenant, [self.window]]
            )
            cursor.execute(
                "SELECT decision_put(%s, 1::smallint, 'request', %s, %s, 'permit', %s, %s)",
                [call, tenant, snapshot.revision, decision.digest, encode(facts)],
            )
            cursor.execute(
                "SELECT ledger_reserve(ARRAY[%s::bigint], ARRAY[1000000::bigint], '{t}', %s, %s)",
                [self.window, reserved_nano, snapshot.revision],
            )
        self.calls.append(call)
        return call_name(call)

    def money(self) -> tuple[int, int, int]:
        """Posted, pending, overrun."""
        query = "SELECT posted_nano, pending_nano, overrun_nano FROM routing_ledger_window WHERE id = %s"
        [(posted, pending, overrun)] = _ask(query, self.window)
        return posted, pending, overrun

    def posting(self, call: UUID) -> list[tuple[Any, ...]]:
        """Kind, basis, posted and overrun."""
        query = "SELECT kind, basis, posted_nano, overrun_nano FROM routing_posting WHERE call = %s"
        return _ask(query, call)


def _ask(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, list(values))
        return list(cursor.fetchall())
