"""PURE: the weeks of a small insurer's calls, the same for the same day and seed: who asks for what, and when.

A pilot of a few calls a workday, from the last days of the month that finance has closed since, then two busy weeks up to now.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from routing.demo.traffic import SCRIPTS, Script, body_of

DAYS = 14
PILOT_DAYS = 9
"""So many days of the closed month have calls, at least."""
PILOT_CALLS = 6
MOST_CALLS = 1_500
CLOSED_AT = time(11, 5)
_CLOSING_DAY = 3
_SETTLED = timedelta(hours=3)
_WORKDAY, _WEEKEND = 108, 24
_OPENS, _NOON, _CLOSES = 7.0, 11.5, 19.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One call to make: at which moment, of which team, with which body and headers."""

    at: datetime
    team: str
    body: Mapping[str, object]
    headers: Mapping[str, str]


def begins(now: datetime, zone: ZoneInfo) -> datetime:
    """The morning on which the installation was made: DAYS before today, or in the last days of the closed month."""
    busy = now.astimezone(zone).date() - timedelta(days=DAYS)
    pilot = closed(now, zone).date().replace(day=1) - timedelta(days=PILOT_DAYS)
    return datetime.combine(min(busy, pilot), time(8, 30), tzinfo=zone)


def closed(now: datetime, zone: ZoneInfo) -> datetime:
    """When finance closed the month that was closed last: the first workday from the third on, if that is over."""
    month = now.astimezone(zone).date().replace(day=1)
    while (found := _closing_of(month, zone)) + _SETTLED > now:
        month = (month - timedelta(days=1)).replace(day=1)
    return found


def _closing_of(month: date, zone: ZoneInfo) -> datetime:
    """When the month before this one is closed."""
    day = month.replace(day=_CLOSING_DAY)
    while day.weekday() >= 5:
        day += timedelta(days=1)
    return datetime.combine(day, CLOSED_AT, tzinfo=zone)


def last_tuesday(now: datetime, zone: ZoneInfo) -> date:
    """The newest Tuesday that is over."""
    return _last(1, now, zone)


def last_saturday(now: datetime, zone: ZoneInfo) -> date:
    """The newest Saturday that is over."""
    return _last(5, now, zone)


def _last(weekday: int, now: datetime, zone: ZoneInfo) -> date:
    today = now.astimezone(zone).date()
    return today - timedelta(days=(today.weekday() - weekday) % 7 or 7)


def calls(now: datetime, zone: ZoneInfo, seed: int = 0) -> Iterator[Asked]:
    """Every call of the pilot and of the two weeks up to `now`, in order; fewer at weekends and at night, none to come."""
    draw = random.Random(seed)  # noqa: S311 - which demo call comes next is no secret
    first = now.astimezone(zone).date() - timedelta(days=DAYS - 1)
    yield from _pilot(begins(now, zone), first, random.Random(seed))  # noqa: S311 - nor this
    made = 0
    for number in range(DAYS):
        day = first + timedelta(days=number)
        for at in sorted(_moments(day, zone, draw)):
            if at >= now or made == MOST_CALLS:
                return
            made += 1
            yield _asked(at, draw)


def _pilot(begun: datetime, until: date, draw: random.Random) -> Iterator[Asked]:
    """A few calls each workday; on the first day one of each team, so that each tenant's books begin with it."""
    moment, first = begun + timedelta(hours=1), True
    while moment.date() < until:
        if first or moment.weekday() < 5:
            each = _first_of_each() if first else draw.choices(SCRIPTS, _PILOT, k=PILOT_CALLS)
            for number, script in enumerate(each):
                at = moment + timedelta(minutes=70 * number + draw.randrange(40))
                yield Asked(at, script.team, body_of(script, draw), script.headers)
        moment, first = moment + timedelta(days=1), False


_WEIGHTS = [script.weight for script in SCRIPTS]
# who tries first are those with long letters
_PILOT = [script.weight * (6 if script.route == "extraction" else 1) for script in SCRIPTS]


def _first_of_each() -> list[Script]:
    found: dict[str, Script] = {}
    for script in SCRIPTS:
        found.setdefault(script.team, script)
    return list(found.values())


def _moments(day: date, zone: ZoneInfo, draw: random.Random) -> Iterator[datetime]:
    usual = _WEEKEND if day.weekday() >= 5 else _WORKDAY
    midnight = datetime.combine(day, time(), tzinfo=zone)
    for _ in range(round(usual * draw.uniform(0.85, 1.12))):
        yield midnight + timedelta(hours=draw.triangular(_OPENS, _CLOSES, _NOON))


def _asked(at: datetime, draw: random.Random) -> Asked:
    script: Script = draw.choices(SCRIPTS, _WEIGHTS)[0]
    return Asked(at, script.team, body_of(script, draw), script.headers)
