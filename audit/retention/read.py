"""The holds that stand, what was erased, and what holds an erasure up."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import F, Q, QuerySet

from audit.retention.access import readable_tenants, require_look
from audit.retention.models import Erasure, Hold, own_key
from controlplane.kernel.errors import NotFound
from controlplane.kernel.principal import Principal

_SEALED_UNDER = (
    "SELECT EXISTS (SELECT FROM vault_content WHERE call = %s AND %s IN (tenant_key, subject_key))"
)


def visible_holds(principal: Principal) -> QuerySet[Hold]:
    """The holds one may see, those that stand first; the organisation's own touch everybody. Raises Forbidden."""
    return Hold.objects.filter(_seen(principal, Q(kind="organisation"))).order_by(
        F("lifted_at").desc(nulls_first=True), "-set_at"
    )


def visible_erasures(principal: Principal) -> QuerySet[Erasure]:
    """The erasures one may see, those that wait first, then the latest. Raises Forbidden."""
    return Erasure.objects.filter(_seen(principal)).order_by("-erased_at", "-asked_at")


def one_hold(principal: Principal, identity: UUID) -> Hold:
    """One hold. Raises NotFound, also for one of another tenant, and Forbidden."""
    found = visible_holds(principal).filter(pk=identity).first()
    if found is None:
        raise NotFound(f'there is no legal hold "{identity}"')
    return found


def one_erasure(principal: Principal, identity: UUID) -> Erasure:
    """One erasure. Raises NotFound, also for one of another tenant, and Forbidden."""
    found = visible_erasures(principal).filter(pk=identity).first()
    if found is None:
        raise NotFound(f'there is no erasure "{identity}"')
    return found


def standing() -> QuerySet[Hold]:
    """Every hold that stands."""
    return Hold.objects.filter(lifted_at=None).order_by("set_at")


def blocking(tenant: str, key: str) -> Hold | None:
    """A hold that forbids to destroy this key of a tenant; None when there is none.

    A hold on the tenant or one of its use cases concerns every key of it; one on a call the two keys that it is sealed under; one
    on a subject its key, and each of the tenant's months, in which there may be content of it. Any hold concerns its own key.
    """
    for hold in standing().filter(Q(kind="organisation") | Q(tenant__in=("", tenant))):
        if key == own_key(tenant):
            return hold
        match hold.kind:
            case "call":
                concerned = _sealed_under(hold.call, key)
            case "subject":
                concerned = key == hold.name or key.startswith("tenant/")
            case _:
                concerned = True
        if concerned:
            return hold
    return None


def erased_on(keys: Iterable[str]) -> datetime | None:
    """When the content under any of these keys was last erased."""
    done = Erasure.objects.filter(key__in=list(keys), erased_at__isnull=False)
    return done.order_by("-erased_at").values_list("erased_at", flat=True).first()


def _sealed_under(call: UUID | None, key: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_SEALED_UNDER, [call, key])
        return bool(cursor.fetchone()[0])


def _seen(principal: Principal, more: Q | None = None) -> Q:
    require_look(principal)
    tenants = readable_tenants(principal)
    if tenants is None:
        return Q()
    return Q(tenant__in=tenants) | more if more is not None else Q(tenant__in=tenants)
