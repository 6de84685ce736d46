"""What `log.pruned` entries say is gone: a leaf whose entry they account for is no hole, anything else still is.

A month goes without its acts: `data` = {month, minimumIndex, kept, keptDigest}. Its entries below the minimum index may be
missing; those that were kept are told by their number and a digest of their places, so that one which vanishes is named.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from audit.log.agreement import Placed
from audit.log.tiles import Cursor
from controlplane.kernel.ids import uuid7_time

KIND = "log.pruned"
_SAID = "SELECT body FROM audit_entry WHERE log = %s AND call IS NULL AND kind = 'log.pruned' ORDER BY xid, id"


@dataclass(slots=True)
class Month:
    """One pruned month, as its entry says, and what a check met of it."""

    minimum: int
    kept: int
    digest: str
    met: int = 0
    places: Any = field(default_factory=sha256)

    def fits(self) -> bool:
        """Whether exactly the entries that were kept were met."""
        return (self.met, self.places.hexdigest()) == (self.kept, self.digest)


class Prunings:
    """Every pruned month of one log. A month is pruned once; of two entries the first counts."""

    def __init__(self, months: dict[str, Month]) -> None:
        self._months = months

    def excuses(self, leaf: Placed) -> bool:
        """Whether a leaf may be without its entry."""
        month = self._month(leaf)
        return month is not None and leaf.place < month.minimum

    def meet(self, leaf: Placed) -> None:
        """Take note of an entry that is there; in the order of places."""
        month = self._month(leaf)
        if month is not None and leaf.place < month.minimum:
            month.met += 1
            month.places.update(leaf.place.to_bytes(8))

    def unfit(self) -> Iterator[str]:
        """The months of which other entries were met than were kept; only after a whole walk."""
        yield from (name for name, month in self._months.items() if not month.fits())

    def _month(self, leaf: Placed) -> Month | None:
        return self._months.get(f"{uuid7_time(leaf.id):%Y-%m}") if self._months else None


def read_prunings(cursor: Cursor, log: int) -> Prunings:
    """What the log says of itself; these entries are checked with all others."""
    cursor.execute(_SAID, [log])
    months: dict[str, Month] = {}
    for (body,) in cursor.fetchall():
        data = msgspec.json.decode(bytes(body))["data"]
        try:
            month = Month(int(data["minimumIndex"]), int(data["kept"]), str(data["keptDigest"]))
        except (KeyError, ValueError):
            continue  # it excuses nothing
        months.setdefault(str(data["month"]), month)
    return Prunings(months)
