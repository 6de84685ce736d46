"""How long people had a case: claims that led to a decision, lapsed, were given back, prolonged, or taken over."""

from datetime import UTC, datetime, timedelta

import pytest

from routing.reports.handling import Act, Handled, cost_nano, handled, ranked

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
CLAIM = timedelta(minutes=15)
RUI, CLEO = "member:rui@acme.example", "member:cleo@acme.example"


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def took(minutes: float) -> timedelta:
    return timedelta(minutes=minutes)


def told(*acts: tuple[float, str, str], closed: float = 60) -> Handled:
    return handled([Act(f"review.{kind}", who, at(m)) for m, kind, who in acts], at(closed), CLAIM)


@pytest.mark.parametrize(
    ("acts", "found"),
    [
        ([], Handled()),
        ([(0, "claimed", RUI), (7, "approved", RUI)], Handled(took(7))),
        ([(0, "claimed", RUI), (7, "rejected", RUI)], Handled(took(7))),
        # two people, one after the other
        (
            [
                (0, "claimed", RUI),
                (4, "edited", RUI),
                (20, "claimed", CLEO),
                (23, "approved", CLEO),
            ],
            Handled(took(7)),
        ),
        # prolonged: from the first claim on, and once
        ([(0, "claimed", RUI), (10, "claimed", RUI), (24, "approved", RUI)], Handled(took(24))),
        # the same person comes back after it lapsed
        (
            [(0, "claimed", RUI), (40, "claimed", RUI), (42, "approved", RUI)],
            Handled(took(17), lapsed=1, lapsed_time=took(15)),
        ),
        # taken over after it lapsed
        (
            [(0, "claimed", RUI), (30, "claimed", CLEO), (33, "redacted", CLEO)],
            Handled(took(18), lapsed=1, lapsed_time=took(15)),
        ),
        # given back after four minutes, and decided by another
        (
            [
                (0, "claimed", RUI),
                (4, "returned", RUI),
                (5, "claimed", CLEO),
                (6, "approved", CLEO),
            ],
            Handled(took(5), returned=1, returned_time=took(4)),
        ),
        # moved to the next queue, and turned down by it there
        (
            [(0, "claimed", RUI), (20, "escalated", "job:sweep"), (50, "overdue", "job:sweep")],
            Handled(took(15), lapsed=1, lapsed_time=took(15)),
        ),
        # the call was cancelled two minutes after the claim
        ([(58, "claimed", RUI)], Handled(took(2), lapsed=1, lapsed_time=took(2))),
        # an act without a claim is nobody's time
        ([(3, "approved", RUI), (4, "returned", RUI)], Handled()),
    ],
)
def test_time_is_from_a_claim_to_what_ended_it(
    acts: list[tuple[float, str, str]], found: Handled
) -> None:
    assert told(*acts) == found


def test_a_claim_after_the_closing_counts_nothing() -> None:
    assert told((61, "claimed", RUI), closed=60) == Handled(lapsed=1)


@pytest.mark.parametrize(
    ("time", "hourly", "nano"),
    [
        (timedelta(hours=1), 54_000_000_000, 54_000_000_000),
        (timedelta(minutes=10), 54_000_000_000, 9_000_000_000),
        (timedelta(microseconds=1), 1, 1),
        (timedelta(), 54_000_000_000, 0),
        (timedelta(hours=1), 0, 0),
        (timedelta(seconds=1), 1_000_000_000, 277_778),
    ],
)
def test_time_costs_its_part_of_an_hour_rounded_up(time: timedelta, hourly: int, nano: int) -> None:
    assert cost_nano(time, hourly) == nano


@pytest.mark.parametrize(
    ("minutes", "median", "ninety"),
    [([], 0, 0), ([5], 5, 5), ([9, 1], 1, 9), ([3, 1, 2], 2, 3), (list(range(1, 11)), 5, 9), ([1] * 10 + [7], 1, 1)],
)  # fmt: skip
def test_percentiles_are_of_the_nearest_rank(minutes: list[int], median: int, ninety: int) -> None:
    times = [took(m) for m in minutes]
    assert (ranked(times, 50), ranked(times, 90)) == (took(median), took(ninety))
