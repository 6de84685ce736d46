"""Entries as people read them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.urls import reverse

from audit.log.kinds import KINDS
from audit.log.models import Entry, Leaf
from controlplane.kernel.ids import call_name

_ACTORS = {
    "member": "a member",
    "key": "an API key",
    "cli": "on the command line",
    "job": "the system",
    "worker": "a worker",
    "anonymous": "nobody known",
}


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One line of the explorer. `index` is None until the sequencer has taken the entry."""

    id: UUID
    at: datetime
    kind: str
    title: str
    who: str
    who_kind: str
    tenant: str
    subject: str
    call: UUID | None
    index: int | None
    url: str
    pretty: str
    size: int

    @property
    def call_name(self) -> str:
        """The call's public name, or empty."""
        return call_name(self.call) if self.call else ""


def rows_of(entries: Sequence[Entry], query: str = "") -> list[EntryRow]:
    """The lines for these entries, with their places in the tree; `query` is kept in their addresses."""
    places = {
        leaf.entry: leaf.index for leaf in Leaf.objects.filter(entry__in=[e.id for e in entries])
    }
    return [_row(entry, places.get(entry.id), query) for entry in entries]


def data_of(entry: Entry) -> Mapping[str, object]:
    """The `data` of an entry's body."""
    found: Mapping[str, object] = json.loads(bytes(entry.body)).get("data", {})
    return found


def _row(entry: Entry, index: int | None, query: str) -> EntryRow:
    raw = bytes(entry.body)
    body = json.loads(raw)
    kind, _, name = str(body.get("actor", "")).partition(":")
    known = KINDS.get(entry.kind)
    return EntryRow(
        id=entry.id,
        at=entry.recorded_at,
        kind=entry.kind,
        title=known.title if known else entry.kind,
        who=name or kind,
        who_kind=_ACTORS.get(kind, kind),
        tenant=entry.tenant,
        subject=str(body.get("subject", "")),
        call=entry.call,
        index=index,
        url=reverse("log-entry", args=[entry.id.hex]) + query,
        pretty=json.dumps(body.get("data", {}), indent=2, ensure_ascii=False),
        size=len(raw),
    )
