"""Give entries out as a file: counted and written into the log first, then told page by page, in constant memory.

What goes out are the entries that have their place in the tree at that moment: nothing can change that set any more, so
the number in the entry `export.created` is exactly the number of lines.
"""

import csv
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import StringIO
from typing import Final
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import transaction
from django.http import HttpRequest, StreamingHttpResponse

from audit.log import access, append, read
from audit.log.entry import build
from controlplane.kernel.clock import system_clock, to_text
from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.ids import IdSource
from controlplane.kernel.principal import Principal

PAGE_ROWS: Final = 500
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
COLUMNS: Final = (
    *("index", "id", "kind", "recordedAt", "actor", "tenant", "subject", "call", "data"),
)
_ids = IdSource()


class Form(StrEnum):
    """How it is written."""

    JSONL = "jsonl"
    CSV = "csv"


_TYPES: Final = {Form.JSONL: "application/jsonl", Form.CSV: "text/csv; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Export:
    """What goes out: `number` entries below the tree's `size`, oldest first. `entry` is its own entry in the log."""

    entry: UUID
    form: Form
    wanted: read.Filter
    size: int
    number: int

    @property
    def name(self) -> str:
        """What the file is called."""
        return f"audit-log-{self.size}.{self.form}"


def begin(principal: Principal, wanted: read.Filter, form: Form, told: Mapping[str, str]) -> Export:
    """Count what the filter finds and append `export.created` with it; `told` is the filter as it was asked for.

    Raises Forbidden. INVARIANT: nothing leaves before its entry is committed.
    """
    access.require_any(principal)
    size = read.state().size
    made = Export(_ids.new(), form, wanted, size, read.number(wanted, size))
    tenants = wanted.tenants
    with transaction.atomic():
        append.append(
            build(
                "export.created",
                id=made.entry,
                at=system_clock(),
                actor=principal.actor,
                tenant=next(iter(tenants)) if tenants is not None and len(tenants) == 1 else "",
                subject="log",
                data={
                    "format": form.value,
                    "filter": dict(told),
                    "entries": made.number,
                    "size": size,
                },
            )
        )
    return made


def pages(export: Export) -> Iterator[bytes]:
    """The file in pieces of PAGE_ROWS entries; each piece is read when it is asked for."""
    yield head(export.form)
    after: UUID | None = None
    while True:
        piece, after = page(export, after)
        if piece:
            yield piece
        if after is None:
            return


def head(form: Form) -> bytes:
    """What stands before the first entry."""
    return _written([COLUMNS]) if form is Form.CSV else b""


def page(export: Export, after: UUID | None) -> tuple[bytes, UUID | None]:
    """The piece after an entry, and the entry to go on after; None when that was all."""
    rows = read.oldest(export.wanted, export.size, after, PAGE_ROWS)
    lines = _csv(rows) if export.form is Form.CSV else _jsonl(rows)
    return lines, rows[-1].line.id if len(rows) == PAGE_ROWS else None


def cell(text: str) -> str:
    """A cell that a spreadsheet would run as a formula begins with an apostrophe."""
    return f"'{text}" if text.startswith(FORMULA) else text


def form_of(text: str) -> Form:
    """The form of a file by its name. Raises InvalidRequest."""
    try:
        return Form(text)
    except ValueError:
        raise InvalidRequest(f'"{text[:20]}" is no format; use {", ".join(Form)}') from None


def as_file(request: HttpRequest, made: Export) -> StreamingHttpResponse:
    """The export as an answer."""
    response = StreamingHttpResponse(
        in_pieces(request, pages(made)), content_type=_TYPES[made.form]
    )
    response["content-disposition"] = f'attachment; filename="{made.name}"'
    response["x-mandate-entry"] = made.entry.hex
    return response


def in_pieces(
    request: HttpRequest, pieces: Iterator[bytes]
) -> Iterator[bytes] | AsyncIterator[bytes]:
    """What an answer reads as it is sent: under ASGI an asynchronous iterator, else Django would gather it all first."""
    return _awaited(pieces) if isinstance(request, ASGIRequest) else pieces


async def _awaited(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each piece read in Django's thread."""
    while (piece := await sync_to_async(_next)(pieces)) is not None:
        yield piece


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)


def _csv(rows: Sequence[read.Told]) -> bytes:
    return _written([[cell(text) for text in _cells(row)] for row in rows])


def _cells(row: read.Told) -> Iterator[str]:
    line = row.line
    yield from (str(line.index), line.id.hex, line.kind.name, to_text(line.recorded_at))
    yield from (line.actor, line.tenant, line.subject, line.call.hex if line.call else "")
    yield json.dumps(line.data, ensure_ascii=False, sort_keys=True)


def _written(rows: Sequence[Sequence[str]]) -> bytes:
    out = StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def _jsonl(rows: Sequence[read.Told]) -> bytes:
    """`entry` is the body byte for byte: what the tree hashes."""
    return b"".join(
        b'{"index":%d,"recordedAt":"%s","entry":%s}\n'
        % (row.line.index or 0, to_text(row.line.recorded_at).encode(), row.body)
        for row in rows
    )
