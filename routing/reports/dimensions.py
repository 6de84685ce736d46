"""What a line of a report can stand for, and what of a call or of its attempts tells it.

Cost centre, use case and task stand in documents: in those of the revision that the call was last decided under, so that
what a later change says does not move what was spent before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any, Final

from routing.reports.attributes import Attributes

LABEL: Final = "label"
UNRECORDED: Final = "\x01"
"""What stands for a label that was committed when its call was made, since no rule named it then: some value, or none."""
UNREADABLE: Final = "committed (not readable)"
STANDARD: Final = "standard"
"""The service tier of attempts whose provider named none, or the ordinary one."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """`columns` tell it; `without` says what a line without it is; `calls` is how the calls of a line are counted."""

    word: str
    columns: tuple[str, ...]
    without: str = ""
    calls: str = "calls"


DIMENSIONS: Final[Mapping[str, Dimension]] = {
    "tenant": Dimension("tenant", ("tenant",)),
    "team": Dimension("team", ("tenant", "team")),
    "costCentre": Dimension("cost centre", ("tenant", "revision"), "no cost centre"),
    "key": Dimension("API key", ("tenant", "key")),
    "user": Dimension("user", ("tenant", "user_ref"), "no user named"),
    "route": Dimension("route", ("tenant", "route")),
    "useCase": Dimension("use case", ("tenant", "route", "revision"), "no use case"),
    "model": Dimension("model", ("model",), "no model", "of_model"),
    "provider": Dimension("provider", ("provider",), "no provider", "of_provider"),
    "task": Dimension("task", ("tenant", "route", "revision"), "no task"),
    LABEL: Dimension("label", (LABEL,), "without it"),
    "run": Dimension("run", ("tenant", "run"), "no run"),
    "serviceTier": Dimension("service tier", ("service_tier",), "no attempt", "of_tier"),
}
UNALLOCATED: Final = tuple(name for name, one in DIMENSIONS.items() if one.without)
Cells = tuple[str, ...]
Teller = Callable[[Sequence[Any]], Cells]


def teller(name: str, columns: Sequence[str], known: Attributes) -> Teller:
    """What tells the words of a line of a dimension by a row of these columns; the last is "" where a call has none."""
    at = [columns.index(column) for column in DIMENSIONS[name].columns]
    # thousands of runs go through here: the quickest there is, and what is slow once for each value
    values = itemgetter(*at) if len(at) > 1 else itemgetter(slice(at[0], at[0] + 1))
    told = _TOLD.get(name)
    if told is None:
        return values
    known_values = cache(lambda found: told(known, *found))
    return lambda row: known_values(values(row))


def _use_case(known: Attributes, tenant: str, route: str, revision: str) -> Cells:
    return tenant, known.of_route(tenant, route, int(revision))[0]


_TOLD: Final[Mapping[str, Callable[..., Cells]]] = {
    "costCentre": lambda known, tenant, revision: (known.cost_centre(tenant, int(revision)),),
    "useCase": _use_case,
    "task": lambda known, tenant, route, revision: (
        known.of_route(tenant, route, int(revision))[1],
    ),
    "user": lambda _, tenant, ref: (tenant, user_of(ref)),
}
"""The dimensions whose words are not the values themselves."""


def user_of(subject: str) -> str:
    """The commitment to the user whose key seals a call; "" where that is the team's key."""
    _, mark, ref = subject.partition("/user/")
    return ref if mark else ""


def title_of(name: str, cells: Cells) -> str:
    """`insurance / claims`; the words of what is missing where nothing is known."""
    if not cells:
        return ""
    *places, last = cells
    if name in ("user", "run") and last:
        last = f"committed {last[:12]}…"
    elif last == UNRECORDED:
        last = UNREADABLE
    return " / ".join([*(p or "none" for p in places), last or DIMENSIONS[name].without or "none"])
