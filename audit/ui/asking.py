"""What the explorer's address asks for: time, tenant, actor kind, action group, subject and call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from uuid import UUID

from django.utils import timezone

from audit.log import access, read
from audit.log.kinds import Group
from audit.ui.filters import Filters, Select
from controlplane.kernel.ids import parse_call_name
from controlplane.kernel.principal import Principal

SPANS: Final = {
    "hour": ("the last hour", 1),
    "day": ("the last 24 hours", 24),
    "week": ("the last 7 days", 168),
    "month": ("the last 30 days", 720),
}
ACTORS: Final = (
    ("member", "people"),
    ("key", "API keys"),
    ("cli", "command line"),
    ("job", "the system"),
    ("worker", "workers"),
)
OLDEST, NEWEST = date(1971, 1, 1), date(9000, 12, 31)  # ids carry the time since 1970
TEXTS: Final = ("from", "to", "about", "call")


@dataclass(frozen=True, slots=True)
class Asked:
    """A filter, as the page shows it and as the log reads it; `trouble` says what could not be read, and nothing is shown."""

    filters: Filters
    wanted: read.Filter
    trouble: str = ""

    @property
    def told(self) -> Mapping[str, str]:
        """What is narrowed, by name."""
        return self.filters.values


def asked(given: Mapping[str, str], principal: Principal, tenants: Sequence[str] = ()) -> Asked:
    """Read an address or a form. Raises Forbidden for whoever may read no part of the log."""
    filters = _filters(given, tenants)
    values, troubles = filters.values, list[str]()
    since, until = _span(values, troubles)
    wanted = read.Filter(
        tenants=access.narrowed(principal, values.get("tenant", "")),
        since=since,
        until=until,
        actor_kind=values.get("who", ""),
        groups=(Group(values["what"]),) if "what" in values else (),
        subject=values.get("about", ""),
        call=_call(values.get("call", ""), troubles),
    )
    return Asked(filters, wanted, "; ".join(troubles))


def _filters(given: Mapping[str, str], tenants: Sequence[str]) -> Filters:
    values = {name: given.get(name, "").replace("\x00", "").strip()[:200] for name in TEXTS}
    values["tenant"] = given.get("tenant", "").replace("\x00", "").strip()[:200]
    spans = [(key, label) for key, (label, _) in SPANS.items()]
    groups = [(group.value, group.value) for group in Group]
    for name, choices in (("time", spans), ("who", ACTORS), ("what", groups)):
        asked_for = given.get(name, "")
        values[name] = asked_for if asked_for in {value for value, _ in choices} else ""
    if values["from"] or values["to"]:
        values["time"] = ""  # days say it more exactly
    places = [(name, name) for name in sorted({*tenants, values["tenant"]} - {""})]
    selects = (
        Select("time", "Time", "all", tuple(spans), values["time"]),
        Select("tenant", "Tenant", "all", tuple(places), values["tenant"]),
        Select("who", "Who", "anybody", ACTORS, values["who"]),
        Select("what", "What", "anything", tuple(groups), values["what"]),
    )
    return Filters(selects, "", {name: value for name, value in values.items() if value})


def _span(
    values: Mapping[str, str], troubles: list[str]
) -> tuple[datetime | None, datetime | None]:
    if "time" in values:
        return timezone.now() - timedelta(hours=SPANS[values["time"]][1]), None
    first, last = _day(values, "from", troubles), _day(values, "to", troubles)
    since = _begins(first) if first else None
    return since, _begins(last + timedelta(days=1)) if last else None


def _day(values: Mapping[str, str], name: str, troubles: list[str]) -> date | None:
    text = values.get(name, "")
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.min
    if OLDEST <= found <= NEWEST:
        return found
    troubles.append(f"“{text}” is no day; write it like 2026-11-23")
    return None


def _begins(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=timezone.get_current_timezone())


def _call(text: str, troubles: list[str]) -> UUID | None:
    if not text:
        return None
    try:
        return parse_call_name(text)
    except ValueError:
        troubles.append(f"“{text}” is no call; its id begins with call_ and has 32 digits")
        return None
