"""Values of free variables on both sides of every constant they are held against, the plainest first."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import combinations, pairwise, product
from typing import Any, Final

from policies.engine.values import Moment

MAX_SETS: Final = 6
"""Of so many constants every set is tried: 2^6. Of more, only the small sets and the whole."""
MAX_LABELS: Final = 64
OTHER: Final = "other"
_MS: Final = 1_000_000
_WHOLE: Final = frozenset(
    {"request.inputTokensMax", "request.outputTokensMax", "run.calls", "run.seconds"}
)


def plain(name: str, now: Moment) -> Any:  # noqa: ANN401  # any value of CEL
    """What the variable is in the least call there is."""
    return {
        "request.dataClasses": (), "request.tools": (), "request.labels": {}, "key.labels": {}, "request.stream": False,
        "user.known": False, "request.language": "", "key.id": "key", "run.cost": 0.0, "budget.shareUsed": 0.0, "now": now,
        "request.inputTokensMax": 1,
    }.get(name, 0)  # fmt: skip


def choices(
    name: str, constants: Iterable[Any], classes: Iterable[str], now: Moment
) -> tuple[list[Any], bool]:
    """Every value worth trying, the plain one first, and whether no other could make a difference."""
    known = set(constants)
    exact = True
    if name in ("request.dataClasses", "request.tools"):
        found, exact = _sets(known, classes if name == "request.dataClasses" else None)
    elif name in ("request.labels", "key.labels"):
        found, exact = _maps(known)
    elif name in ("request.stream", "user.known"):
        found = [False, True]
    elif name in ("request.language", "key.id"):
        found = (
            ["", *sorted(known), OTHER] if name == "request.language" else [*sorted(known), OTHER]
        )
    elif name in _WHOLE:
        found = sorted({v for c in known for v in (c - 1, c, c + 1) if v >= 0})
    elif name == "budget.shareUsed":
        steps = {k for c in known for k in range(int(c * 1000) - 1, int(c * 1000) + 3)}
        found = [k / 1000 for k in sorted(steps) if k >= 0]
    elif name == "run.cost":
        found = [float(v) for v in _between(Decimal(repr(c)) for c in known)]
    else:
        found = sorted({m for c in known for m in _moments(c)})
    first = plain(name, now)
    return [first, *(v for v in found if v != first)], exact


def _sets(known: set[Any], classes: Iterable[str] | None) -> tuple[list[Any], bool]:
    """Sets of items: only classes of the organisation ever stand among data classes, any word among tools."""
    if classes is None:
        items = [*sorted(known), OTHER]
    else:
        there = list(classes)
        items = sorted(known & set(there)) + [c for c in there if c not in known][:1]
    exact = len(items) <= MAX_SETS
    sizes = range(len(items) + 1) if exact else (0, 1, 2, len(items))
    return [chosen for size in sizes for chosen in combinations(items, size)], exact


def _maps(known: set[Any]) -> tuple[list[Any], bool]:
    by_key: dict[str, set[Any]] = {}
    for key, value in known:
        by_key.setdefault(key, set()).add(value)
    # None is a label that is not there
    each = [
        [None, *sorted(v for v in values if isinstance(v, str)), OTHER]
        for _, values in sorted(by_key.items())
    ]
    count = 1
    for values in each:
        count *= len(values)
    exact = count <= MAX_LABELS
    rows: Iterable[tuple[Any, ...]] = product(*each) if exact else _one_by_one(each)
    return [
        {k: v for k, v in zip(sorted(by_key), row, strict=True) if v is not None} for row in rows
    ], exact


def _one_by_one(each: list[list[Any]]) -> Iterator[tuple[Any, ...]]:
    for index, values in enumerate(each):
        for value in values[1:]:
            yield tuple(value if i == index else None for i in range(len(each)))


def _between(known: Iterable[Decimal]) -> list[Decimal]:
    """The constants, what lies between two neighbours, and what lies beyond."""
    steps = sorted({Decimal(0), *known})
    middle = [(a + b) / 2 for a, b in pairwise(steps)]
    return sorted(v for v in {*steps, *middle, steps[-1] + 1} if v >= 0)


def _moments(at: Moment) -> Iterator[Moment]:
    """The millisecond before, itself, and the one after: facts count in milliseconds."""
    floor = at.ns // _MS
    for ms in (floor - 1, floor, floor + 1):
        yield Moment(ms * _MS)


def said(value: Any) -> str:  # noqa: ANN401  # any value of CEL
    """A value for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {v}" for k, v in value.items()) or "none"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value) or "none"
