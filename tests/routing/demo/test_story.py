"""The demo's story on whatever day it is told: everything within its time, in the order that each part needs."""

from datetime import UTC, datetime, timedelta

import pytest

from policies.documents.parse import parse_text
from policies.documents.whole import check_whole, not_yet_executed
from routing.anomalies.pattern import WINDOW
from routing.comparing.job import SPAN
from routing.demo import inspections, letters, plan, wild, world
from routing.demo.books import Books
from routing.demo.letters import Letters
from routing.demo.plan import begins, calls
from routing.demo.story import Story
from routing.demo.world import ZONE
from routing.reports.labelled import Labelled
from routing.reviews.clock import SAMPLE_AFTER, SAMPLE_SPAN

DAYS = [
    datetime(2026, 11, 29, 16, tzinfo=UTC),
    datetime(2026, 12, 1, 0, 5, tzinfo=UTC),
    datetime(2026, 12, 3, 14, tzinfo=UTC),
    datetime(2027, 3, 28, 1, 30, tzinfo=UTC),  # the hour that is not there in Berlin
    datetime(2026, 10, 25, 1, 30, tzinfo=UTC),  # the hour that is there twice
    datetime(2028, 2, 29, 23, 59, tzinfo=UTC),
]


def _unread(_seconds: float) -> None:
    raise AssertionError("nobody reads here")


def _story() -> Story:
    return Story(world.documents("http://127.0.0.1:9"), _unread)


@pytest.mark.parametrize("now", DAYS)
def test_books_are_closed_in_order_and_before_now(now: datetime) -> None:
    told = list(Books().events(now, ZONE))
    assert [one.what.split()[0] for one in told] == ["Ada", "Finn", "Cleo", "Finn", "Finn", "Finn"]
    moments = [one.at for one in told]
    assert moments == sorted(moments)
    assert begins(now, ZONE) < moments[0]
    assert moments[-1] <= now - timedelta(minutes=30)


@pytest.mark.parametrize("now", DAYS)
def test_every_letter_lies_in_the_span_that_its_sitting_samples(now: datetime) -> None:
    part = Letters(_unread)
    asked, told = list(part.calls(now, ZONE)), list(part.events(now, ZONE))
    assert (len(asked), len(told)) == (160, 12)
    assert told[0].at < asked[0].at
    assert max(asked[-1].at, told[-2].at) < told[-1].at < now
    for number, sitting in enumerate(told[1:-1]):
        before = sitting.at - SAMPLE_AFTER
        seen = [one for one in asked if before - SAMPLE_SPAN <= one.at < before]
        assert seen == asked[number * 16 : number * 16 + 16]
    # nothing else of the tenant is delivered while every answer is checked
    everyday = _story().around(calls(now, ZONE), now, ZONE)
    insurers = [one for one in everyday if one.team.startswith("insurance/")]
    assert [
        one for one in insurers if told[1].at - SAMPLE_AFTER - SAMPLE_SPAN <= one.at < told[-1].at
    ] == []
    assert len(insurers) > 500


@pytest.mark.parametrize("now", DAYS)
def test_what_runs_wild_lies_in_the_ten_minutes_that_are_looked_at(now: datetime) -> None:
    asked, (seen,) = list(wild.calls(now)), list(wild.events(now))
    assert len(asked) == 30
    assert asked[0].at > seen.at - WINDOW
    assert asked[-1].at < seen.at < now


@pytest.mark.parametrize("now", DAYS)
def test_nothing_of_the_story_is_before_the_beginning_or_to_come_but_the_week_that_is_not_over(
    now: datetime,
) -> None:
    told = list(_story().events(now, ZONE))
    assert all(one.at > begins(now, ZONE) for one in told)
    assert {one.what for one in told if one.at >= now} <= {"Rui edits a large payout that was held"}


def test_the_queue_of_letters_is_right_with_and_without_its_sample() -> None:
    found = world.documents("http://127.0.0.1:9")
    for sample in ("", ", sample: {percent: 100}"):
        (queue,) = parse_text(letters.TEXT.format(sample=sample), "letters.yaml")
        whole = [*found, queue]
        assert check_whole(whole) == not_yet_executed(whole) == []


@pytest.mark.parametrize("now", DAYS)
def test_enough_reports_are_asked_beside_to_claim_something_and_none_is_among_the_letters(
    now: datetime,
) -> None:
    asked, evenings = list(inspections.calls(now, ZONE)), list(inspections.events(now, ZONE))
    moments = [one.at for one in asked]
    assert moments == sorted(moments)
    assert max(moments) < now
    assert [one for one in asked if letters.is_disturbed(one, now, ZONE)] == []
    differ = sum("say=D" in str(one.body) for one in asked)
    assert Labelled(len(asked), len(asked) - differ).passes
    assert differ == 2
    # each is compared within the days that the job looks at
    assert len(evenings) >= plan.DAYS - 1
    assert all(any(at < one.at < at + SPAN for one in evenings) for at in moments[:-8])
