"""Have a bundle made, with its entry; `routing/files/` does the rest."""

from datetime import datetime

from django.db import transaction

from audit.log import append
from audit.log.entry import Entry, build
from controlplane.kernel.principal import Principal
from policies.order.ids import new_id
from routing.evidence import access
from routing.evidence.asks import Ask
from routing.files import commands as files
from routing.files.kinds import EVIDENCE
from routing.files.models import File


def begin(principal: Principal, ask: Ask) -> File:
    """Put it in the queue. Raises Forbidden, NotFound, and Conflict while several of one's own wait already."""
    tenant = access.require(principal, ask)
    row = files.ordered(principal, EVIDENCE, tenant or "", ask.stored())
    with transaction.atomic():
        row.save(force_insert=True)
        append.append(_entry(principal, ask, tenant, row.created_at, {"evidence": row.id.hex}))
    return row


def told(principal: Principal, ask: Ask, at: datetime, entries: int) -> None:
    """Append `export.created` for a bundle that is written at once. Raises Forbidden, NotFound."""
    tenant = access.require(principal, ask)
    append.append(_entry(principal, ask, tenant, at, {"entries": entries}))


def _entry(
    principal: Principal, ask: Ask, tenant: str | None, at: datetime, more: dict[str, object]
) -> Entry:
    data = {"what": "evidence", "scope": ask.told(), "opens": ask.opens, **more}
    return build(
        "export.created",
        id=new_id(),
        at=at,
        actor=principal.actor,
        tenant=tenant or "",
        call=ask.call,
        subject=str(ask),
        data=data,
    )
