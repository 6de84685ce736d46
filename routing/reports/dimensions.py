"""What a line of a report can stand for, and what of a call or of its attempts tells it.

Cost centre, use case and task stand in documents: in those of the revision that the call was last decided under, so that
what a later change says does not move what was spent before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from routing.reports.attributes import Attributes

LABEL: Final = "label"
UNRECORDED: Final = "\x01"
"""What stands for a label that was committed when its call was made: no rule named it then."""


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
}
UNALLOCATED: Final = tuple(name for name, one in DIMENSIONS.items() if one.without)
Cells = tuple[str, ...]
Raw = Mapping[str, str]


def cells_of(name: str, raw: Raw, known: Attributes) -> Cells:
    """The words of a line of a dimension; the last is "" where a call has none."""
    tenant = raw.get("tenant", "")
    match name:
        case "costCentre":
            return (known.cost_centre(tenant, int(raw["revision"])),)
        case "useCase" | "task":
            use_case, task = known.of_route(tenant, raw["route"], int(raw["revision"]))
            return (tenant, use_case) if name == "useCase" else (task,)
        case "user":
            return (tenant, user_of(raw["user_ref"]))
        case _:
            return tuple(raw[column] for column in DIMENSIONS[name].columns)


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
        last = "not recorded"
    return " / ".join([*(p or "none" for p in places), last or DIMENSIONS[name].without or "none"])
