"""Whose files are whose, and a file that is ready, to take along: the same for API and console."""

from collections.abc import Iterator
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse

from audit.export import in_pieces
from audit.vault.keys import Erased
from audit.vault.seal import unseal
from controlplane.kernel.errors import Conflict, NotFound
from controlplane.kernel.principal import Principal
from routing.files.kinds import KINDS, Kind
from routing.files.models import EXPIRED, READY, File, FilePart
from routing.reports.content import store


def own(principal: Principal, kind: Kind) -> "QuerySet[File]":
    """What one had made oneself."""
    return File.objects.filter(actor=principal.actor, kind=kind.name)


def one(principal: Principal, kind: Kind, file: UUID) -> File:
    """One of one's own. Raises NotFound."""
    row = own(principal, kind).filter(pk=file).first()
    if row is None:
        raise NotFound(f'there is no {kind.one} "{file}"')
    return row


def pieces_of(row: File) -> Iterator[bytes]:
    """The bytes of a file that is ready, piece by piece. Raises Erased when it went meanwhile, and Tampered."""
    kind = KINDS[row.kind]
    for no in range(row.parts):
        key = store().get(kind.key_of(row.id)) if kind.sealed else b""
        part = FilePart.objects.filter(file=row.id, no=no).first()
        if key is None or part is None:
            raise Erased(f"this {kind.one} has expired")
        data = bytes(part.data)
        yield unseal(key, kind.place(row.id, no), bytes(part.nonce), data) if key else data


def as_file(
    request: HttpRequest, row: File, *, name: str, content_type: str
) -> StreamingHttpResponse:
    """What its job made. Raises NotFound once it has expired, Conflict before it is ready."""
    called = KINDS[row.kind].one
    if row.state == EXPIRED:
        raise NotFound(f"this {called} has expired; have it made again")
    if row.state != READY:
        raise Conflict(f"this {called} is {row.state}")
    pieces = in_pieces(request, pieces_of(row))
    response = StreamingHttpResponse(pieces, content_type=content_type)
    response["content-disposition"] = f'attachment; filename="{name}"'
    response["content-length"] = str(row.size_bytes)
    return response
