"""How money, moments and lengths are written."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from audit.ui import words

NOW = datetime(2026, 11, 23, 13, 20, 7, 212_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("nano", "currency", "written"),
    [
        (31_790_110_000_000, "EUR", "€31,790.11"),
        (0, "EUR", "€0.00"),
        (1_480_000, "EUR", "€0.00148"),
        (206_922_000, "USD", "$0.206922"),
        (300_000_000, "EUR", "€0.30"),
        (400, "EUR", "under €0.000001"),
        (-2_500_000_000, "EUR", "-€2.50"),
        (12_000_000_000, "SEK", "SEK 12.00"),
        (1_005_000_000, "EUR", "€1.01"),
    ],
)
def test_money(nano: int, currency: str, written: str) -> None:
    assert words.money(nano, currency) == written


@pytest.mark.parametrize(
    ("nano", "written"),
    [
        (312_434_000, "€0.31"),
        (31_790_114_900_000, "€31,790.11"),
        (9_999_999, "€0.01"),
        (1_480_000, "€0.00148"),
    ],
)
def test_key_figures_have_two_places_from_a_cent_on(nano: int, written: str) -> None:
    assert words.rough(nano, "EUR") == written


@pytest.mark.parametrize(
    ("part", "whole", "written"),
    [
        (0, 0, "0 %"),
        (0, 9, "0 %"),
        (1269, 449_978, "0.28 %"),
        (83, 100, "83 %"),
        (1, 10**9, "under 0.01 %"),
        (12, 10, "120 %"),
    ],
)
def test_share(part: int, whole: int, written: str) -> None:
    assert words.share(part, whole) == written


def test_moments_carry_their_zone() -> None:
    with timezone.override(ZoneInfo("Europe/Berlin")):
        assert words.moment(NOW) == "Mon 23 Nov 2026, 14:20:07 CET"
        assert words.minute(NOW) == "Mon 23 Nov, 14:20 CET"
        assert words.second(NOW) == "Mon 23 Nov, 14:20:07 CET"
        assert words.clock(NOW) == "14:20:07.212 CET"
        assert words.day(NOW) == "23 Nov 2026"
    with timezone.override(UTC):
        assert words.moment(NOW) == "Mon 23 Nov 2026, 13:20:07 UTC"


@pytest.mark.parametrize(
    ("length", "written"),
    [
        (timedelta(milliseconds=51), "51 ms"),
        (timedelta(seconds=3.42), "3.42 s"),
        (timedelta(minutes=16, seconds=41), "16 min 41 s"),
        (timedelta(hours=3, minutes=5), "3 h 5 min"),
        (timedelta(days=9), "9 days"),
        (timedelta(seconds=-1), "0 ms"),
    ],
)
def test_lasting(length: timedelta, written: str) -> None:
    assert words.lasting(length) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "just now"),
        (40, "40 s ago"),
        (60, "1 min ago"),
        (7300, "2 h ago"),
        (86_400, "1 day ago"),
        (200_000, "2 days ago"),
    ],
)
def test_ago(seconds: int, written: str) -> None:
    assert words.ago(NOW - timedelta(seconds=seconds), NOW) == written


def test_short_keeps_both_ends_and_the_prefix_of_a_call() -> None:
    assert words.short(bytes(range(32))) == "00010203…1e1f"
    assert words.short("call_01a20b6a85e77bfe96398340b8e2ef5a") == "call_01a20b6a…ef5a"
    assert words.short("4f3a2c79") == "4f3a2c79"


def test_listed() -> None:
    assert [words.listed(list("abc"[:n])) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
