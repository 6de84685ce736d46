"""Who may have a bundle made: whoever may read the entries in it; content in it is for who may open those calls."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from audit.log.access import readable_tenants, require_any, require_everything
from controlplane.kernel.errors import NotFound
from controlplane.kernel.ids import call_name
from controlplane.kernel.principal import Principal
from policies.bundles.access import sees
from policies.bundles.published import Governed
from routing.calls.models import Call
from routing.evidence.asks import LOG, Ask
from routing.files import read
from routing.files.kinds import EVIDENCE
from routing.files.models import File


def require(principal: Principal, ask: Ask) -> str | None:
    """Return the tenant whose entries alone go in; None: the organisation's log. Raises Forbidden, NotFound."""
    require_any(principal)
    if ask.scope == LOG or (ask.scope == "policy" and not ask.tenant):
        require_everything(principal)
        return None
    tenants = readable_tenants(principal)
    if ask.call is not None:
        found = Call.objects.filter(pk=ask.call).values_list("tenant", flat=True).first()
        if found is None or (tenants is not None and found not in tenants):
            raise NotFound(f'there is no call "{call_name(ask.call)}"')
        return str(found)
    if tenants is not None and ask.tenant not in tenants:
        raise NotFound(f'there is no tenant "{ask.tenant}"')
    return ask.tenant


def shows(tenant: str, document: Mapping[str, Any]) -> bool:
    """Whether a bundle of a tenant's entries may show a published document: what that tenant's own auditor sees."""
    metadata, spec = document.get("metadata", {}), document.get("spec", {})
    place, name = metadata.get("tenant", ""), metadata.get("name", "")
    reader = Principal(
        kind="job", id="evidence", name="evidence", roles={tenant: frozenset({"auditor"})}
    )
    return sees(reader, Governed(document["kind"], place, name, metadata, spec))


def own(principal: Principal) -> "QuerySet[File]":
    """The bundles that one had made oneself. Raises Forbidden for who may read no part of the log."""
    require_any(principal)
    return read.own(principal, EVIDENCE)


def one(principal: Principal, evidence: UUID) -> File:
    """One of one's own, if one may still read what is in it. Raises NotFound, Forbidden."""
    require_any(principal)
    row = read.one(principal, EVIDENCE, evidence)
    # INVARIANT: a role that was taken away since takes the bundle away, too
    require(principal, Ask.of(row.ask))
    return row
