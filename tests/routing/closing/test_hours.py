"""Models bought by the hour in statements: split once for all tenants when the first closes, to the nano, beside the total."""

import json
import random
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from controlplane.kernel.errors import Conflict
from controlplane.kernel.money import NANO, parse_nano
from routing.closing import commands, hours, preparing
from routing.closing.adjusting import MICRO
from routing.closing.models import CapacityShare, Statement
from routing.closing.months import following, span_of
from routing.closing.statements import digest_of
from routing.exports.statement import file_of
from routing.exports.writing import Form
from routing.ledger.capacity import Capacity, Share, hourly, shared, within
from routing.ledger.spans import Span
from tests.policies.people import FINN, entries, member
from tests.refusing import refuses_first
from tests.routing.closing.books import Books, policy, refusal
from tests.routing.closing.conftest import Clock
from tests.routing.closing.house import HOURLY, House

pytestmark = pytest.mark.django_db
FAY = member("fay", "finance")
BERLIN = ZoneInfo("Europe/Berlin")


def prepared(books: Books) -> Statement:
    return commands.prepare(FINN, books.tenant, books.month)


def splits(house: House) -> list[dict[str, Any]]:
    """The entries of the month's split."""
    return entries(f"capacity:{house.month}", "capacity.split")


def closed(books: Books) -> Statement:
    statement = prepared(books)
    commands.close(FAY, statement.id, statement.digest)
    return statement


def test_statements_carry_each_tenants_share_beside_the_total(house: House) -> None:
    own, other = closed(house.own), closed(house.other)
    # 24 hours at 0.01: three equal parts; at 0.0000001 2400 nano by 2 and 5 sevenths, the nano left to the larger rest
    assert house.told(own) == [
        ("alpha", "claims", "8", "100", "0.08"),
        ("alpha", "underwriting", "8", "100", "0.08"),
        ("beta", "claims", "6.857143", "2", "0.000000686"),
    ]
    assert house.told(other) == [
        ("alpha", "trade", "8", "100", "0.08"),
        ("beta", "trade", "17.142857", "5", "0.000001714"),
    ]
    said = json.loads(bytes(own.body))
    assert {line["costCentre"] for line in said["capacity"]} == {"4410"}
    assert [said["totals"][name] for name in ("spent", "total", "capacity", "withCapacity")] == [
        "0.00148",
        "0.00148",
        "0.160000686",
        "0.161480686",
    ]
    assert (own.total_nano, own.capacity_nano, other.capacity_nano) == (
        1_480_000,
        160_000_686,
        80_001_714,
    )
    assert all(preparing.again(each) == bytes(each.body) for each in (own, other))


def test_all_shares_add_up_to_what_the_hours_cost(house: House) -> None:
    statements = [closed(house.own), closed(house.other)]
    rows = CapacityShare.objects.filter(period=house.month)
    whole = {"alpha": 240_000_000, "beta": 2_400, "gamma": 72 * NANO}
    for short, cost_nano in whole.items():
        own = [row for row in rows if row.model == house.name(short)]
        assert sum(row.cost_nano for row in own) == cost_nano
        assert sum(row.microhours for row in own) == 24 * MICRO
    # what nobody used is in no statement, and is told
    unused = [(row.model, row.team, row.cost_nano) for row in rows if row.tenant == ""]
    assert unused == [(house.name("gamma"), "", 72 * NANO)]
    assert sum(one.capacity_nano for one in statements) == 240_000_000 + 2_400


@refuses_first("closing.prepare", "closing.close")
def test_the_split_is_one_entry_that_binds_each_share(house: House) -> None:
    closed(house.own)
    closed(house.other)
    [body] = splits(house)
    rows = CapacityShare.objects.filter(period=house.month)
    assert {row.entry for row in rows} == {UUID(body["id"])}
    assert (body["actor"], body["tenant"], body["subject"]) == (
        FAY.actor,
        "",
        f"capacity:{house.month}",
    )
    assert body["data"] == {
        "period": house.month,
        "cost": "72.2400024",
        "unused": "72.00",
        "models": [house.name(short) for short in HOURLY],
        "shares": 6,
        "digest": digest_of(hours.canonical_of(hours.kept(house.month))),
    }
    said = [
        entry["data"].get("capacity")
        for books in (house.own, house.other)
        for kind in ("period.prepared", "period.closed")
        for entry in entries(kind=kind, tenant=books.tenant)
    ]
    assert said == ["0.160000686"] * 2 + ["0.080001714"] * 2


def test_who_closes_later_gets_what_was_split_first(house: House) -> None:
    first = closed(house.own)
    house.use(house.other, "trade", "alpha", tokens=700)
    house.publish(house.policy(dict.fromkeys(HOURLY, "9")))
    second = closed(house.other)
    assert (first.capacity_nano, second.capacity_nano) == (160_000_686, 80_001_714)
    assert len(splits(house)) == 1
    assert preparing.again(first) == bytes(first.body)
    # how far today's figures are from it is shown, and moves nothing
    now = hours.now(house.found, house.month)
    assert hours.of_nano(now, house.own.tenant) == 48_000_686
    assert hours.of_nano(now, house.other.tenant) == 192_001_714


def test_what_was_prepared_on_another_split_closes_nothing(house: House) -> None:
    old = prepared(house.own)
    house.use(house.other, "trade", "alpha", tokens=1)
    assert refusal(lambda: commands.close(FAY, old.id, old.digest)) == "Conflict"
    with pytest.raises(Conflict, match="bought by the hour has changed since"):
        commands.close(FAY, old.id, old.digest)
    assert not CapacityShare.objects.filter(period=house.month).exists()
    assert not splits(house)
    assert not hours.frozen(house.month)
    closed(house.own)


