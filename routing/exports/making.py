"""Make files of figures, in constant memory: as files of the job, or written at once."""

import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import BinaryIO, Final
from uuid import UUID

from django.http import HttpRequest, StreamingHttpResponse

from controlplane.kernel.principal import Principal
from policies.bundles.published import Published, published
from policies.order.lock import mandate_now
from routing.exports.asks import Ask
from routing.exports.sheets import Sheet, sheet_of
from routing.exports.writing import TYPES, Row, write
from routing.files import making, read
from routing.files.kinds import EXPORT
from routing.files.models import File

ROWS_OF_A_STEP: Final = 5_000


def make_next() -> UUID | None:
    """Make the file that has waited longest, to its end; None when none waits."""
    return making.make_next(EXPORT, _bytes_of)


def write_to(out: BinaryIO, principal: Principal, ask: Ask, found: Published, now: datetime) -> int:
    """Write what is asked for at once; how many rows there were. Raises Forbidden, NotFound."""
    sheet = sheet_of(principal, ask, found, now)
    return write(ask.form, sheet.columns, sheet.rows, out)


def as_file(request: HttpRequest, row: File) -> StreamingHttpResponse:
    """The bytes of a file. Raises NotFound once it has expired, Conflict before it is ready."""
    ask = Ask.of(row.ask)
    return read.as_file(request, row, name=ask.name, content_type=TYPES[ask.form])


def _bytes_of(row: File, principal: Principal) -> Iterator[bytes]:
    """Into a file of the system first, since a workbook is written in no order."""
    ask = Ask.of(row.ask)
    with tempfile.TemporaryFile() as out:
        sheet = sheet_of(principal, ask, published(), mandate_now())
        write(ask.form, sheet.columns, _watched(row, sheet), out)
        out.seek(0)
        while data := out.read(making.PIECE_BYTES):
            yield data


def _watched(row: File, sheet: Sheet) -> Iterator[Row]:
    """The rows, saying now and then how many there were. Raises when the file is another worker's."""
    done = 0
    for each in _and_none(sheet.rows):
        if each is None or done % ROWS_OF_A_STEP == 0:
            making.said(row, rows=sheet.about, done=done)
        if each is not None:
            done += 1
            yield each


def _and_none(rows: Iterable[Row]) -> Iterator[Row | None]:
    """Every row, then None: the end is a step, too."""
    yield from rows
    yield None
