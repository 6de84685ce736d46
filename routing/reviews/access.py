"""Who sees a case, and who may decide it: the reviewers of its queue, for the tenant of its call."""

from collections.abc import Iterator
from uuid import UUID

from django.db.models import DateTimeField, Exists, Func, OuterRef, Q, QuerySet, Subquery

from controlplane.kernel.errors import Forbidden, NotFound
from controlplane.kernel.principal import Principal
from policies.bundles.published import Governed, Published
from policies.identity.access import sees_tenant
from policies.identity.models import ApiKey
from policies.order.lock import mandate_now
from routing.calls.models import Call
from routing.reviews.models import ReviewCase

READERS = ("admin", "auditor")
"""Who sees that a case is there, and how it went, without being its reviewer."""
FALLBACK = ("role:reviewer",)
"""Who reviews the cases of a queue that was deleted since."""


def visible(principal: Principal, found: Published) -> QuerySet[ReviewCase]:
    """The cases one may decide, and those of the tenants in which one reads all."""
    return ReviewCase.objects.filter(_mine(principal, found) | _in(principal, *READERS))


def mine(principal: Principal, found: Published) -> QuerySet[ReviewCase]:
    """The cases one may decide."""
    return ReviewCase.objects.filter(_mine(principal, found))


def get(principal: Principal, found: Published, review: UUID) -> ReviewCase:
    """One case. Raises NotFound, also for one of another tenant."""
    key = ApiKey.objects.filter(pk=OuterRef("key"), created_by=principal.actor)
    spoken = Call.objects.filter(pk=OuterRef("call")).values("dialect")
    rows = visible(principal, found).annotate(
        at=Func(function="mandate_now", output_field=DateTimeField()),
        asked=Exists(key),
        spoken=Subquery(spoken),
    )
    case = rows.filter(pk=review).first()
    if case is None:
        raise NotFound(f'there is no review case "{review}"')
    case.read_at, case.own, case.dialect = case.at, case.asked, case.spoken
    return case


def may_review(principal: Principal, found: Published, case: ReviewCase) -> bool:
    """Whether this person may decide this case: a reviewer of its queue there, and not who asked."""
    return is_reviewer(principal, found, case) and not _asked(principal, case)


def require_review(principal: Principal, found: Published, case: ReviewCase) -> None:
    """Raises Forbidden unless this person may decide this case."""
    if not is_reviewer(principal, found, case):
        raise Forbidden(
            f'cases of "{case.queue}" are decided by its reviewers; {principal.name} is none of them'
        )
    if _asked(principal, case):
        raise Forbidden("nobody reviews what they asked themselves: this call's key is yours")


def has(principal: Principal, case: ReviewCase) -> bool:
    """Whether this person has the case: claimed, and the claim had not lapsed when the case was read."""
    until = case.claimed_until
    if case.claimed_by != principal.actor or until is None:
        return False
    return until > (case.read_at or mandate_now())


def require_claim(principal: Principal, case: ReviewCase) -> None:
    """Raises Forbidden unless this person has the case."""
    if not has(principal, case):
        raise Forbidden("claim this case first: its content is for who has it")


def decides(principal: Principal, found: Published) -> bool:
    """Whether this person is a reviewer of any queue."""
    return bool(_queues(principal, found))


def is_reviewer(principal: Principal, found: Published, case: ReviewCase) -> bool:
    """Whether the case is for this person to decide, whoever asked."""
    queue = next(
        (
            d
            for d in found.of("ReviewQueue")
            if (d.tenant, d.name) == (case.queue_tenant, case.queue)
        ),
        None,
    )
    named = queue.spec["reviewers"] if queue else FALLBACK
    return principal.kind == "member" and any(_fits(principal, one, case.tenant) for one in named)


def _fits(principal: Principal, reviewer: str, tenant: str) -> bool:
    """INVARIANT: neither a role nor an address reaches into a tenant where the person has no part."""
    kind, _, role = reviewer.partition(":")
    if kind == "role":
        return principal.holds(role, tenant)
    return reviewer.lower() == principal.id.lower() and sees_tenant(principal, tenant)


def _asked(principal: Principal, case: ReviewCase) -> bool:
    if case.own is not None:
        return case.own
    return ApiKey.objects.filter(pk=case.key, created_by=principal.actor).exists()


def _mine(principal: Principal, found: Published) -> Q:
    condition, known = Q(pk__in=[]), Q(pk__in=[])
    if principal.kind != "member":
        return condition
    for queue in found.of("ReviewQueue"):
        here = Q(queue=queue.name, queue_tenant=queue.tenant)
        known |= here
        condition |= here & _tenants(principal, queue.spec["reviewers"])
    return condition | (~known & _tenants(principal, FALLBACK))


def _queues(principal: Principal, found: Published) -> list[Governed]:
    if principal.kind != "member":
        return []
    return [
        queue
        for queue in found.of("ReviewQueue")
        if any(place is None or place for place in _places(principal, queue.spec["reviewers"]))
    ]


def _tenants(principal: Principal, reviewers: tuple[str, ...] | list[str]) -> Q:
    condition = Q(pk__in=[])
    for place in _places(principal, reviewers):
        if place is None:
            return ~Q(pk__in=[])
        condition |= Q(tenant__in=place)
    return condition


def _places(
    principal: Principal, reviewers: tuple[str, ...] | list[str]
) -> Iterator[frozenset[str] | None]:
    """The tenants in which each entry of a queue's reviewers lets this person decide; None: all."""
    for reviewer in reviewers:
        kind, _, role = reviewer.partition(":")
        if kind == "role":
            yield principal.tenants_with(role)
        elif reviewer.lower() == principal.id.lower():
            yield _seen(principal)


def _seen(principal: Principal) -> frozenset[str] | None:
    if principal.roles.get(""):
        return None
    return frozenset({*principal.roles, *(tenant for tenant, _ in principal.teams)} - {""})


def _in(principal: Principal, *roles: str) -> Q:
    tenants = principal.tenants_with(*roles)
    return ~Q(pk__in=[]) if tenants is None else Q(tenant__in=tenants)