def test_a_tenant_without_tokens_has_the_bytes_that_it_always_had(
    house: House, clock: Clock
) -> None:
    none = Books(made=2_000)
    none.attempt(none.call(), 5)
    with_it = replace(house.found, documents=(*house.found.documents, *policy(none.tenant).documents[2:]))  # fmt: skip
    house.publish(with_it)
    statement = prepared(none)
    plain = replace(with_it, documents=tuple(d for d in with_it.documents if "capacity" not in d.spec))  # fmt: skip
    house.publish(plain)
    assert bytes(prepared(none).body) == bytes(statement.body)
    said = json.loads(bytes(statement.body))
    assert "capacity" not in said
    assert set(said["totals"]) == {"calls", "denied", "attempts", "spent", "accrued", "adjusted", "total"}  # fmt: skip
    assert statement.capacity_nano == 0


def test_hours_published_after_a_tenant_closed_are_in_no_statement(house: House) -> None:
    without = tuple(d for d in house.found.documents if "capacity" not in d.spec)
    house.publish(replace(house.found, documents=without))
    closed(house.own)
    house.publish(house.found)
    assert closed(house.other).capacity_nano == 0
    assert not CapacityShare.objects.filter(period=house.month).exists()
    assert hours.of_nano(hours.now(house.found, house.month), house.other.tenant) == 80_001_714


def test_the_organisations_month_must_be_over_too(house: House, clock: Clock) -> None:
    tokyo, berlin = (span_of(house.month, zone)[1] for zone in ("Asia/Tokyo", "Europe/Berlin"))
    assert tokyo < berlin
    clock.now = tokyo + preparing.GRACE
    with pytest.raises(Conflict, match="models are bought by the hour; the organisation's grace"):
        commands.prepare(FINN, house.other.tenant, house.month)
    clock.now = berlin + preparing.GRACE - timedelta(milliseconds=1)
    assert refusal(lambda: prepared(house.other)) == "Conflict"
    clock.now = berlin + preparing.GRACE
    assert closed(house.other).capacity_nano == 80_001_714


def test_hours_without_a_rate_are_not_split(house: House) -> None:
    model = house.models({"alpha": "1"}, days=3)[0]
    model.spec["capacity"]["currency"] = "CHF"
    documents = (*policy(house.own.tenant, house.other.tenant).documents, model)
    house.publish(replace(house.found, documents=documents))
    with pytest.raises(Conflict, match="3 days have no exchange rate"):
        prepared(house.own)


def test_the_next_month_is_split_anew(house: House, clock: Clock) -> None:
    closed(house.own)
    house.own.month = following(house.own.month)
    house.publish(house.found)
    house.use(house.own, "claims", "alpha", tokens=3)
    clock.now = house.own.at(34)
    statement = closed(house.own)
    assert house.told(statement)[0] == ("alpha", "claims", "24", "3", "0.24")
    assert len(splits(house)) == 1
    assert CapacityShare.objects.values("period").distinct().count() == 2


def test_its_file_adds_up_to_the_total_with_hours(house: House) -> None:
    statement = closed(house.own)
    rows = file_of(statement, Form.CSV).decode("utf-8-sig").splitlines()
    assert sum(parse_nano(row.rpartition(",")[2].strip('"')) for row in rows[1:]) == (
        statement.total_nano + statement.capacity_nano
    )
    assert [row.partition(",")[0] for row in rows[1:]].count("capacity") == 3
    assert "6.857143 hours, 2 tokens" in rows[-1]


def test_an_hour_that_comes_twice_is_shared_like_any_other() -> None:
    october = Span(datetime(2026, 10, 1, tzinfo=BERLIN), datetime(2026, 11, 1, tzinfo=BERLIN), BERLIN)  # fmt: skip
    spec: dict[str, Any] = {"perHour": "0.000000001", "currency": "EUR", "from": "2026-10-25", "until": "2026-10-25"}  # fmt: skip
    day = within(spec, october)
    assert day is not None
    cost, unrated = hourly(spec, day, {"currency": "EUR"})
    assert (int(cost * NANO), unrated) == (25, 0)
    line = Capacity(
        model="small",
        model_tenant="a",
        hours=Fraction(25),
        cost_nano=25,
        tokens=3,
        used_permille=None,
        shares=shared(25, {("a", "x"): 1, ("b", "y"): 1, ("c", "z"): 1}),
    )
    assert line.shares[0] == Share("a", "x", 1, 9)
    parts = hours.split([line])
    assert [(p.model, p.tenant, p.microhours, p.cost_nano) for p in parts] == [
        ("a/small", "a", 8_333_334, 9),
        ("a/small", "b", 8_333_333, 8),
        ("a/small", "c", 8_333_333, 8),
    ]
    assert hours.told(parts, "b", "77") == [
        {
            "costCentre": "77",
            "model": "a/small",
            "team": "y",
            "hours": "8.333333",
            "tokens": 1,
            "amount": "0.000000008",
        }
    ]


def test_any_split_adds_up_in_hours_and_money() -> None:
    draw = random.Random(12)  # noqa: S311 - made-up use
    for _ in range(200):
        used = {(f"t{n}", "x"): draw.randrange(10**6) for n in range(draw.randrange(1, 9))}
        cost, whole = draw.randrange(10**12), Fraction(draw.randrange(1, 2 * 745), 2)
        line = Capacity("small", "", whole, cost, sum(used.values()), None, shared(cost, used))
        parts = hours.split([line])
        assert sum(part.cost_nano for part in parts) == cost
        assert sum(part.microhours for part in parts) == whole * MICRO
        assert {part.tenant for part in parts} <= {tenant for tenant, _ in used} | {""}
