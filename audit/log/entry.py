"""Build one entry: pure, and in canonical bytes. What the tree hashes is exactly `body`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NotRequired, TypedDict, Unpack
from uuid import UUID

from audit.log.kinds import KINDS, OfCall
from audit.merkle import canonical
from controlplane.kernel import clock

SCHEMA = 1
MAX_BODY_BYTES = 65_535
"""What a C2SP entry bundle can carry."""


class BadEntry(ValueError):
    """An entry that may not be written: unknown kind, no actor, a missing call, a body that is too large."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row for `audit_append(id, kind, call, tenant, body)`, in that order."""

    id: UUID
    kind: str
    call: UUID | None
    tenant: str
    body: bytes


class Fields(TypedDict):
    """What `build` takes: `actor` as `member:…`, `key:…`, `job:…`, `cli:…`; `subject` is whom or what it is about; no content."""

    id: UUID
    at: datetime
    actor: str
    data: Mapping[str, object]
    tenant: NotRequired[str]
    call: NotRequired[UUID | None]
    subject: NotRequired[str]


def build(kind: str, **fields: Unpack[Fields]) -> Entry:
    """One entry of a kind of `audit.log.kinds`. `at` is the process's clock, rounded down to the millisecond.

    Raises BadEntry, and `canonical.NotCanonical` for floats and large integers in `data` (write decimal strings).
    """
    call, tenant, actor = fields.get("call"), fields.get("tenant", ""), fields["actor"]
    _check(kind, call, actor)
    body = canonical.dumps(
        {
            "schema": SCHEMA,
            "id": fields["id"].hex,
            "kind": kind,
            "at": clock.to_text(fields["at"]),
            "actor": actor,
            "tenant": tenant,
            "call": None if call is None else call.hex,
            "subject": fields.get("subject", ""),
            "data": fields["data"],
        }
    )
    if len(body) > MAX_BODY_BYTES:
        raise BadEntry(f"the body of {kind} has {len(body)} bytes; at most {MAX_BODY_BYTES} fit")
    return Entry(fields["id"], kind, call, tenant, body)


def _check(kind: str, call: UUID | None, actor: str) -> None:
    known = KINDS.get(kind)
    if known is None:
        raise BadEntry(f'"{kind}" is not a kind of entry; see audit.log.kinds')
    if not actor.partition(":")[2]:
        raise BadEntry(f'"{actor}" is no actor; write it like "member:ada@acme.example"')
    if (call is None) is (known.of_call is OfCall.ALWAYS) and known.of_call is not OfCall.MAYBE:
        wanted = "needs the id of its call" if call is None else "belongs to no call"
        raise BadEntry(f"{kind} {wanted}")
