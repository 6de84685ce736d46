"""Days and offsets by zone: from the pinned data alone, whatever the machine has."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.engine.calendar import day_at, day_ends_at, offset_at, zone


@pytest.mark.parametrize(
    ("now", "name", "day"),
    [
        ("2026-11-24T09:30:00.000Z", "UTC", "2026-11-24"),
        ("2026-11-24T23:00:00.000Z", "Europe/Berlin", "2026-11-25"),
        ("2026-11-24T22:59:59.999Z", "Europe/Berlin", "2026-11-24"),
        ("2026-07-24T22:00:00.000Z", "Europe/Berlin", "2026-07-25"),
        ("2026-07-24T21:59:59.999Z", "Europe/Berlin", "2026-07-24"),
        ("2026-12-31T10:00:00.000Z", "Pacific/Kiritimati", "2027-01-01"),
        ("2027-01-01T10:59:59.999Z", "Pacific/Pago_Pago", "2026-12-31"),
        ("2028-02-29T00:00:00.000Z", "America/New_York", "2028-02-28"),
        # Samoa went from 29 to 31 December 2011
        ("2011-12-30T09:59:59.999Z", "Pacific/Apia", "2011-12-29"),
        ("2011-12-30T10:00:00.000Z", "Pacific/Apia", "2011-12-31"),
    ],
)
def test_the_day_of_a_moment(now: str, name: str, day: str) -> None:
    assert day_at(now, name) == date.fromisoformat(day)


@pytest.mark.parametrize(
    ("now", "name", "ends"),
    [
        ("2026-11-24T09:30:00.000Z", "UTC", "2026-11-25T00:00Z"),
        ("2026-11-24T23:59:59.999Z", "UTC", "2026-11-25T00:00Z"),
        ("2026-11-24T23:00:00.000Z", "Europe/Berlin", "2026-11-25T23:00Z"),
        ("2026-11-24T22:59:59.999Z", "Europe/Berlin", "2026-11-24T23:00Z"),
        # days of 23 and of 25 hours
        ("2026-03-29T00:00:00.000Z", "Europe/Berlin", "2026-03-29T22:00Z"),
        ("2026-10-25T00:00:00.000Z", "Europe/Berlin", "2026-10-25T23:00Z"),
        # a midnight that is skipped, one that comes twice, a day that never was
        ("2026-03-28T12:00:00.000Z", "Asia/Beirut", "2026-03-28T22:00Z"),
        ("2026-10-31T12:00:00.000Z", "America/Havana", "2026-11-01T04:00Z"),
        ("2011-12-30T09:59:59.999Z", "Pacific/Apia", "2011-12-30T10:00Z"),
    ],
)
def test_the_end_of_a_day_is_the_first_moment_of_the_next(now: str, name: str, ends: str) -> None:
    found = day_ends_at(now, name)
    assert (found, found.tzinfo) == (datetime.fromisoformat(ends), UTC)
    before = (found - timedelta(milliseconds=1)).isoformat()
    assert day_at(before, name) == day_at(now, name) < day_at(found.isoformat(), name)


@pytest.mark.parametrize(
    ("seconds", "name", "offset"),
    [
        (0, "UTC", timedelta()),
        (0, "+05:30", timedelta(hours=5, minutes=30)),
        (0, "05:30", timedelta(hours=5, minutes=30)),
        (0, "-00:30", timedelta(minutes=-30)),
        (1_774_745_999, "Europe/Berlin", timedelta(hours=1)),
        (1_774_746_000, "Europe/Berlin", timedelta(hours=2)),
        (1_792_889_999, "Europe/Berlin", timedelta(hours=2)),
        (1_792_890_000, "Europe/Berlin", timedelta(hours=1)),
        (1_795_478_400, "Asia/Kathmandu", timedelta(hours=5, minutes=45)),
    ],
)
def test_the_offset_at_a_moment(seconds: int, name: str, offset: timedelta) -> None:
    assert offset_at(seconds, name) == offset


@pytest.mark.parametrize(
    "name",
    ["", "Europe", "Europe/Atlantis", "europe/berlin\n", "/etc/passwd", "../zoneinfo/UTC",
     "Europe/../UTC", "C:\\UTC", "Europe//Berlin", "Ünited", "tzdata.zi"],
)  # fmt: skip
def test_what_is_no_zone(name: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone"):
        zone(name)


@given(st.integers(0, 4_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_a_fixed_offset_moves_the_clock_by_itself(seconds: int, minutes: int) -> None:
    sign = "-" if minutes < 0 else ""
    name = f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    assert offset_at(seconds, name) == timedelta(minutes=minutes)


@given(st.integers(0, 4_000_000_000))
def test_the_day_in_utc_is_that_of_the_text(seconds: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    assert day_at(moment.isoformat(), "UTC") == moment.date()


def test_the_end_of_the_calendar_is_an_error_and_not_utc() -> None:
    last = 253_402_300_799
    assert offset_at(last, "UTC") == timedelta()
    with pytest.raises(ValueError, match="timestamp out of range in this zone"):
        offset_at(last, "Asia/Tokyo")


def test_the_machines_own_zones_and_clock_are_never_asked(tmp_path: object) -> None:
    code = (
        "from policies.engine.calendar import day_at, offset_at\n"
        "print(day_at('2026-07-24T22:00:00.000Z', 'Europe/Berlin'), offset_at(0, 'Asia/Tokyo'))"
    )
    for machine in ({"TZ": "Asia/Tokyo"}, {"TZ": "UTC", "PYTHONTZPATH": str(tmp_path)}):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": os.getcwd(), **machine},  # noqa: PTH109  # as pytest was started
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stdout == "2026-07-25 9:00:00\n"
