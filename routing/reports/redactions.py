"""What was taken out of a call's words, and of its answer's, as the log has it: counts by detector, never a word. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from audit.log.read import Line

_WHERE = {
    "attempt.started": "before it was sent",
    "call.completed": "in the answer",
    "call.held": "in the answer",
}


@dataclass(frozen=True, slots=True)
class Redaction:
    """How many matches of one detector were taken out. `where`: before it was sent, or in the answer."""

    where: str
    detector: str
    count: int


def redactions(entries: Sequence[Line]) -> list[Redaction]:
    """Of a call with several attempts the most that was taken out for one: each is sent the same words, a repair more."""
    most: dict[tuple[str, str], int] = {}
    for line in entries:
        where = _WHERE.get(line.kind.name)
        counts = line.data.get("redacted", {}).get("counts", {}) if where else {}
        for detector, count in counts.items():
            key = (where or "", detector)
            most[key] = max(most.get(key, 0), count)
    return [
        Redaction(where, name, count) for (where, name), count in sorted(most.items(), reverse=True)
    ]
