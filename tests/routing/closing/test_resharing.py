"""Hours that were split and fall otherwise by now: proposed to all tenants at once, to the nano, and no split changes."""

import random
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controlplane.kernel.money import NANO, parse_nano
from policies.bundles.published import Published
from routing.calls.models import Attempt
from routing.closing import commands, hours, preparing, read
from routing.closing.adjusting import MICRO
from routing.closing.hours import Part
from routing.closing.models import Adjustment, CapacityShare
from routing.closing.months import following
from routing.closing.resharing import Earlier, lines, proposals
from routing.closing.statements import digest_of
from routing.reconcile import hours as job
from routing.reconcile.models import Standing
from tests.policies.people import FINN, entries
from tests.refusing import refuses_first
from tests.routing.closing.conftest import Clock
from tests.routing.closing.house import HOURLY, House
from tests.routing.closing.test_hours import closed, splits

pytestmark = pytest.mark.django_db


def corrected(house: House, found: Published | None = None) -> int:
    return commands.correct_hours(found or house.found, house.month, actor=job.JOB)


def rows(house: House) -> list[Adjustment]:
    """What was proposed of the month, oldest first."""
    of = Adjustment.objects.filter(kind="hours-correction", corrects=house.month)
    return list(of.order_by("pk").select_related("verdict"))


def proposed(house: House) -> list[tuple[str, str, int, int]]:
    """Model, team, nano units and microhours."""
    return [
        (row.model.partition("-")[0], row.team, row.amount_nano, row.microhours)
        for row in rows(house)
    ]


@refuses_first("closing.correct_hours")
def test_late_use_is_proposed_to_every_team_and_adds_up_to_nothing(house: House) -> None:
    first = closed(house.own)
    house.use(house.other, "trade", "alpha", tokens=700)
    assert corrected(house) == 3
    assert corrected(house) == 0
    # 240,000,000 nano by 100, 100 and 800 of 1,000 tokens, where each had a third
    assert sorted(proposed(house)) == [
        ("alpha", "claims", -56_000_000, -5_600_000),
        ("alpha", "trade", 112_000_000, 11_200_000),
        ("alpha", "underwriting", -56_000_000, -5_600_000),
    ]
    [row] = [one for one in rows(house) if one.team == "trade"]
    assert (row.tenant, row.model, row.call, row.proposed_by) == (
        house.other.tenant,
        house.name("alpha"),
        None,
        "job:hours",
    )
    assert row.note == "19.2 hours at 0.192 instead of 8 hours at 0.08"
    assert preparing.again(first) == bytes(first.body)
    assert len(splits(house)) == 1
    [told] = entries(kind="adjustment.proposed", tenant=house.own.tenant)
    assert (told["data"]["number"], told["data"]["sum"]) == (2, "-0.112")
    assert told["data"]["kinds"] == ["hours-correction"]


def test_one_entry_says_what_the_hours_cost_by_now_and_binds_every_share(house: House) -> None:
    closed(house.own)
    dearer = house.policy(HOURLY | {"alpha": "0.02", "gamma": "4"})
    assert corrected(house, dearer) == 3
    # each of three equal parts by 0.08; nobody pays the hours that nobody used
    assert sorted(proposed(house)) == [
        ("alpha", team, 80_000_000, 0) for team in ("claims", "trade", "underwriting")
    ]
    [body] = entries(f"capacity:{house.month}", "capacity.corrected")
    alpha = [part for part in hours.now(dearer, house.month) if part.model == house.name("alpha")]
    assert (body["actor"], body["tenant"]) == ("job:hours", "")
    assert body["data"] == {
        "period": house.month,
        "cost": "0.48",
        "unused": "0.00",
        "proposed": "0.24",
        "models": [house.name("alpha")],
        "number": 3,
        "digest": digest_of(hours.canonical_of(alpha)),
    }


def test_accepted_it_counts_in_the_month_that_is_open_for_each(house: House, clock: Clock) -> None:
    closed(house.own)
    house.use(house.other, "trade", "alpha", tokens=700)
    corrected(house)
    counts_in = {house.own.tenant: following(house.month), house.other.tenant: house.month}
    for row in rows(house):
        assert commands.accept(FINN, row.pk).period == counts_in[row.tenant]
        [accepted] = entries(f"adjustment:{row.pk.hex}", "adjustment.accepted")
        told = accepted["data"]
        assert told["hours"] == ("11.2" if row.team == "trade" else "-5.6")
        assert (told["model"], told["team"]) == (house.name("alpha"), row.team)
    assert read.corrected_hours_nano(house.other.tenant, house.month) == 112_000_000
    later = closed(house.other)
    assert (later.capacity_nano, later.adjusted_nano) == (80_001_714, 112_000_000)
    assert preparing.again(later) == bytes(later.body)
    house.own.month = following(house.own.month)
    clock.now = house.own.at(34)
    assert closed(house.own).adjusted_nano == -112_000_000


