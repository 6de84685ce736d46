"""A dry run: what would be decided about such a call now. Free; nothing is written and no model is asked."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controlplane.kernel.clock import to_text
from controlplane.kernel.principal import Principal
from policies.bundles.snapshot import published
from policies.engine.explain import Trace, trace
from policies.engine.facts import Facts, KeyFacts, RequestFacts, draw_of, encode
from policies.order.ids import new_id
from routing.reports import access


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """Who would ask for what; `request` has the fields of the facts of that name."""

    tenant: str
    team: str
    route: str
    key: str
    request: Mapping[str, Any]
    now: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """The facts that were decided, and the decision with all it considered."""

    facts: Facts
    trace: Trace


def decide_dry(principal: Principal, wanted: DryRun) -> Found:
    """Decide. Raises NotFound for another tenant, Forbidden for whoever may not try routes, TooLarge, Unavailable."""
    access.require_try(principal, wanted.tenant, wanted.team)
    snapshot = published()
    call = new_id()
    asked = wanted.request
    facts = Facts(
        now=to_text(wanted.now),
        call=call.hex,
        draw=draw_of(hashlib.sha256(call.bytes).digest()),
        tenant=wanted.tenant,
        team=wanted.team,
        key=KeyFacts(id=wanted.key),
        route=wanted.route,
        request=RequestFacts(
            dialect=asked["dialect"],
            data_classes=tuple(asked["dataClasses"]),
            tools=tuple(asked["tools"]),
            needs=tuple(asked["needs"]),
            input_tokens_max=asked["inputTokensMax"],
            input_tokens_estimate=asked["inputTokensMax"],
            output_tokens_asked=asked["outputTokensAsked"],
            stream=asked["stream"],
            n=asked["n"],
            language=asked["language"],
            labels=dict(asked["labels"]),
        ),
        stops=snapshot.stops,
    )
    encode(facts)
    return Found(facts, trace(snapshot.bundle, facts))
