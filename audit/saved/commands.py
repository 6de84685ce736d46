"""Save a view, and remove it; each is an entry."""

from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction

from audit.log import access, append
from audit.log.entry import build
from audit.saved import read
from audit.saved.models import SavedView
from controlplane.kernel.clock import system_clock
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.ids import IdSource
from controlplane.kernel.principal import Principal

MOST: Final = 50
LONGEST_NAME, LONGEST_QUERY = 80, 2000
_ids = IdSource()


def save(principal: Principal, name: str, query: str) -> SavedView:
    """Keep a filter under a name. Raises Forbidden, InvalidRequest, Conflict for a name that is taken."""
    access.require_any(principal)
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST_NAME or "\x00" in name:
        raise InvalidRequest(f"a view needs a name of at most {LONGEST_NAME} characters")
    if not 1 <= len(query) <= LONGEST_QUERY:
        raise InvalidRequest("choose a filter first: a view of everything is the log itself")
    if read.own(principal).count() >= MOST:
        raise Conflict(f"{MOST} views are kept at most; remove one first")
    row = SavedView(
        id=_ids.new(), owner=principal.actor, name=name, query=query, created_at=system_clock()
    )
    with transaction.atomic():
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            raise Conflict(f'you keep a view "{name}" already; choose another name') from None
        _told("view.saved", principal, row)
    return row


def remove(principal: Principal, view: UUID) -> None:
    """Remove an own view. Raises Forbidden, NotFound, also for somebody else's."""
    access.require_any(principal)
    with transaction.atomic():
        row = read.one(principal, view)
        if read.own(principal).filter(pk=view).delete()[0] != 1:
            raise NotFound(f'you keep no view "{view}"')  # another request was faster
        _told("view.removed", principal, row)


def _told(kind: str, principal: Principal, row: SavedView) -> None:
    append.append(
        build(
            kind,
            id=_ids.new(),
            at=system_clock(),
            actor=principal.actor,
            subject=f"view:{row.pk.hex}",
            data={"name": row.name, "query": row.query},
        )
    )
