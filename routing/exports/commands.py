"""Have a file of figures made, with its entry; `routing/files/` does the rest."""

from django.db import transaction

from audit.log import append
from audit.log.entry import build
from controlplane.kernel.principal import Principal
from policies.order.ids import new_id
from routing.exports import access
from routing.exports.asks import Ask
from routing.files import commands as files
from routing.files.kinds import EXPORT
from routing.files.models import File


def begin(principal: Principal, ask: Ask) -> File:
    """Put it in the queue, with its entry. Raises Forbidden, NotFound, and Conflict while several of one's own wait."""
    access.require(principal, ask)
    row = files.ordered(principal, EXPORT, ask.tenant, ask.stored())
    with transaction.atomic():
        row.save(force_insert=True)
        append.append(
            build(
                "export.created",
                id=new_id(),
                at=row.created_at,
                actor=principal.actor,
                tenant=ask.tenant,
                subject=f"export:{row.id.hex}",
                data=ask.stored(),
            )
        )
    return row
