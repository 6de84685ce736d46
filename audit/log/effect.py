"""Order of effect: along (transaction id, id), every decision was made under the revision and stop epoch then in force.

Publish, setting and lifting a stop take the order lock exclusively, admissions and starts of attempts share it; so an
entry that names another revision or epoch than the newest one before it shows that somebody went round the lock.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from audit.log.tiles import Cursor

MOVES_REVISION = ("bundle.activated",)
MOVES_EPOCH = ("stop.set", "stop.lifted", "key.revoked", "team.archived", "tenant.archived")
DECIDES = ("call.denied", "call.admitted", "attempt.started")
DENIED_AGAIN = ("call.failed", "policy_changed")
"""The kind and code of a call that was denied when it was decided again at a start; its other endings decide nothing."""
KINDS = (*MOVES_REVISION, *MOVES_EPOCH, *DECIDES, DENIED_AGAIN[0])
NEVER = 2**63 - 1
_CHUNK = 2000


@dataclass(slots=True)
class Effects:
    """What is in force after the entries seen so far; None until one has said it."""

    revision: int | None = None
    epoch: int | None = None

    def see(self, kind: str, data: Mapping[str, Any]) -> str:
        """Take the next entry; return what is wrong with its place, or nothing."""
        if kind == DENIED_AGAIN[0] and data.get("code") != DENIED_AGAIN[1]:
            return ""
        if kind in DECIDES or kind == DENIED_AGAIN[0]:
            return self._decided("revision", data) or self._decided("epoch", data)
        name = "revision" if kind in MOVES_REVISION else "epoch"
        moved = data.get(name)
        if moved is None:
            return ""
        before = getattr(self, name)
        setattr(self, name, moved)
        return (
            f"{name} {moved} comes after {before}" if before is not None and moved <= before else ""
        )

    def _decided(self, name: str, data: Mapping[str, Any]) -> str:
        said, in_force = data.get(name), getattr(self, name)
        if said is None or said == in_force:
            return ""
        setattr(self, name, said)
        return (
            "" if in_force is None else f"decided under {name} {said} while {in_force} was in force"
        )


def out_of_order(
    cursor: Cursor, log: int, effects: Effects | None = None, span: tuple[int, int] = (0, NEVER)
) -> Iterator[str]:
    """Yield what is wrong along a log, its newest and unsequenced entries included.

    A check in parts hands in what was in force before (it is moved on) and the transactions from one horizon to the next:
    below a horizon no transaction can commit any more.
    """
    effects, last = effects or Effects(), (span[0], UUID(int=0))
    while True:
        # the columns by name: plain `xid` is that of the answer, a number that no index is in the order of
        cursor.execute(
            """
            SELECT xid::text::bigint, id, kind, body FROM audit_entry
            WHERE log = %s AND (xid, id) > (%s::text::xid8, %s) AND xid < %s::text::xid8 AND kind = ANY(%s)
            ORDER BY audit_entry.xid, audit_entry.id LIMIT %s
            """,
            [log, *last, span[1], list(KINDS), _CHUNK],
        )
        rows = cursor.fetchall()
        for xid, identity, kind, body in rows:
            last = (xid, identity)
            wrong = effects.see(kind, msgspec.json.decode(bytes(body))["data"])
            if wrong:
                yield f"{kind} {identity}: {wrong}"
        if len(rows) < _CHUNK:
            return
