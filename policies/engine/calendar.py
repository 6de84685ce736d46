"""Days and offsets by time zone. Zones come from the pinned `tzdata` package alone, never from the machine's own files."""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

_FIXED: Final = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", re.ASCII)


@lru_cache(maxsize=512)
def zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(f'"{name}" is not a time zone')
    try:
        with (files("tzdata") / "zoneinfo").joinpath(*name.split("/")).open("rb") as data:
            return ZoneInfo.from_file(data, key=name)
    except (OSError, ValueError) as error:
        raise ValueError(f'"{name}" is not a time zone') from error


def offset_at(seconds: int, name: str) -> timedelta:
    """How far a zone, or an offset like `+02:00`, is from UTC at a moment. Raises ValueError."""
    fixed = _FIXED.fullmatch(name)
    if fixed:
        size = timedelta(hours=int(fixed[2]), minutes=int(fixed[3]))
        return -size if fixed[1] == "-" else size
    if name == "UTC":
        return timedelta()
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    try:
        return moment.astimezone(zone(name)).utcoffset() or timedelta()
    except OverflowError as error:
        raise ValueError("timestamp out of range in this zone") from error


def today_at(now: str, name: str) -> str:
    """The calendar day (ISO 8601) of a moment in UTC (RFC 3339) in a zone. Raises ValueError."""
    # days change on whole seconds: calls of one second have one day
    return _today(now[:19] + "Z", name)


@lru_cache(maxsize=4096)
def _today(now: str, name: str) -> str:
    return day_at(now, name).isoformat()


def day_at(now: str, name: str) -> date:
    """The calendar day of a moment (RFC 3339) in a zone. Raises ValueError."""
    moment = datetime.fromisoformat(now)
    return (moment if name == "UTC" else moment.astimezone(zone(name))).date()


def day_ends_at(now: str, name: str) -> datetime:
    """The first instant of the next calendar day after a moment in UTC (RFC 3339) in a zone. Raises ValueError."""
    return _day_ends(now[:19] + "Z", name)


@lru_cache(maxsize=4096)
def _day_ends(now: str, name: str) -> datetime:
    place = UTC if name == "UTC" else zone(name)
    # fold=0 is right in both odd cases: the instant a gap over midnight opens, and the first of two midnights
    midnight = datetime.combine(day_at(now, name) + timedelta(days=1), time.min, tzinfo=place)
    return midnight.astimezone(UTC)