def test_it_stops_the_next_close_until_somebody_decides(house: House) -> None:
    closed(house.own)
    house.use(house.other, "trade", "alpha", tokens=700)
    corrected(house)
    stops = preparing.checklist(house.found, house.other.tenant, house.month, house.other.at(34))
    assert [check.told for check in stops if check.stops and not check.holds] == [
        "1 adjustment waits for finance"
    ]


def test_hours_that_nobody_used_fall_to_whom_used_them_late(house: House) -> None:
    closed(house.own)
    house.use(house.own, "claims", "gamma", tokens=1)
    assert corrected(house) == 1
    assert proposed(house) == [("gamma", "claims", 72 * NANO, 24 * MICRO)]
    assert rows(house)[0].note == "24 hours at 72.00 instead of none"


def test_a_month_that_was_closed_before_it_had_shares_is_proposed_whole(house: House) -> None:
    without = tuple(d for d in house.found.documents if "capacity" not in d.spec)
    house.publish(replace(house.found, documents=without))
    assert closed(house.own).capacity_nano == 0
    house.publish(house.found)
    assert corrected(house) == 5
    assert corrected(house) == 0
    assert sum(row.amount_nano for row in rows(house)) == 240_000_000 + 2_400
    assert {row.tenant: row.note for row in rows(house) if "beta" in row.model} == {
        house.own.tenant: "6.857143 hours at 0.000000686 instead of none",
        house.other.tenant: "17.142857 hours at 0.000001714 instead of none",
    }
    [body] = entries(f"capacity:{house.month}", "capacity.corrected")
    assert (body["data"]["cost"], body["data"]["unused"]) == ("0.2400024", "0.00")
    # who closes it later gets no share, but the adjustment
    for row in rows(house):
        commands.accept(FINN, row.pk)
    later = closed(house.other)
    assert (later.capacity_nano, later.adjusted_nano) == (0, 80_001_714)
    assert not CapacityShare.objects.filter(period=house.month).exists()


def test_what_finance_rejected_is_not_proposed_again_and_does_not_count(house: House) -> None:
    closed(house.own)
    dearer = house.policy(HOURLY | {"alpha": "0.02"})
    corrected(house, dearer)
    for row in rows(house):
        if row.tenant == house.own.tenant:
            commands.reject(FINN, row.pk, "the old price was right")
    assert corrected(house, dearer) == 0
    dearest = house.policy(HOURLY | {"alpha": "0.03"})
    assert corrected(house, dearest) == 3
    assert sorted(proposed(house)[3:]) == [
        ("alpha", "claims", 160_000_000, 0),
        ("alpha", "trade", 80_000_000, 0),
        ("alpha", "underwriting", 160_000_000, 0),
    ]
    # back at what was split: what was proposed and not rejected is taken back
    assert corrected(house) == 3
    assert sum(row.amount_nano for row in rows(house) if _counts(row)) == 0
    assert corrected(house) == 0


def _counts(row: Adjustment) -> bool:
    verdict = read.verdict_of(row)
    return verdict is None or verdict.accepted


def test_late_use_waits_until_it_moves_a_share_by_a_hundredth(house: House) -> None:
    closed(house.own)
    house.use(house.other, "trade", "alpha", tokens=10)
    assert corrected(house) == 0
    # 30 of 330 tokens: 14.5 million nano more, counted from what was split
    house.use(house.other, "trade", "alpha", tokens=20)
    assert corrected(house) == 3
    assert sum(row.amount_nano for row in rows(house)) == 0
    house.use(house.other, "trade", "alpha", tokens=1)
    assert corrected(house) == 0


def _pending(house: House) -> Published:
    attempt = house.own.attempt(house.own.call(at=house.own.at(0.5)), 0, "unknown", reserved=0)
    Attempt.objects.filter(call=attempt.call_id).update(model=house.name("alpha"))
    return house.found


def _unrated(house: House) -> Published:
    found = house.policy(HOURLY | {"alpha": "0.02"})
    for document in found.documents:
        if document.name == house.name("alpha"):
            document.spec["capacity"]["currency"] = "CHF"
    return found


def _begins_later(house: House) -> Published:
    found = house.policy(HOURLY)
    for document in found.documents:
        if document.name == house.name("alpha"):
            document.spec["capacity"].update({"from": f"{following(house.month)}-01", "until": ""})
    return found


@pytest.mark.parametrize(
    "case", [_pending, _unrated, _begins_later, lambda house: house.policy({"beta": "0.0000001"})]
)
def test_what_is_not_known_yet_or_no_longer_said_is_left(house: House, case: Any) -> None:
    closed(house.own)
    house.use(house.other, "trade", "alpha", tokens=700)
    assert corrected(house, case(house)) == 0
    assert rows(house) == []
    assert corrected(house) == (0 if case is _pending else 3)


