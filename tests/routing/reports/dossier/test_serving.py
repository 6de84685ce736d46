"""Which routes serve a use case, whose calls are theirs, and what governs them."""

from typing import Any

from django.db.models import Q

from policies.bundles.published import NOTHING, Governed, Published
from routing.reports.dossier.serving import calls_of, governing, routes_of, supposes


def doc(kind: str, tenant: str, name: str, **spec: Any) -> Governed:
    return Governed(kind, tenant, name, {}, spec)


def of(*documents: Governed) -> Published:
    return Published(3, "ab", 1, "", flagged=False, published_at=None, documents=documents)


SHARED = doc("UseCase", "", "triage")
OWN = doc("UseCase", "insurance", "triage")
ROUTE = doc("Route", "", "sort", useCase="triage", strategy={"type": "single", "model": "small"})
INSIDE = doc(
    "Route",
    "insurance",
    "sort",
    useCase="triage",
    validators=["shape"],
    strategy={
        "type": "cascade",
        "tiers": [{"models": ["small", "large"]}],
        "otherwise": {"escalate": "desk"},
    },
)


def test_a_reference_resolves_in_its_own_tenant_first() -> None:
    found = of(SHARED, OWN, ROUTE, INSIDE)
    assert routes_of(SHARED, found) == (ROUTE,)
    assert routes_of(OWN, found) == (INSIDE,)
    assert routes_of(SHARED, of(SHARED, ROUTE, INSIDE)) == (ROUTE, INSIDE)
    assert routes_of(SHARED, NOTHING) == ()


def test_a_tenants_route_hides_the_organisations_of_its_name() -> None:
    found = of(SHARED, OWN, ROUTE, INSIDE)
    assert calls_of((ROUTE,), found) == Q(pk__in=[]) | (
        Q(route="sort") & ~Q(tenant__in=["insurance"])
    )
    assert calls_of((INSIDE,), found) == Q(pk__in=[]) | Q(tenant="insurance", route="sort")
    assert calls_of((), found) == Q(pk__in=[])


def test_what_bears_on_it_and_nothing_else() -> None:
    bears = (
        doc("Permission", "", "secrets", effect="forbid"),
        doc("Permission", "insurance", "claims"),
        doc("Validator", "", "shape"),
        doc("Budget", "", "all", scope={}),
        doc("Budget", "", "insurance", scope={"tenant": "insurance"}),
        doc("Model", "", "small", provider="vendor"),
        doc("Provider", "", "vendor"),
        doc("PolicyTest", "", "never", given={"tenant": "insurance", "route": "sort"}),
    )
    others = (
        doc("Permission", "retail", "replies"),
        doc("Validator", "", "unused"),
        doc("Budget", "", "retail", scope={"tenant": "retail"}),
        doc("Budget", "", "route", scope={"route": "replies"}),
        doc("Model", "", "huge", provider="other"),
        doc("Provider", "", "other"),
        doc("PolicyTest", "", "retail", given={"tenant": "retail", "route": "replies"}),
        doc("RoleGrant", "", "ada"),
    )
    told = governing(OWN, (INSIDE,), of(OWN, INSIDE, *bears, *others))
    wanted = (OWN, INSIDE, *bears)
    assert {(d.kind, d.tenant, d.name) for d in told} == {
        (d.kind, d.tenant, d.name) for d in wanted
    }
    assert [one.kind for one in told][:3] == ["UseCase", "Route", "Permission"]


def test_a_test_supposes_a_call_of_its_own_tenants_route() -> None:
    test = doc("PolicyTest", "", "x", given={"tenant": "insurance", "route": "sort"})
    assert supposes(test, (INSIDE,))
    assert supposes(test, (ROUTE,))
    other = doc("PolicyTest", "", "x", given={"tenant": "retail", "route": "sort"})
    assert not supposes(other, (INSIDE,))
