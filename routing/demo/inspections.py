"""Underwriting has inspection reports sorted by the dearest model, and a small one is asked beside it each time.

What both say is compared every evening: the evidence by which the page of waste claims something without a person's label.
"""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from routing.comparing.job import compare_ended
from routing.demo import plan
from routing.demo.history import Event
from routing.demo.letters import TEAM
from routing.demo.plan import Asked

A_DAY: Final = 4
OTHERWISE: Final = 23
"""One of so many reports is put into another class by the small model."""
_FIRST, _EVENING = time(15, 10), time(18, 30)
_APART: Final = timedelta(minutes=37)
_PAGES: Final = 12
_CLASSES: Final = "ABBC"
_SEEN: Final = (
    "a dry cellar, wiring of 2019 and a roof without faults",
    "a cracked lintel over the gate and no second way out of the attic",
    "two heaters of 1994 and a fuse box without a cover",
    "straw beside the grain dryer, and extinguishers that nobody looked at since 2021",
)


_PLACE: Final = (
    "The house stands at the end of a lane and was built in 1911; the owner let us into every room. The cellar is of "
    "quarry stone, two of its windows look to the brook, and a pump with a float has been there since the flood of 2013. "
    "Pipes were renewed up to the second floor, those above are of lead and to be left as they are until the roof is done. "
    "The stairs are of oak, the landings wide enough for a stretcher, the doors to the flats self-closing but one. "
    "We counted nine smoke detectors, pressed each, and heard eight. "
)


def calls(now: datetime, zone: ZoneInfo) -> Iterator[Asked]:
    """The reports of every day of the two busy weeks; none to come."""
    for day, first in enumerate(_each(now, zone, _FIRST)):
        for number in range(A_DAY):
            at = first + number * _APART
            if at < now:
                yield Asked(at, TEAM, _body(day * A_DAY + number), {})


def events(now: datetime, zone: ZoneInfo) -> Iterator[Event]:
    """Each evening both answers are compared; of the last day the job of the installation itself does it."""
    for evening in _each(now, zone, _EVENING):
        if evening < now:
            yield Event(evening, "", _compare)


def _each(now: datetime, zone: ZoneInfo, at: time) -> Iterator[datetime]:
    last = now.astimezone(zone).date()
    for ago in reversed(range(plan.DAYS)):
        yield datetime.combine(last - timedelta(days=ago), at, tzinfo=zone)


def _compare() -> None:
    compare_ended()


def _body(number: int) -> dict[str, object]:
    risk = _CLASSES[number % len(_CLASSES)]
    small = "D" if number % OTHERWISE == OTHERWISE - 1 else risk
    seen = f"{_PLACE * _PAGES} We also saw {_SEEN[number % len(_SEEN)]}."
    report = f"Report {4100 + number}. {seen} Which risk class, A to D? One letter."
    says = (
        f"[[sandbox model=claude-opus-4-5 say={risk}]] [[sandbox model=llama-4-scout say={small}]]"
    )
    return {
        "model": "inspections",
        "messages": [{"role": "user", "content": f"{report} {says}"}],
        "max_tokens": 400,
    }
