"""The filters of the explorer as the API spells them, from a query string or from a JSON body."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from audit.log import access, read
from audit.log.kinds import Group
from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.ids import parse_call_name
from controlplane.kernel.principal import Principal

ACTORS = ("member", "key", "cli", "job", "worker")
OLDEST_YEAR, NEWEST_YEAR = 1971, 9000  # ids carry the time since 1970
NAMES = ("tenant", "actor", "group", "subject", "call", "from", "to")
FILTERS = (
    OpenApiParameter("tenant", str),
    OpenApiParameter("actor", str, enum=list(ACTORS), description="kind of who did it"),
    OpenApiParameter("group", str, enum=[group.value for group in Group]),
    OpenApiParameter("subject", str, description="what it is about, exactly"),
    OpenApiParameter("call", str, description="`call_…`, or its id"),
    OpenApiParameter("from", OpenApiTypes.DATETIME, description="the first moment that counts"),
    OpenApiParameter("to", OpenApiTypes.DATETIME, description="the first that no longer does"),
)


def wanted_of(principal: Principal, asked: Mapping[str, Any]) -> read.Filter:
    """What is asked for, within what the principal may read. Raises Forbidden, InvalidRequest."""
    said = {name: str(asked.get(name) or "") for name in NAMES}
    if "\x00" in "".join(said.values()):
        raise InvalidRequest("a filter holds no zero bytes")
    return read.Filter(
        tenants=access.narrowed(principal, said["tenant"]),
        since=_moment("from", said["from"]),
        until=_moment("to", said["to"]),
        actor_kind=_one_of("actor", said["actor"], ACTORS),
        groups=tuple(Group(g) for g in [_one_of("group", said["group"], tuple(Group))] if g),
        subject=said["subject"],
        call=_call(said["call"]),
    )


def _one_of(name: str, text: str, choices: tuple[str, ...]) -> str:
    if text and text not in choices:
        raise InvalidRequest(f'"{text[:40]}" is no {name}; use {", ".join(choices)}')
    return text


def _moment(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min  # noqa: DTZ901 - refused below
    if not OLDEST_YEAR <= found.year <= NEWEST_YEAR:
        raise InvalidRequest(f'{name} "{text[:40]}" is no moment; write 2026-11-23T14:20:00Z')
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _call(text: str) -> UUID | None:
    if not text:
        return None
    try:
        return parse_call_name(text)
    except ValueError:
        raise InvalidRequest(f'call "{text[:60]}" is no id') from None
