"""Recorded decisions of one test's tenants, made as the walk makes them, and a world beyond policy that a test writes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.db import connection

from controlplane.kernel.clock import to_text
from controlplane.kernel.ids import IdSource, uuid7_time
from policies.bundles.snapshot import published
from policies.engine.decide import decide
from policies.engine.facts import Facts, KeyFacts, RequestFacts, encode
from policies.order.lock import mandate_now
from policies.replay.answers import Spoken
from policies.replay.values import Attempted
from policies.replay.words import Asked

PRICE = {"from": "2026-01-01", "currency": "EUR"}


def yaml(kind: str, name: str, spec: Mapping[str, object], of: str = "") -> str:
    """One document; JSON is YAML."""
    metadata = {"name": name} | ({"tenant": of} if of else {})
    return f"{json.dumps({'apiVersion': 'mandate/v1', 'kind': kind, 'metadata': metadata, 'spec': spec})}\n"


def documents(of: str) -> list[str]:
    """A tenant's own provider, two models, a use case, a permit and the route `ask`: cheap first, then dear."""

    def model(name: str, vendor: str, paid: str) -> str:
        spec = {
            "provider": "p",
            "regions": ["eu" if vendor == "here" else "us"],
            "contextWindow": 10_000,
            "maxOutputTokens": 1000,
            "clearance": ["public"],
            "prices": [{**PRICE, "inputPerMillion": paid, "outputPerMillion": paid}],
        }
        text = json.loads(yaml("Model", name, spec, of))
        text["metadata"]["labels"] = {"vendor": vendor}
        return f"{json.dumps(text)}\n"

    valid = {"by": "rui@acme.example", "on": "2026-01-01", "validUntil": "2037-12-31"}
    return [
        yaml("Provider", "p", {"type": "sandbox"}, of),
        model("cheap", "there", "1"),
        model("dear", "here", "10"),
        yaml("UseCase", "u", {"owner": "cleo@acme.example", "purpose": "x", "riskClass": "minimal", "validation": valid}, of),
        yaml("Permission", "all", {"effect": "permit", "on": "call"}, of),
        yaml("Route", "ask", {"useCase": "u", "strategy": {"type": "fallback", "models": ["cheap", "dear"]}}, of),
    ]  # fmt: skip


@dataclass
class Past:
    """What calls used, named and were answered; `batches` counts how many calls at once it was asked about."""

    used: dict[UUID, tuple[Attempted, ...]] = field(default_factory=dict)
    texts: dict[tuple[UUID, int], str] = field(default_factory=dict)
    words: dict[UUID, Asked] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)

    def attempts(self, calls: Sequence[UUID]) -> Mapping[UUID, Sequence[Attempted]]:
        """Those of these calls."""
        self.batches.append(len(calls))
        return {call: self.used[call] for call in calls if call in self.used}

    def said(self, call: UUID, no: int) -> Spoken | None:
        """A text, or None."""
        text = self.texts.get((call, no))
        return None if text is None else Spoken(text, "stop", 10)

    def asked(self, calls: Sequence[UUID]) -> Mapping[UUID, Asked]:
        """Those of these calls."""
        return {call: self.words[call] for call in calls if call in self.words}


def record(tenant: str, hours_ago: float = 1.0, team: str = "claims", **request: object) -> UUID:
    """One decision about a call of a team on `ask`, under what is published now, recorded as admission does."""
    at = mandate_now() - timedelta(hours=hours_ago)
    call = IdSource(lambda: at).new()
    facts = Facts(
        now=to_text(uuid7_time(call)),
        call=call.hex,
        tenant=tenant,
        team=team,
        key=KeyFacts(id="k"),
        route="ask",
        request=RequestFacts(
            dialect="openai.chat",
            data_classes=("public",),
            input_tokens_max=100,
            input_tokens_estimate=50,
            **request,  # type: ignore[arg-type] # a test's own fields
        ),
    )
    found = published()
    decision = decide(found.bundle, facts)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT decision_put(%s, 1::smallint, 'request', %s, %s, %s, %s, %s)",
            [call, tenant, found.revision, decision.effect, decision.digest, encode(facts)],
        )
    return call
