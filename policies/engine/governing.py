"""The views of what governs answers, exceptions and speed: tiers, validators, escalation rules, scopes."""

import re
from collections.abc import Iterable
from typing import Any

from controlplane.kernel.money import parse_nano
from policies.engine.beside import share_of
from policies.engine.bundle import (
    ExceptionView,
    Extract,
    Governed,
    Key,
    RateLimitView,
    RulesView,
    Scope,
    TierView,
    ValidatorView,
)
from policies.engine.maker import Maker
from policies.engine.rules import Rule

ESCALATION = "EscalationRule"


def scope(maker: Maker, document: Governed) -> Scope:
    """The scope of a document, its references resolved from its own tenant."""
    parts = {k: v for k, v in document.spec["scope"].items() if v}
    tenant = document.tenant
    return Scope(
        parts=parts,
        model=maker.key("Model", tenant, parts.get("model")),
        provider=maker.key("Provider", tenant, parts.get("provider")),
        route=maker.key("Route", tenant, parts.get("route")),
        use_case=maker.key("UseCase", tenant, parts.get("useCase")),
    )


def escalation(maker: Maker, document: Governed) -> Rule:
    """An EscalationRule as a rule: `on` is its stage, `queue` where it sends what it holds."""
    return Rule(
        tenant=document.tenant,
        name=document.name,
        effect="escalate",
        level="",
        on=document.spec["stage"],
        owner=document.owner,
        file="",
        line=0,
        when=maker.expression(document, "spec.when"),
        message=None,
        obligations=None,
        kind=ESCALATION,
        queue=maker.must("ReviewQueue", document.tenant, document.spec["queue"]),
    )


def approvals(maker: Maker, tools: Iterable[Governed]) -> dict[str, dict[str, Key]]:
    """Which tools need a person each time, by tenant and name, and whose. One from before it had a queue asks nobody."""
    found: dict[str, dict[str, Key]] = {}
    for tool in tools:
        if tool.spec["approval"] == "always" and tool.spec["queue"]:
            queue = maker.must("ReviewQueue", tool.tenant, tool.spec["queue"])
            found.setdefault(tool.tenant, {})[tool.name] = queue
    return found


def validator(maker: Maker, document: Governed) -> ValidatorView:
    """A Validator."""
    spec = document.spec
    return ValidatorView(
        key=(document.tenant, document.name),
        type=spec["type"],
        schema=spec["schema"] or {},
        when=maker.expression(document, "spec.when") if spec["when"] else None,
        message=spec["message"] or "",
        on_failure=spec["onFailure"],
        queue=maker.key("ReviewQueue", document.tenant, spec["queue"]),
    )


def exception(maker: Maker, document: Governed) -> ExceptionView:
    """An Exception."""
    spec, tenant = document.spec, document.tenant
    return ExceptionView(
        key=(tenant, document.name),
        permission=maker.key("Permission", tenant, spec["permission"]),
        budget=maker.key("Budget", tenant, spec["budget"]),
        raise_nano=parse_nano(spec["raiseBy"] or "0"),
        scope=scope(maker, document),
        expires_on=spec["expiresOn"],
        reason=spec["reason"],
    )


def rate_limit(maker: Maker, document: Governed) -> RateLimitView:
    """A RateLimit."""
    spec = document.spec
    return RateLimitView(
        key=(document.tenant, document.name),
        scope=scope(maker, document),
        requests_per_minute=spec["requestsPerMinute"] or 0,
        tokens_per_minute=spec["tokensPerMinute"] or 0,
        concurrent=spec["concurrent"] or 0,
        deny_when_down=spec["onStoreDown"] == "deny",
    )


def rules(maker: Maker, document: Governed) -> RulesView | None:
    """The rules of a model that is nothing else; None for any other."""
    spec = document.spec["rules"]
    if spec is None:
        return None
    return RulesView(
        extracts=tuple(
            Extract(one["name"], one["after"], re.compile(one["pattern"], re.ASCII))
            for one in spec["extract"]
        ),
        lookups={name: dict(table) for name, table in spec["lookups"].items()},
        rows=tuple(
            (
                maker.expression(document, f"spec.rules.rows[{i}].when", row["when"])
                if row["when"] != "true"
                else None,
                maker.expression(document, f"spec.rules.rows[{i}].answer", row["answer"]),
            )
            for i, row in enumerate(spec["rows"])
        ),
    )


def checked_route(maker: Maker, document: Governed) -> dict[str, Any]:
    """The fields of a RouteView that say how answers are checked."""
    spec, tenant = document.spec, document.tenant
    measured = spec["confidence"] or {"method": "", "samples": 1}
    otherwise = spec["strategy"].get("otherwise") or {}
    return {
        "tiers": _tiers(maker, document),
        "method": measured["method"],
        "samples": measured["samples"] if measured["method"] == "agreement" else 1,
        "validators": tuple(maker.must("Validator", tenant, n) for n in spec["validators"]),
        "otherwise": maker.key("ReviewQueue", tenant, otherwise.get("escalate")),
        "stream": spec["stream"],
    }


def asked_beside(maker: Maker, document: Governed) -> dict[str, Any]:
    """The fields of a RouteView that say which models are asked beside, and how often."""
    shadow = document.spec["shadow"]
    if not shadow:
        return {}
    return {
        "beside": tuple(maker.must("Model", document.tenant, n) for n in shadow["models"]),
        "beside_share": share_of(shadow["percent"]),
    }


def _tiers(maker: Maker, document: Governed) -> tuple[TierView, ...]:
    strategy = document.spec["strategy"]
    if strategy["type"] != "cascade":
        return ()
    return tuple(
        TierView(
            models=tuple(maker.must("Model", document.tenant, n) for n in tier["models"] or ()),
            accept=maker.expression(
                document, f"spec.strategy.tiers[{index}].accept", tier["accept"]
            )
            if tier["accept"]
            else None,
        )
        for index, tier in enumerate(strategy["tiers"])
    )
