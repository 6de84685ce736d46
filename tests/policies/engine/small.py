"""Bundles of a few lines: an organisation, tenants `a` and `b`, a provider, a use case, and what a test adds. JSON is YAML."""

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from policies.documents.parse import parse_text
from policies.documents.whole import check_whole, not_yet_executed
from policies.engine.bundle import Bundle
from policies.engine.check import check
from policies.engine.compile import compile_bundle
from policies.engine.decide import decide
from policies.engine.decision import Candidate, Decision, RuleRef
from policies.engine.facts import Facts, KeyFacts, RequestFacts

VALID = {"by": "rui@acme.example", "on": "2026-01-01", "validUntil": "2037-12-31"}
PRICE = {"from": "2026-01-01", "currency": "EUR", "inputPerMillion": "1", "outputPerMillion": "2"}


def document(kind: str, name: str, spec: dict[str, Any], tenant: str = "", **more: Any) -> str:
    """One document as a line of JSON."""
    metadata = {"name": name} | ({"tenant": tenant} if tenant else {}) | more
    return json.dumps(
        {"apiVersion": "mandate/v1", "kind": kind, "metadata": metadata, "spec": spec}
    )


def organisation(**spec: Any) -> str:
    """The organisation, in EUR."""
    return document("Organisation", "acme", {"currency": "EUR", **spec})


def tenant(name: str, **spec: Any) -> str:
    """A tenant with the team `t`."""
    return document("Tenant", name, {"teams": ["t"], **spec})


def model(name: str, tenant: str = "", **spec: Any) -> str:
    """A model that may see public data, at 1 EUR a million in and 2 out."""
    base = {
        "provider": "p",
        "contextWindow": 10_000,
        "maxOutputTokens": 1000,
        "clearance": ["public"],
        "prices": [PRICE],
    }
    return document("Model", name, base | spec, tenant)


def route(name: str, *models: str, tenant: str = "", **spec: Any) -> str:
    """A route that falls back over models."""
    strategy = {"type": "fallback", "models": list(models)}
    return document("Route", name, {"useCase": "u", "strategy": strategy, **spec}, tenant)


def permission(name: str, tenant: str = "", **spec: Any) -> str:
    """A permission on calls, unless it says otherwise."""
    return document("Permission", name, {"on": "call", **spec}, tenant)


def budget(name: str, tenant: str = "", **spec: Any) -> str:
    """A budget of one unit of money a day."""
    return document("Budget", name, {"period": "day", "limit": "1", **spec}, tenant)


EVERYONE = permission("everyone", effect="permit")
PARTS = {
    "organisation": organisation(),
    "a": tenant("a"),
    "b": tenant("b"),
    "p": document("Provider", "p", {"type": "sandbox"}),
    "u": document(
        "UseCase",
        "u",
        {"owner": "cleo@acme.example", "purpose": "x", "riskClass": "minimal", "validation": VALID},
    ),
}


def bundle(*documents: str, **parts: str) -> Bundle:
    """The parts, any of them replaced, with documents added, checked and compiled as publishing does."""
    return compiled([*(PARTS | parts).values(), *documents])


def compiled(documents: Iterable[str]) -> Bundle:
    """Exactly these documents."""
    found = parse_text("\n---\n".join(documents) + "\n", "small.yaml")
    problems = check_whole(found) + not_yet_executed(found)
    assert problems == []
    return compile_bundle(1, found, check(found))


def call(request: dict[str, Any] | None = None, **changes: Any) -> Facts:
    """A call of tenant `a`, team `t`, on the route `r`."""
    asked = RequestFacts(
        dialect="openai.chat", data_classes=("public",), input_tokens_max=100, input_tokens_estimate=50,
    )  # fmt: skip
    base = Facts(
        now="2026-11-24T12:00:00.000Z",
        call="00" * 16,
        tenant="a",
        team="t",
        key=KeyFacts(id="k1"),
        route="r",
        request=msgspec.structs.replace(asked, **(request or {})),
    )
    return msgspec.structs.replace(base, **changes)


def steps(decision: Decision) -> tuple[Candidate, ...]:
    """The plan's steps; none when there is no plan."""
    return decision.plan.steps if decision.plan else ()


def models(of: Bundle, facts: Facts) -> list[str]:
    """The models a call may go to, as `name` or `tenant/name`; empty when it is denied."""
    found = steps(decide(of, facts))
    return ["/".join(filter(None, (s.model_tenant, s.model))) for s in found]


def refused(of: Bundle, facts: Facts) -> str:
    """The words of a denial, after a look that nothing may happen."""
    decision = decide(of, facts)
    assert decision.effect == "deny"
    assert decision.plan is None
    assert decision.denial is not None
    return f"{decision.denial.code}: {decision.denial.message}"


def names(refs: Iterable[RuleRef]) -> list[str]:
    """The names of rules."""
    return [ref.name for ref in refs]
