"""Which dossier is asked for: a use case that the reader may see, and the days."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime

from controlplane.kernel.errors import InvalidRequest, NotFound
from controlplane.kernel.principal import Principal
from policies.bundles import access as documents
from policies.bundles.published import Governed, Published
from policies.changes import access as changes
from routing.reports import access
from routing.reports.dossier.gather import Asked, in_force_at
from routing.reports.spans import Span, between, span_of


@dataclass(frozen=True, slots=True)
class Days:
    """The first and the last day as they were written; empty for the last 30 days."""

    first: str = ""
    last: str = ""


def use_cases(principal: Principal, found: Published) -> Iterator[Governed]:
    """The register, as far as its dossiers are open. Raises Forbidden."""
    access.require_dossiers(principal)
    tenants = access.dossier_tenants(principal)
    for one in found.of("UseCase"):
        if tenants is None or one.tenant in tenants:
            yield one


def asked(
    principal: Principal, identity: tuple[str, str], days: Days, found: Published, now: datetime
) -> Asked:
    """The question for (tenant, name). Raises Forbidden, NotFound, InvalidRequest for days that are none."""
    tenant, name = identity
    access.require_dossier(principal, tenant)
    span = _span(days, now, found)
    then = found if span.until >= now else in_force_at(span.until) or found
    known = next((d for b in (then, found) for d in _named(b, tenant, name)), None)
    if known is None:
        raise NotFound(f'there is no use case "{f"{tenant}/" if tenant else ""}{name}"')
    seen = replace(then, documents=tuple(documents.documents(principal, then)))
    return Asked(known, span, seen, now, changes.visible(principal))


def _named(found: Published, tenant: str, name: str) -> Iterator[Governed]:
    return (d for d in found.of("UseCase") if (d.tenant, d.name) == (tenant, name))


def _span(days: Days, now: datetime, found: Published) -> Span:
    zone = found.zone
    if not days.first and not days.last:
        return span_of("days", now, zone)
    try:
        last = date.fromisoformat(days.last) if days.last else now.astimezone(zone).date()
        first = date.fromisoformat(days.first) if days.first else last.replace(day=1)
        return between(first, last, now, zone)
    except ValueError as error:
        raise InvalidRequest(f"{error}; write days like 2026-11-23") from error
