"""A tenant with one model whose price can be corrected, and attempts charged at the price of their day."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from audit.log.append import append
from audit.log.entry import build
from controlplane.kernel.clock import to_text
from controlplane.kernel.ids import IdSource
from policies.bundles.snapshot import published
from policies.engine.calendar import today_at
from policies.engine.pricing import UsageCounts, cost, price_on
from policies.order.lock import control
from routing.calls.models import Attempt, Call
from routing.ledger.models import Posting
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
  upstreamName: sky-small-1
  contextWindow: 4000
  maxOutputTokens: 1000
  prices: [{1}]
"""
PRICE = 'from: 2026-01-01, currency: EUR, inputPerMillion: "1", outputPerMillion: "10"'


@dataclass
class Shop:
    """Money of one tenant. `ids` makes calls of now."""

    world: World
    ids: IdSource = field(default_factory=IdSource)

    def price(self, *rows: str, more: str = "") -> int:
        """Publish the model with these prices, and `more` of its spec; the revision."""
        rows = rows or (PRICE,)
        listed = ", ".join(f"{{{row}}}" for row in rows)
        return force(*(DOCUMENTS.format(self.world.tenant, listed) + more).split("---\n"))

    @property
    def tenant(self) -> str:
        return self.world.tenant

    def attempt(
        self, usage: UsageCounts | None, charged_nano: int | None = None, **more: Any
    ) -> UUID:
        """A call of now with one attempt, charged as the bundle in force says or as told; its call."""
        bundle, now = published().bundle, datetime.now(UTC)
        if charged_nano is None and usage is not None:
            model = bundle.models[self.tenant, "small"]
            price = price_on(
                bundle, model, today_at(to_text(now), bundle.scope(self.tenant).time_zone)
            )
            assert price is not None
            charged_nano = cost(price.ref, usage)
        spent = charged_nano or 0
        overrun, lost = more.get("overrun", 0), more.get("state") == "unknown"
        call = self.ids.new()
        Call(
            id=call, revision=control().revision, stop_epoch=0, cost_nano=spent, admitted_at=now, deadline_at=now, moved_at=now,
            finished_at=now, attempt_count=1, lost_retries=0, stream=False, relayed=False, released=False, state="completed",
            code="", tenant=self.tenant, team="claims", key="k1", route="ask", dialect="openai.chat", user_ref="",
        ).save(force_insert=True)  # fmt: skip
        Attempt(
            call_id=call, no=1, revision=control().revision, reserved_nano=more.get("reserved", spent),
            posted_nano=spent - overrun, overrun_nano=overrun, started_at=now, settled_at=None if lost else now,
            unknown_at=now if lost else None, state=more.get("state", "succeeded"), model="small",
            model_tenant=self.tenant, provider="sky", basis=more.get("basis", "reported"), error_class="",
            windows=more.get("windows", []), service_tier=more.get("service_tier", ""),
            **({} if usage is None else {
                "tokens_input": usage.input, "tokens_cached": usage.cached_input, "tokens_cache_write": usage.cache_write,
                "tokens_output": usage.output,
            }),
        ).save(force_insert=True)  # fmt: skip
        if more.get("post", True):
            Posting(
                call=call, attempt=1, posted_at=now, posted_nano=spent - overrun, overrun_nano=overrun,
                kind=more.get("state", "succeeded"), basis=more.get("basis", "reported"),
            ).save(force_insert=True)  # fmt: skip
        if more.get("entry", True):
            parts = {n: c for n, c in (usage._asdict() if usage else {}).items() if c}
            told = {
                "no": 1,
                "amount": str(more.get("told", spent)),
                "tokens": parts,
                "basis": "reported",
            }
            fields: dict[str, Any] = {"actor": "job:test", "tenant": self.tenant, "call": call}
            made = build("attempt.succeeded", id=self.ids.new(), at=now, data=told, **fields)
            with transaction.atomic():
                append(made)
        return call


def ask(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, list(values))
        return list(cursor.fetchall())
