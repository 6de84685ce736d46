"""Make files: the job that works at what waits, in constant memory, and how a file that is ready is taken along."""

import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from typing import BinaryIO, Final
from uuid import UUID

from django.http import StreamingHttpResponse

from controlplane.kernel.errors import Conflict, MandateError, NotFound
from controlplane.kernel.principal import Principal
from policies.bundles.published import Published, published
from policies.order.lock import mandate_now
from routing.exports import commands
from routing.exports.asks import Ask
from routing.exports.models import EXPIRED, READY, Export, ExportPart
from routing.exports.sheets import Sheet, sheet_of
from routing.exports.writing import TYPES, Row, write

PIECE_BYTES: Final = 1_048_576
ROWS_OF_A_STEP: Final = 5_000


class _TakenAwayError(Exception):
    """Another worker has the file now."""


def make_next() -> UUID | None:
    """Make the file that has waited longest, to its end; None when none waits. What has expired goes first."""
    commands.expire()
    claimed = commands.claim()
    if claimed is None:
        return None
    row, principal = claimed
    try:
        _make(row, principal)
    except MandateError as error:
        commands.broke(row, error.message)
    except _TakenAwayError:
        return None
    return row.id


def write_to(out: BinaryIO, principal: Principal, ask: Ask, found: Published, now: datetime) -> int:
    """Write what is asked for at once; how many rows there were. Raises Forbidden, NotFound."""
    sheet = sheet_of(principal, ask, found, now)
    return write(ask.form, sheet.columns, sheet.rows, out)


def as_file(row: Export) -> StreamingHttpResponse:
    """The bytes of a file. Raises NotFound once it has expired, Conflict before it is ready."""
    if row.state == EXPIRED:
        raise NotFound("this export has expired; have it made again")
    if row.state != READY:
        raise Conflict(f"this export is {row.state}")
    ask = Ask.of(row.ask)
    response = StreamingHttpResponse(_pieces_of(row), content_type=TYPES[ask.form])
    response["content-disposition"] = f'attachment; filename="{ask.name}"'
    response["content-length"] = str(row.size_bytes)
    return response


def _make(row: Export, principal: Principal) -> None:
    """Into a file of the system first, since a workbook is written in no order; then piece by piece into the database."""
    ask, digest = Ask.of(row.ask), sha256()
    with tempfile.TemporaryFile() as out:
        sheet = sheet_of(principal, ask, published(), mandate_now())
        write(ask.form, sheet.columns, _watched(row, sheet), out)
        out.seek(0)
        while piece := out.read(PIECE_BYTES):
            digest.update(piece)
            if not commands.keep(row, piece):
                raise _TakenAwayError
    commands.finish(row, digest.hexdigest())


def _watched(row: Export, sheet: Sheet) -> Iterator[Row]:
    """The rows, saying now and then how many there were. Raises when the file is another worker's."""
    done = 0
    for each in _and_none(sheet.rows):
        if (each is None or done % ROWS_OF_A_STEP == 0) and not commands.progress(
            row, rows=sheet.about, done=done
        ):
            raise _TakenAwayError
        if each is not None:
            done += 1
            yield each


def _and_none(rows: Iterable[Row]) -> Iterator[Row | None]:
    """Every row, then None: the end is a step, too."""
    yield from rows
    yield None


def _pieces_of(row: Export) -> Iterator[bytes]:
    for no in range(row.parts):
        part = ExportPart.objects.filter(export=row.id, no=no).first()
        if part is None:
            raise NotFound("this export has expired")
        yield bytes(part.data)
