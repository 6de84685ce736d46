"""Make bundles: as files of the job, and the file that the command line writes."""

from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO, Final
from uuid import UUID

from django.db import connection, transaction
from django.http import HttpRequest, StreamingHttpResponse

from audit.evidence import Snapshot
from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.principal import Principal
from policies.order.lock import mandate_now
from routing.evidence import commands
from routing.evidence.asks import Ask
from routing.evidence.orders import order
from routing.files import making, read
from routing.files.kinds import EVIDENCE
from routing.files.models import File

MOST_ENTRIES: Final = 500_000
"""In one bundle of the API; the command line has no such limit."""


def make_next() -> UUID | None:
    """Make the bundle that has waited longest, to its end; None when none waits."""
    return making.make_next(EVIDENCE, _bytes_of)


def _bytes_of(row: File, principal: Principal) -> Iterator[bytes]:
    with connection.cursor() as cursor:
        snapshot = Snapshot(cursor, order(principal, Ask.of(row.ask)))
        if snapshot.count > MOST_ENTRIES:
            raise InvalidRequest(
                f"{snapshot.count} entries are more than {MOST_ENTRIES}: "
                "take a shorter period, or manage.py audit evidence"
            )
        making.said(row, rows=snapshot.count, done=0)
        for data in snapshot.archive():
            row.done = snapshot.written
            yield data


def as_file(request: HttpRequest, row: File) -> StreamingHttpResponse:
    """A bundle to take along. Raises NotFound once it has expired, Conflict before it is ready."""
    name = f"evidence-{row.id.hex}.tar"
    return read.as_file(request, row, name=name, content_type="application/x-tar")


def write(principal: Principal, ask: Ask, out: BinaryIO) -> tuple[int, int, str]:
    """Write a bundle; return its entries, its bytes and its SHA-256. Raises as `order`; Conflict before anything is signed."""
    size, digest = 0, sha256()
    with connection.cursor() as cursor:
        snapshot = Snapshot(cursor, order(principal, ask))
        with transaction.atomic():
            commands.told(principal, ask, mandate_now(), snapshot.count)
        for piece in snapshot.archive():
            out.write(piece)
            digest.update(piece)
            size += len(piece)
    return snapshot.count, size, digest.hexdigest()
