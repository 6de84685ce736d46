"""Whether an entry's columns, its bytes and its leaf say the same. Pure."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from audit.merkle.tree import leaf_hash
from controlplane.kernel import clock

CLOCK_TOLERANCE = timedelta(minutes=10)
"""Between the process's clock in the bytes and PostgreSQL's in the column."""


class Placed(NamedTuple):
    """A leaf with its entry, as read; `entry_log` is None where the entry is missing."""

    place: int
    id: UUID
    xid: int
    recorded_at: datetime
    hash: bytes
    entry_log: int | None
    entry_xid: int
    entry_recorded_at: datetime
    kind: str
    call: UUID | None
    tenant: str
    body: bytes


class _Said(msgspec.Struct):
    """What an entry's bytes say of itself."""

    id: str
    at: str
    kind: str
    call: str | None
    tenant: str


def disagreement(leaf: Placed, log: int) -> str:
    """Return what is wrong with an entry, in words, or nothing."""
    if leaf.entry_log is None:
        return "it is missing"
    body = bytes(leaf.body)
    if leaf_hash(body) != bytes(leaf.hash):
        return "its bytes do not hash to its leaf"
    if (leaf.entry_log, leaf.entry_xid) != (log, leaf.xid):
        return "its log or transaction differs from its leaf"
    if leaf.entry_recorded_at != leaf.recorded_at:
        return "the time of its record differs from its leaf"
    return _contradiction(leaf, body)


def _contradiction(leaf: Placed, body: bytes) -> str:
    try:
        said = msgspec.json.decode(body, type=_Said)
        at = clock.from_text(said.at)
    except ValueError:
        return "its bytes are not an entry"
    call = None if leaf.call is None else leaf.call.hex
    columns = (leaf.id.hex, leaf.kind, call, leaf.tenant)
    if columns != (said.id, said.kind, said.call, said.tenant):
        return "its id, kind, call or tenant contradicts its bytes"
    if abs(leaf.recorded_at - at) > CLOCK_TOLERANCE:
        return f"it says {said.at}, PostgreSQL recorded it at {leaf.recorded_at}"
    return ""