def test_hours_of_a_part_of_the_month_are_corrected_like_a_price(house: House) -> None:
    closed(house.own)
    others = (document for document in house.found.documents if "capacity" not in document.spec)
    longer = replace(house.found, documents=(*others, *house.models(HOURLY, days=2)))
    assert corrected(house, longer) == 5
    assert sum(row.amount_nano for row in rows(house)) == 240_000_000 + 2_400
    assert sum(row.microhours for row in rows(house)) == 2 * 24 * MICRO


def test_any_changes_add_up_to_the_change_of_the_cost_to_the_nano(house: House) -> None:
    draw = random.Random(11)  # noqa: S311 - made-up use
    closed(house.own)
    split = {part.model: 0 for part in hours.kept(house.month)}
    for part in hours.kept(house.month):
        split[part.model] += part.cost_nano if part.tenant else 0
    for step in range(12):
        prices = {name: f"0.{draw.randrange(1, 10**9):09d}" for name in HOURLY}
        for _ in range(draw.randrange(3)):
            books = draw.choice((house.own, house.other))
            team, model = draw.choice(("claims", "trade", "late")), draw.choice(list(HOURLY))
            house.use(books, team, model, tokens=draw.randrange(1, 9_000))
        found = house.policy(prices)
        corrected(house, found)
        for row in rows(house):
            if read.verdict_of(row) is None and draw.random() < 0.5:
                commands.accept(FINN, row.pk)
        moved = defaultdict[str, int](int)
        for row in rows(house):
            moved[row.model] += row.amount_nano
        now = defaultdict[str, int](int)
        for part in hours.now(found, house.month):
            now[part.model] += part.cost_nano if part.tenant else 0
        assert {model: now[model] - split[model] for model in split} == {
            model: moved[model] for model in split
        }, step
    total = entries(f"capacity:{house.month}", "capacity.corrected")
    assert sum(_signed(one["data"]["proposed"]) for one in total) == sum(moved.values())
    assert len({row.occurrence for row in rows(house)}) == len(rows(house)) > 30


def _signed(text: str) -> int:
    return -parse_nano(text[1:]) if text.startswith("-") else parse_nano(text)


def test_the_job_looks_at_closed_months_once_a_day_and_when_documents_change(
    house: House, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = house.publish

    def to_job(found: Published) -> None:
        publish(found)
        monkeypatch.setattr(job, "published", lambda: found)

    house.publish = to_job
    house.publish(house.found)
    monkeypatch.setattr(job, "mandate_now", lambda: clock.now)
    house.use(house.other, "trade", "alpha", tokens=700)
    assert job.look_if_changed() == 0
    closed(house.own)
    house.use(house.other, "trade", "alpha", tokens=700)
    assert job.look_if_changed() is None
    clock.now += timedelta(days=1)
    assert job.look_if_changed() == 3
    assert job.look_if_changed() is None
    house.publish(house.policy(HOURLY | {"gamma": "4"}))
    assert job.look_if_changed() == 0
    house.publish(house.policy(HOURLY | {"alpha": "0.02"}))
    assert job.look_if_changed() == 3
    assert Standing.objects.get(pk="hours").checked_at == clock.now


def test_a_month_whose_calls_were_taken_away_is_left(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed(house.own)
    first = hours.organisations(house.found, house.month).starts
    Attempt.objects.filter(model=house.name("alpha")).update(model="gone")
    monkeypatch.setattr(hours, "months", lambda: [("routing_attempt", house.own.at(20).date())])
    # Berlin's month begins in the last hours of UTC's month before, which is kept no longer
    assert job.look(house.found, first + timedelta(days=200)) == 0
    assert rows(house) == []
    assert job.look(house.found, first + timedelta(days=170)) == 3
    held = [("routing_attempt", house.own.at(days).date()) for days in (-5, 20)]
    monkeypatch.setattr(hours, "months", lambda: held)
    assert hours.remembered(house.found, house.month, first + timedelta(days=200))


def test_of_a_model_that_moved_only_what_is_another_than_last_is_proposed() -> None:
    def part(team: str, cost_nano: int) -> Part:
        return Part(
            model="m", tenant="t", team=team, tokens=1, microhours=MICRO, cost_nano=cost_nano
        )

    was = [part("a", 10), part("b", 10), part("c", 10)]
    rejected = Earlier("hours:2026-12:m:a:0:15", 5, 0, rejected=True)
    waits = Earlier("hours:2026-12:m:c:0:15", 5, 0, rejected=False)
    found = lines(
        was,
        [part("a", 15), part("b", 12), part("c", 11)],
        {("m", "t", "a"): [rejected], ("m", "t", "c"): [waits]},
    )
    made = [(one.team, one.amount_nano, one.occurrence) for one in proposals(found, "2026-12", {})]
    assert made == [("b", 2, "hours:2026-12:m:b:0:12"), ("c", -4, "hours:2026-12:m:c:1:11")]
