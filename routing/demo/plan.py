"""PURE: two weeks of a small insurer's calls, the same for the same day and seed: who asks for what, and when."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from routing.demo.traffic import SCRIPTS, Script, body_of

DAYS = 14
MOST_CALLS = 1_500
_WORKDAY, _WEEKEND = 118, 26
_OPENS, _NOON, _CLOSES = 7.0, 11.5, 19.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One call to make: at which moment, of which team, with which body and headers."""

    at: datetime
    team: str
    body: Mapping[str, object]
    headers: Mapping[str, str]


def begins(now: datetime, zone: ZoneInfo) -> datetime:
    """The morning on which the installation was made: DAYS before today."""
    day = now.astimezone(zone).date() - timedelta(days=DAYS)
    return datetime.combine(day, time(8, 30), tzinfo=zone)


def last_tuesday(now: datetime, zone: ZoneInfo) -> date:
    """The newest Tuesday that is over."""
    today = now.astimezone(zone).date()
    return today - timedelta(days=(today.weekday() - 1) % 7 or 7)


def calls(now: datetime, zone: ZoneInfo, seed: int = 0) -> Iterator[Asked]:
    """Every call from the morning after `begins` up to `now`, in order; fewer at weekends and at night, none to come."""
    draw = random.Random(seed)  # noqa: S311 - which demo call comes next is no secret
    first = begins(now, zone).date() + timedelta(days=1)
    made = 0
    for number in range(DAYS):
        day = first + timedelta(days=number)
        for at in sorted(_moments(day, zone, draw)):
            if at >= now or made == MOST_CALLS:
                return
            made += 1
            yield _asked(at, draw)


def _moments(day: date, zone: ZoneInfo, draw: random.Random) -> Iterator[datetime]:
    usual = _WEEKEND if day.weekday() >= 5 else _WORKDAY
    midnight = datetime.combine(day, time(), tzinfo=zone)
    for _ in range(round(usual * draw.uniform(0.85, 1.12))):
        yield midnight + timedelta(hours=draw.triangular(_OPENS, _CLOSES, _NOON))


def _asked(at: datetime, draw: random.Random) -> Asked:
    script: Script = draw.choices(SCRIPTS, [script.weight for script in SCRIPTS])[0]
    return Asked(at, script.team, body_of(script, draw), script.headers)
