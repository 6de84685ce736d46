"""Which rate limits a call counts against. No decision says so: what is left of them is the store's to tell."""

from typing import NamedTuple

from policies.engine.bundle import Bundle, label
from policies.engine.claims import in_scope
from policies.engine.facts import Facts


class RateClaim(NamedTuple):
    """One limit that a call counts against, named as `name` or `tenant/name`; 0 is no limit."""

    limit: str
    requests_per_minute: int
    tokens_per_minute: int
    concurrent: int
    deny_when_down: bool


def rate_claims(bundle: Bundle, facts: Facts) -> tuple[RateClaim, ...]:
    """Every limit whose whole scope the call lies in, by name: the organisation's and its own tenant's."""
    limits = bundle.scope(facts.tenant).rate_limits
    if not limits:
        return ()
    route = bundle.routes.get((facts.tenant, facts.route)) or bundle.routes.get(("", facts.route))
    if route is None:
        return ()
    return tuple(
        RateClaim(
            label(one.key),
            one.requests_per_minute,
            one.tokens_per_minute,
            one.concurrent,
            one.deny_when_down,
        )
        for one in sorted(limits, key=lambda one: one.key)
        if in_scope(one.scope, facts, route)
    )
