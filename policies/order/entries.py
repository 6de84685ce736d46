"""Append the entry of a change, in the change's own transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import NotRequired, TypedDict, Unpack

from audit.log import append, entry
from policies.order.ids import new_id


class Fields(TypedDict):
    """Who did it and when; `tenant` "" is the organisation; `subject` is what or whom it is about."""

    actor: str
    at: datetime
    tenant: NotRequired[str]
    subject: NotRequired[str]
    data: NotRequired[Mapping[str, object]]


def append_entry(kind: str, **fields: Unpack[Fields]) -> None:
    """One entry of a kind of `audit.log.kinds`. Raises `audit.log.entry.BadEntry` without an actor, and outside `atomic()`."""
    append.append(
        entry.build(
            kind,
            id=new_id(),
            at=fields["at"],
            actor=fields["actor"],
            tenant=fields.get("tenant", ""),
            subject=fields.get("subject", ""),
            data=fields.get("data", {}),
        )
    )
