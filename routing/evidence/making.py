"""Make bundles: the job that works at what waits, and the file that the command line writes."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import BinaryIO, Final
from uuid import UUID

from django.db import connection, transaction

from audit.evidence import Snapshot
from audit.vault.keys import Erased
from audit.vault.seal import unseal
from controlplane.kernel.errors import InvalidRequest, MandateError
from controlplane.kernel.principal import Principal
from policies.order.lock import mandate_now
from routing.evidence import access, commands
from routing.evidence.asks import Ask
from routing.evidence.models import Evidence, EvidencePart
from routing.evidence.orders import order
from routing.reports.content import store

PIECE_BYTES: Final = 1_048_576
MOST_ENTRIES: Final = 500_000
"""In one bundle of the API; the command line has no such limit."""


def make_next() -> UUID | None:
    """Make the bundle that has waited longest, to its end; None when none waits. What has expired is destroyed first."""
    commands.expire()
    claimed = commands.claim()
    if claimed is None:
        return None
    row, principal = claimed
    try:
        _make(row, principal)
    except MandateError as error:
        commands.broke(row, error.message)
    return row.id


def _make(row: Evidence, principal: Principal) -> None:
    with connection.cursor() as cursor:
        snapshot = Snapshot(cursor, order(principal, Ask.of(row.ask)))
        if snapshot.count > MOST_ENTRIES:
            raise InvalidRequest(
                f"{snapshot.count} entries are more than {MOST_ENTRIES}: "
                "take a shorter period, or manage.py audit evidence"
            )
        Evidence.objects.filter(pk=row.pk).update(entries=snapshot.count)
        digest = sha256()
        for piece in _pieces(snapshot.archive()):
            digest.update(piece)
            if not commands.keep(row, piece, snapshot.written):
                return
    commands.finish(row, digest.hexdigest())


def write(principal: Principal, ask: Ask, out: BinaryIO) -> tuple[int, int, str]:
    """Write a bundle; return its entries, its bytes and its SHA-256. Raises as `order`; Conflict before anything is signed."""
    tenant = access.require(principal, ask)
    size, digest = 0, sha256()
    with connection.cursor() as cursor:
        snapshot = Snapshot(cursor, order(principal, ask))
        with transaction.atomic():
            commands.told(principal, ask, tenant, mandate_now(), {"entries": snapshot.count})
        for piece in snapshot.archive():
            out.write(piece)
            digest.update(piece)
            size += len(piece)
    return snapshot.count, size, digest.hexdigest()


def read(row: Evidence) -> Iterator[bytes]:
    """The bytes of a bundle that is ready, piece by piece. Raises Erased and Tampered."""
    for no in range(row.parts):
        key = store().get(commands.key_of(row.id))
        part = EvidencePart.objects.filter(evidence=row.id, no=no).first()
        if key is None or part is None:
            raise Erased("this bundle has expired")
        place = commands.place(row.id, no)
        yield unseal(key, place, bytes(part.nonce), bytes(part.ciphertext))


def _pieces(data: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a stream into pieces of one size."""
    held = bytearray()
    for each in data:
        held += each
        while len(held) >= PIECE_BYTES:
            yield bytes(held[:PIECE_BYTES])
            del held[:PIECE_BYTES]
    if held:
        yield bytes(held)
