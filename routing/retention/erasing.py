"""Whose content to erase, as a person says it, what destroying the key of it touches, and the second person's yes."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import QuerySet

from audit.retention import access, commands, read
from audit.retention.commands import NewErasure
from audit.retention.models import TENANT_KEY, Erasure, Hold, own_key
from audit.vault.keys import subject_of_team
from controlplane.kernel.errors import InvalidRequest, NotFound
from controlplane.kernel.ids import call_name, uuid7_floor, uuid7_time
from controlplane.kernel.principal import Principal
from policies.bundles.published import published
from policies.identity.models import Tenant
from routing.calls.models import Call
from routing.reports.content import store
from routing.retention import subjects
from routing.retention.terms import after
from routing.reviews.models import ReviewCase

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Touched:
    """What nobody reads again once the key is destroyed: `hold` forbids it, `stands` says whether the key is still there."""

    calls: int
    cases: int
    open: int
    first: datetime | None
    last: datetime | None
    stands: bool
    hold: Hold | None
    newest: tuple[str, ...]


def wanted(principal: Principal, target: tuple[str, str, str], basis: str) -> NewErasure:
    """What to ask for, of (kind, tenant, name): a `user` as callers send it, a `team`, a `month` like 2026-11, or a `tenant-key`.

    Raises Forbidden, InvalidRequest for what is no name, NotFound for a user whom no call ever named.
    """
    kind, tenant, name = target
    if kind == TENANT_KEY:
        return retirement(principal, tenant, basis)
    access.require_ask(principal, tenant)
    if kind == "user" and name:
        return subjects.wanted(subjects.find(principal, tenant, name), basis)
    fits = {"team": _NAME, "month": _MONTH}.get(kind)
    if fits is None or not fits.fullmatch(name):
        raise InvalidRequest(f'"{name[:40]}" is no {kind[:20] or "name"}')
    key = subject_of_team(tenant, name) if kind == "team" else f"tenant/{tenant}/{name}"
    return NewErasure(kind=kind, tenant=tenant, key=key, basis=basis)


def retirement(principal: Principal, tenant: str, basis: str) -> NewErasure:
    """The deletion of a tenant's own key in the key service. Raises Forbidden, NotFound where there is no such tenant."""
    access.require_retire(principal)
    row = Tenant.objects.filter(slug=tenant).first()
    if row is None:
        raise NotFound(f'there is no tenant "{tenant[:80]}"')
    gone = row.archived_at is not None
    return NewErasure(
        kind=TENANT_KEY, tenant=tenant, key=own_key(tenant), basis=basis, archived=gone
    )


def retirable(principal: Principal) -> list[str]:
    """The tenants whose own key one may ask to delete: those that are archived, where each has a key of its own."""
    if not access.may_hold(principal, "") or not store().own_keys:
        return []
    gone = Tenant.objects.filter(archived_at__isnull=False)
    return list(gone.order_by("slug").values_list("slug", flat=True))


def confirm(principal: Principal, erasure: UUID) -> Erasure:
    """Destroy what another asked for, by the mode and the tenants in force. Raises as `commands.confirm_erasure` does."""
    row = read.one_erasure(principal, erasure)
    return commands.confirm_erasure(
        principal,
        erasure,
        store(),
        single_operator=published().single_operator,
        archived=Tenant.objects.filter(slug=row.tenant, archived_at__isnull=False).exists(),
    )


def touched(tenant: str, key: str) -> Touched:
    """Look at the calls whose content needs a key of a tenant; `newest` are the names of the last ten."""
    calls = calls_under(tenant, key)
    first, last = calls.order_by("pk").first(), calls.order_by("-pk")[:10]
    newest = [call.pk for call in last]
    return Touched(
        calls=calls.count(),
        cases=ReviewCase.objects.filter(call__in=calls.values("pk")).count(),
        open=calls.filter(finished_at=None).count(),
        first=uuid7_time(first.pk) if first else None,
        last=uuid7_time(newest[0]) if newest else None,
        stands=_stands(tenant, key),
        hold=read.blocking(tenant, key),
        newest=tuple(call_name(pk) for pk in newest),
    )


def _stands(tenant: str, key: str) -> bool:
    if key == own_key(tenant):
        return store().own_keys and read.erased_on([key]) is None
    return store().get(key) is not None


def calls_under(tenant: str, key: str) -> "QuerySet[Call]":
    """The calls whose content is sealed under a key: a subject's, a tenant's month, or all of a tenant's."""
    calls = Call.objects.filter(tenant=tenant)
    if key == own_key(tenant):
        return calls
    month = _MONTH.fullmatch(key.removeprefix(f"tenant/{tenant}/"))
    if month is None:
        return calls.filter(user_ref=key)
    first = datetime(int(month[1]), int(month[2]), 1, tzinfo=UTC)
    return calls.filter(pk__gte=uuid7_floor(first), pk__lt=uuid7_floor(after(first.date())))
