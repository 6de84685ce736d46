"""PURE: which routes serve a use case, which calls are theirs, and which documents govern it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from django.db.models import Q

from policies.bundles.published import Governed, Published

KINDS: Final = (
    *("UseCase", "Route", "Permission", "EscalationRule", "ReviewQueue", "Validator"),
    *("Exception", "Budget", "RateLimit", "Model", "Provider", "PolicyTest", "Organisation"),
)
"""What bears on a decision about a call, and is listed; grants and tenants are not."""
EVERYWHERE: Final = ("Permission", "EscalationRule", "ReviewQueue", "Organisation")
"""Kinds that bear on every call of the place in which they stand."""


def routes_of(use_case: Governed, found: Published) -> tuple[Governed, ...]:
    """The routes that mean this use case: a reference resolves in its own tenant first."""
    named = (route for route in found.of("Route") if route.spec.get("useCase") == use_case.name)
    return tuple(r for r in named if found.find("UseCase", r.tenant, use_case.name) == use_case)


def calls_of(routes: Sequence[Governed], found: Published) -> Q:
    """The condition on rows with `tenant` and `route`. A tenant's route hides the organisation's of its name."""
    condition = Q(pk__in=[])
    for route in routes:
        if route.tenant:
            condition |= Q(tenant=route.tenant, route=route.name)
            continue
        hidden = [r.tenant for r in found.of("Route") if r.name == route.name and r.tenant]
        condition |= Q(route=route.name) & ~Q(tenant__in=hidden)
    return condition


def places_of(use_case: Governed, routes: Sequence[Governed]) -> frozenset[str]:
    """Where documents that govern it can stand: the organisation, its tenant, and those of its routes."""
    return frozenset({"", use_case.tenant, *(route.tenant for route in routes)})


def governing(
    use_case: Governed, routes: Sequence[Governed], found: Published
) -> tuple[Governed, ...]:
    """The documents in force that bear on its calls, in the order in which they are read."""
    places, models = places_of(use_case, routes), set(_models(routes))
    served = {(route.tenant, route.name) for route in routes}
    validators = {name for route in routes for name in route.spec.get("validators") or ()}
    providers = {d.spec.get("provider") for d in found.of("Model") if d.name in models}
    bears: dict[str, Callable[[Governed], bool]] = {
        "UseCase": lambda one: one == use_case,
        "Route": lambda one: (one.tenant, one.name) in served,
        "Model": lambda one: one.name in models,
        "Provider": lambda one: one.name in providers,
        "Validator": lambda one: one.name in validators,
        "Budget": lambda one: _scoped(one, places, routes),
        "RateLimit": lambda one: _scoped(one, places, routes),
        "Exception": lambda one: _scoped(one, places, routes),
        "PolicyTest": lambda one: supposes(one, routes),
    }
    rows = [
        d
        for d in found.documents
        if d.kind in KINDS and d.tenant in places and bears.get(d.kind, _always)(d)
    ]
    return tuple(sorted(rows, key=lambda d: (KINDS.index(d.kind), d.tenant, d.name)))


def _always(one: Governed) -> bool:  # noqa: ARG001 - permissions, rules and queues bear wherever they stand
    return True


def supposes(test: Governed, routes: Sequence[Governed]) -> bool:
    """Whether a PolicyTest supposes a call of one of these routes."""
    given = test.spec["given"]
    return any(
        given.get("route") == route.name and route.tenant in ("", given.get("tenant"))
        for route in routes
    )


def _scoped(one: Governed, places: frozenset[str], routes: Sequence[Governed]) -> bool:
    """Whether a budget's or limit's scope can touch these routes."""
    scope = one.spec.get("scope") or {}
    tenant, route = scope.get("tenant"), scope.get("route")
    own = {r.tenant for r in routes}
    near = not tenant or tenant in places or "" in own
    return near and (not route or any(r.name == route for r in routes))


def _models(routes: Sequence[Governed]) -> Iterator[str]:
    for route in routes:
        yield from _named(route.spec.get("strategy"))
        yield from _named(route.spec.get("canary"))
        yield from _named(route.spec.get("shadow"))


def _named(value: Any) -> Iterator[str]:  # noqa: ANN401 - a strategy nests as it likes
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("model", "models"):
                found = [inner] if isinstance(inner, str) else inner or ()
                yield from (one for one in found if isinstance(one, str))
            yield from _named(inner)
    if isinstance(value, list):
        for inner in value:
            yield from _named(inner)
