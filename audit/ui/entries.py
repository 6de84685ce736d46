"""Entries as people read them."""

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.urls import reverse

from audit.log.read import Line
from controlplane.kernel.ids import call_name

_ACTORS = {
    "member": "a member",
    "key": "an API key",
    "cli": "on the command line",
    "job": "the system",
    "worker": "a worker",
}


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One line of the explorer. `index` is None until the sequencer has placed the entry."""

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

    @property
    def call_name(self) -> str:
        """The call's public name, or empty."""
        return call_name(self.call) if self.call else ""


def row_of(line: Line, query: str = "") -> EntryRow:
    """The line for an entry; `query` is kept in its address."""
    kind, _, name = line.actor.partition(":")
    return EntryRow(
        id=line.id,
        at=line.recorded_at,
        kind=line.kind.name,
        title=line.kind.title,
        who=name if kind in {"member", "cli"} else f"{kind} {name}",
        who_kind=_ACTORS.get(kind, kind),
        tenant=line.tenant,
        subject=line.subject,
        call=line.call,
        index=line.index,
        url=reverse("log-entry", args=[line.id.hex]) + query,
        pretty=json.dumps(line.data, indent=2, ensure_ascii=False),
    )
