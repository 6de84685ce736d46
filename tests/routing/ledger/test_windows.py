"""Calendar windows, in time zones that do odd things at midnight."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.ledger.windows import ALWAYS, PERIODS, Period, window_of


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "zone", "moment", "starts", "ends"),
    [
        ("day", "UTC", "2026-11-24T12:00", "2026-11-24T00:00", "2026-11-25T00:00"),
        ("week", "UTC", "2026-11-24T12:00", "2026-11-23T00:00", "2026-11-30T00:00"),
        ("week", "UTC", "2026-11-23T00:00", "2026-11-23T00:00", "2026-11-30T00:00"),
        ("month", "UTC", "2026-12-31T23:59", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("quarter", "UTC", "2026-11-24T00:00", "2026-10-01T00:00", "2027-01-01T00:00"),
        ("quarter", "UTC", "2026-03-31T23:59", "2026-01-01T00:00", "2026-04-01T00:00"),
        # local midnight, not UTC's: the last hour of November in UTC is December in Berlin
        ("month", "Europe/Berlin", "2026-11-30T22:59", "2026-10-31T23:00", "2026-11-30T23:00"),
        ("month", "Europe/Berlin", "2026-11-30T23:00", "2026-11-30T23:00", "2026-12-31T23:00"),
        # a month with a change of the clock: one hour longer, one shorter
        ("month", "Europe/Berlin", "2026-10-15T00:00", "2026-09-30T22:00", "2026-10-31T23:00"),
        ("day", "Europe/Berlin", "2026-03-29T12:00", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("day", "Europe/Berlin", "2026-10-25T12:00", "2026-10-24T22:00", "2026-10-25T23:00"),
        # midnight does not exist: the day begins at one o'clock, the instant of the change
        ("day", "Africa/Cairo", "2026-04-24T12:00", "2026-04-23T22:00", "2026-04-24T21:00"),
        # midnight happens twice (Havana falls back at one): the day begins with the first and has 25 hours
        ("day", "America/Havana", "2026-11-01T12:00", "2026-11-01T04:00", "2026-11-02T05:00"),
        # a week has an hour less in spring and one more in autumn; so has a quarter that begins in summer
        ("week", "Europe/Berlin", "2026-03-29T21:59", "2026-03-22T23:00", "2026-03-29T22:00"),
        ("week", "Europe/Berlin", "2026-10-25T22:59", "2026-10-18T22:00", "2026-10-25T23:00"),
        ("quarter", "Europe/Berlin", "2026-12-31T22:59", "2026-09-30T22:00", "2026-12-31T23:00"),
        # Lord Howe moves its clocks by half an hour
        ("day", "Australia/Lord_Howe", "2026-04-05T13:29", "2026-04-04T13:00", "2026-04-05T13:30"),
        ("day", "Australia/Lord_Howe", "2026-10-04T12:59", "2026-10-03T13:30", "2026-10-04T13:00"),
        ("week", "Australia/Lord_Howe", "2026-04-05T13:29", "2026-03-29T13:00", "2026-04-05T13:30"),
        (
            "month",
            "Australia/Lord_Howe",
            "2026-10-31T12:59",
            "2026-09-30T13:30",
            "2026-10-31T13:00",
        ),
        # Apia had no 30 December 2011: the 29th ends where the 31st begins, and the week has six days
        ("day", "Pacific/Apia", "2011-12-30T09:59", "2011-12-29T10:00", "2011-12-30T10:00"),
        ("day", "Pacific/Apia", "2011-12-30T10:00", "2011-12-30T10:00", "2011-12-31T10:00"),
        ("week", "Pacific/Apia", "2011-12-30T10:00", "2011-12-26T10:00", "2012-01-01T10:00"),
        ("month", "Pacific/Apia", "2011-12-30T10:00", "2011-12-01T10:00", "2011-12-31T10:00"),
    ],
)
def test_window_of(period: Period, zone: str, moment: str, starts: str, ends: str) -> None:
    assert window_of(period, utc(moment), zone) == (utc(starts), utc(ends))


@pytest.mark.parametrize(
    ("moment", "starts", "ends"),
    [
        ("2026-03-31T23:59", "2025-04-01T00:00", "2026-04-01T00:00"),
        ("2026-04-01T00:00", "2026-04-01T00:00", "2027-04-01T00:00"),
        ("2026-12-31T00:00", "2026-04-01T00:00", "2027-04-01T00:00"),
    ],
)
def test_a_fiscal_year_begins_where_the_tenant_says(moment: str, starts: str, ends: str) -> None:
    assert window_of("fiscal-year", utc(moment), "UTC", "04-01") == (utc(starts), utc(ends))


@pytest.mark.parametrize(
    ("zone", "moment", "starts", "ends"),
    [
        # it begins in summer time, two days after the change, and ends there too
        ("Europe/Berlin", "2026-03-31T21:59", "2025-03-31T22:00", "2026-03-31T22:00"),
        ("Europe/Berlin", "2026-03-31T22:00", "2026-03-31T22:00", "2027-03-31T22:00"),
        # Easter moves nothing: Lord Howe is still in summer time on 1 April
        ("Australia/Lord_Howe", "2026-03-31T12:59", "2025-03-31T13:00", "2026-03-31T13:00"),
        # the year in which Apia crossed the date line has a day less
        ("Pacific/Apia", "2012-03-31T09:59", "2011-04-01T10:00", "2012-03-31T10:00"),
    ],
)
def test_a_fiscal_year_keeps_to_the_tenants_clock(
    zone: str, moment: str, starts: str, ends: str
) -> None:
    assert window_of("fiscal-year", utc(moment), zone, "04-01") == (utc(starts), utc(ends))


def test_a_fiscal_year_from_29_february_begins_in_march_where_there_is_none() -> None:
    window = window_of("fiscal-year", utc("2026-06-01T00:00"), "UTC", "02-29")
    assert window == (utc("2026-03-01T00:00"), utc("2027-03-01T00:00"))
    leap = window_of("fiscal-year", utc("2028-02-29T00:00"), "UTC", "02-29")
    assert leap == (utc("2028-02-29T00:00"), utc("2029-03-01T00:00"))


def test_once_has_one_window_for_ever() -> None:
    assert window_of("once", utc("2026-06-01T00:00"), "nowhere") == ALWAYS


@pytest.mark.parametrize(
    ("zone", "fiscal", "quoted"),
    [
        ("Europe/Berlinn", "01-01", '"Europe/Berlinn"'),
        ("UTC", "13-01", '"13-01"'),
        ("UTC", "x", '"x"'),
    ],
)
def test_what_is_no_zone_or_day_is_quoted(zone: str, fiscal: str, quoted: str) -> None:
    with pytest.raises(ValueError, match=quoted):
        window_of("fiscal-year", utc("2026-06-01T00:00"), zone, fiscal)


def test_a_moment_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        window_of("day", datetime(2026, 1, 1), "UTC")  # noqa: DTZ001 - that is the mistake


ZONES = [
    "UTC",
    "Europe/Berlin",
    "Africa/Cairo",
    "America/Havana",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/St_Johns",
]


@given(
    period=st.sampled_from(PERIODS),
    zone=st.sampled_from(ZONES),
    moment=st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1)).map(  # noqa: DTZ001 - hypothesis wants naive bounds
        lambda d: d.replace(tzinfo=UTC)
    ),
    fiscal=st.sampled_from(["01-01", "04-01", "02-29", "12-31"]),
)
def test_every_moment_lies_in_exactly_one_window(
    period: Period, zone: str, moment: datetime, fiscal: str
) -> None:
    starts, ends = window_of(period, moment, zone, fiscal)
    assert starts <= moment < ends
    if period != "once":
        # its neighbours begin and end where it does: no gap, no overlap
        assert window_of(period, ends, zone, fiscal)[0] == ends
        assert window_of(period, starts - timedelta(microseconds=1), zone, fiscal)[1] == starts
        assert starts.astimezone(ZoneInfo(zone)).date() <= moment.astimezone(ZoneInfo(zone)).date()
