"""A dry run: what would be decided about such a call now. Free; nothing is written and no model is asked."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import Forbidden, NotFound
from controlplane.kernel.principal import Principal
from policies.bundles.snapshot import published
from policies.engine.explain import Trace, trace
from policies.engine.facts import Facts, KeyFacts, RequestFacts, draw_of, encode
from policies.identity.access import sees_tenant
from policies.order.ids import new_id


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
    _require(principal, wanted)
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


def _require(principal: Principal, wanted: DryRun) -> None:
    """Authors and admins try anything of the tenant, developers their own team's."""
    if not sees_tenant(principal, wanted.tenant):
        raise NotFound(f'there is no tenant "{wanted.tenant}"')
    if principal.holds("author", wanted.tenant) or principal.holds("admin", wanted.tenant):
        return
    own = (wanted.tenant, wanted.team) in principal.teams
    if not (own and principal.holds("developer", wanted.tenant)):
        raise Forbidden(
            f"a route is tried by authors, admins and the team's developers; {principal.name} is none of them"
        )
