"""Which entries a principal may read. Pages and API both begin here."""

from uuid import UUID

from django.db.models import QuerySet

from audit.log import read
from audit.log.models import Entry
from controlplane.kernel.errors import Forbidden, NotFound
from controlplane.kernel.principal import Principal

READERS = ("auditor", "approver", "admin")


def may_read(principal: Principal) -> bool:
    """Whether any part of the log is open to the principal."""
    return readable_tenants(principal) != frozenset()


def readable(principal: Principal) -> QuerySet[Entry]:
    """The entries of the tenants in which the principal audits, approves or administers. Raises Forbidden when there is none.

    Whoever holds such a role in one tenant only reads that tenant's entries, and none of the organisation.
    """
    require_any(principal)
    tenants = readable_tenants(principal)
    return Entry.objects.all() if tenants is None else Entry.objects.filter(tenant__in=tenants)


def require_any(principal: Principal) -> None:
    """Raises Forbidden unless some part of the log is open to the principal."""
    if not may_read(principal):
        raise Forbidden(
            f"the log is read by auditors, approvers and admins; {principal.name} is none of them"
        )


def proven(principal: Principal, identity: str) -> read.Proven:
    """An entry this principal may read, with its proof. Raises NotFound, Forbidden."""
    try:
        wanted = UUID(identity)
    except ValueError:
        raise NotFound(f'there is no entry "{identity}"') from None
    require_any(principal)
    found = read.entry(wanted, readable_tenants(principal))
    if found is None:
        raise NotFound(f'there is no entry "{identity}"')
    return found


def require_tile(principal: Principal, *, entries: bool) -> None:
    """Hashes and heads are for whoever reads a part of the log; bundles hold the entries of all. Raises Forbidden."""
    if entries:
        require_everything(principal)
    else:
        require_any(principal)


def receipt(principal: Principal, identity: UUID) -> read.Proven:
    """An entry whose proof this principal may have: one that it may read; an API key, what admitted a call of its team.

    Raises NotFound, Forbidden.
    """
    if principal.kind != "key":
        return proven(principal, str(identity))
    found = read.entry(identity, frozenset(tenant for tenant, _ in principal.teams))
    # INVARIANT: another team's call is no call to a key, though it be of the same tenant
    if found is None or (found.line.tenant, found.line.data.get("team")) not in principal.teams:
        raise NotFound(f'there is no entry "{identity}"')
    return found


def readable_tenants(principal: Principal) -> frozenset[str] | None:
    """The tenants whose entries are open; None for the whole log."""
    return principal.tenants_with(*READERS)


def narrowed(principal: Principal, tenant: str = "") -> frozenset[str] | None:
    """The tenants to look in: those that are open, or the one that is asked for if it is. Raises Forbidden."""
    require_any(principal)
    tenants = readable_tenants(principal)
    if not tenant:
        return tenants
    return frozenset({tenant}) if tenants is None else tenants & {tenant}


def require_everything(principal: Principal) -> None:
    """The whole log: needed to verify it and to read it in bundles. Raises Forbidden."""
    if readable_tenants(principal) is not None:
        raise Forbidden(
            f"this is for those who may read the whole log; {principal.name} may read no more than a part"
        )


def may_acknowledge(principal: Principal) -> bool:
    """Whether findings of the log's checks may be acknowledged: by an admin or an approver of the organisation."""
    return principal.holds("admin") or principal.holds("approver")


def require_acknowledge(principal: Principal) -> None:
    """Raises Forbidden unless findings may be acknowledged."""
    if not may_acknowledge(principal):
        raise Forbidden(
            f"findings are acknowledged by an admin or approver of the organisation; {principal.name} is neither"
        )


def may_tamper(principal: Principal) -> bool:
    """Whether a demo's log may be damaged to see it found: by an admin of the organisation."""
    return principal.holds("admin")


def require_tamper(principal: Principal) -> None:
    """Raises Forbidden unless a demo's log may be damaged."""
    if not may_tamper(principal):
        raise Forbidden(f"this is for an admin of the organisation; {principal.name} is none")
