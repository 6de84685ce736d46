"""A document changes hands without changing: the console takes it over from Git, or a folder takes it back. Each is an entry."""

from collections.abc import Mapping

import msgspec
from django.db import transaction

from controlplane.kernel.errors import Conflict, NotFound
from controlplane.kernel.principal import Principal
from policies.bundles import access
from policies.bundles.diff import named
from policies.bundles.models import Document
from policies.bundles.ownership import CONSOLE, GIT, Place, noted, place_of
from policies.documents.document import Identity
from policies.order.entries import append_entry
from policies.order.lock import mandate_now


def take_over(principal: Principal, identity: Identity) -> Document:
    """The console keeps it from now on. Raises NotFound, Forbidden, Conflict where Git does not keep it."""
    access.require_keep(principal, identity)
    with transaction.atomic():
        row = _locked(identity)
        if row.origin != GIT:
            raise Conflict(f"{named(identity)} is the console's already")
        place = msgspec.structs.replace(place_of(row.place), taken=True)
        _hand(principal, row, CONSOLE, place, "document.taken-over")
    return row


def hand_over(principal: Principal, places: Mapping[Identity, Place]) -> list[Identity]:
    """A folder keeps these from now on, whose text is the same there. Raises NotFound, Forbidden."""
    for identity in places:
        access.require_keep(principal, identity)
    handed = []
    with transaction.atomic():
        for identity in sorted(places):
            row = _locked(identity)
            if row.origin != GIT:
                _hand(principal, row, GIT, places[identity], "document.handed-over")
                handed.append(identity)
    return handed


def _locked(identity: Identity) -> Document:
    kind, tenant, name = identity
    row = Document.objects.select_for_update().filter(kind=kind, tenant=tenant, name=name).first()
    if row is None:
        raise NotFound(f"there is no {named(identity)}")
    return row


def _hand(principal: Principal, row: Document, origin: str, place: Place, kind: str) -> None:
    row.origin, row.place = origin, noted(place)
    row.save(actor=principal.actor, update_fields=["origin", "place"])
    append_entry(
        kind,
        actor=principal.actor,
        at=mandate_now(),
        tenant=row.tenant,
        subject=f"document:{named((row.kind, row.tenant, row.name))}",
        data={
            "repository": place.repository,
            "commit": place.commit,
            "path": place.path,
            "line": place.line,
        },
    )
