"""PURE: whether a change only tightens. That alone is what one person may publish in an emergency.

Nothing is guessed: what cannot be seen to tighten, such as another condition, does not.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from policies.bundles.rules import FLOORS, Touched, is_hard_forbid
from policies.changes.texts import named
from policies.documents.document import Document

Spec = Mapping[str, Any]
_LEVELS: Final[Mapping[str, int]] = {"advisory": 0, "soft": 1}
_NUMBERS: Final = ("requestsPerMinute", "tokensPerMinute", "concurrent")


def loosens(touched: Iterable[Touched]) -> list[str]:
    """Why one person may not publish this alone; empty where every document only tightens."""
    return [f"{named(one.identity)}: {why}" for one in touched for why in _why(one)]


def _why(one: Touched) -> Iterator[str]:
    kind = one.identity[0]
    # INVARIANT: no document and no emergency lowers these
    if kind in FLOORS:
        yield "it needs another person, always"
        return
    if any(d is not None and is_hard_forbid(d) for d in (one.before, one.after)):
        yield "a hard forbid needs another person, always"
        return
    if one.before is None and one.after is None:
        yield "its text cannot be read"
        return
    judge = _KINDS.get(kind)
    if judge is None or not judge(one.before, one.after):
        yield "it does not only tighten"


def _permission(before: Document | None, after: Document | None) -> bool:
    if after is None:
        was = before.filled() if before else {}
        # a permit for models opens nothing by going only while another is left, and obligations go with a permit
        return was["effect"] == "permit" and was["on"] == "call" and not _obliges(was)
    now = after.filled()
    if now["effect"] != "forbid":
        return False
    if before is None:
        return True
    was = before.filled()
    raised = _LEVELS.get(was["level"], 2) <= _LEVELS.get(now["level"], -1)
    return was["effect"] == "forbid" and raised and _same(before, after, "level")


def _obliges(spec: Spec) -> bool:
    return any(bool(value) for value in (spec.get("obligations") or {}).values())


def _budget(before: Document | None, after: Document | None) -> bool:
    if after is None:
        return False
    if before is None:
        return True
    was, now = before.filled(), after.filled()
    lower = Decimal(now["limit"]) <= Decimal(was["limit"])
    return lower and now["hard"] >= was["hard"] and _same(before, after, "limit", "hard")


def _rate(before: Document | None, after: Document | None) -> bool:
    if after is None:
        return False
    if before is None:
        return True
    was, now = before.spec, after.spec
    lower = all(now.get(n, was[n] + 1) <= was[n] for n in _NUMBERS if n in was)
    return lower and _same(before, after, *_NUMBERS)


def _exception(before: Document | None, after: Document | None) -> bool:
    if before is None:
        return False
    if after is None:
        return True
    earlier = str(after.spec["expiresOn"]) <= str(before.spec["expiresOn"])
    return earlier and _same(before, after, "expiresOn")


def _same(before: Document, after: Document, *but: str) -> bool:
    """Whether nothing else differs."""
    was, now = (
        {key: value for key, value in d.filled().items() if key not in but} for d in (before, after)
    )
    return was == now and before.body["metadata"] == after.body["metadata"]


_KINDS: Final[Mapping[str, Callable[[Document | None, Document | None], bool]]] = {
    "Permission": _permission,
    "Budget": _budget,
    "RateLimit": _rate,
    "Exception": _exception,
}
