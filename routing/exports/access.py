"""Who may have figures as a file: who may read them as a page. FOCUS is of whole tenants, so not for developers."""

from uuid import UUID

from django.db.models import Q, QuerySet

from controlplane.kernel.errors import Forbidden
from controlplane.kernel.principal import Principal
from policies.bundles.published import Published
from routing.closing import access as closing
from routing.exports.asks import CALLS, CAPACITY, WHATS, Ask
from routing.files import read
from routing.files.kinds import EXPORT
from routing.files.models import File
from routing.reports.access import READERS, reads_every_tenant, require_money, spend_of


def require(principal: Principal, ask: Ask) -> None:
    """Raises Forbidden, and NotFound for a tenant that is not theirs to see."""
    require_money(principal)
    if ask.what == CAPACITY:
        if not reads_every_tenant(principal):
            raise Forbidden(
                f"a share of capacity tells what others used: it is for who reads every tenant's money, {principal.name} does not"
            )
    elif ask.what != CALLS:
        closing.tenants(principal)
        if ask.tenant:
            closing.require_read(principal, ask.tenant)


def calls_of(principal: Principal, ask: Ask) -> Q:
    """The condition on calls that go in. Raises Forbidden."""
    require(principal, ask)
    condition = spend_of(principal)
    return condition & Q(tenant=ask.tenant) if ask.tenant else condition


def tenants_of(principal: Principal, ask: Ask, found: Published) -> tuple[str, ...]:
    """The tenants that go into a FOCUS file, sorted. Raises Forbidden, NotFound."""
    require(principal, ask)
    allowed = closing.tenants(principal)
    named = sorted(document.name for document in found.of("Tenant"))
    wanted = [ask.tenant] if ask.tenant else named
    return tuple(name for name in wanted if allowed is None or name in allowed)


def kinds(principal: Principal) -> tuple[str, ...]:
    """What a form offers."""
    if reads_every_tenant(principal):
        return WHATS
    return tuple(w for w in WHATS if w != CAPACITY) if closing.may_read(principal) else (CALLS,)


def named(principal: Principal, found: Published) -> tuple[str, ...]:
    """The tenants that a form offers."""
    allowed = principal.tenants_with(*READERS, "developer")
    every = sorted(document.name for document in found.of("Tenant"))
    return tuple(name for name in every if allowed is None or name in allowed)


def own(principal: Principal) -> "QuerySet[File]":
    """The files that one asked for oneself. Raises Forbidden for who may read no money."""
    require_money(principal)
    return read.own(principal, EXPORT)


def one(principal: Principal, export: UUID) -> File:
    """One of one's own, if one may still read what is in it. Raises NotFound, Forbidden."""
    require_money(principal)
    row = read.one(principal, EXPORT, export)
    # INVARIANT: a role that was taken away since takes the file away, too
    require(principal, Ask.of(row.ask))
    return row
