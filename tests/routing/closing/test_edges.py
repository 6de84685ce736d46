"""The edges of months: tenants that come, go or move to another time zone, hours that nobody used, clocks that are set."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from controlplane.kernel.money import NANO
from policies.bundles.published import Governed, Published
from policies.identity.models import Tenant
from routing.closing import commands, hours, preparing, read
from routing.closing.due import Due, asked, due
from routing.closing.models import CapacityShare
from routing.closing.months import following, preceding, span_of
from routing.exports.charges import book_of, charges
from routing.ledger.capacity import capacities
from tests.policies.people import FINN, entries
from tests.routing.closing.books import Books, policy
from tests.routing.closing.conftest import Clock, publish
from tests.routing.closing.house import HOURLY, House
from tests.routing.closing.test_adjustments import closed as closed_by_hand
from tests.routing.closing.test_hours import closed

pytestmark = pytest.mark.django_db


def without(found: Published, tenant: str) -> Published:
    """As it is published when the tenant's document is gone."""
    left = tuple(d for d in found.documents if (d.kind, d.name) != ("Tenant", tenant))
    return replace(found, documents=left)


def archive(found: Published, tenant: str) -> Published:
    """The same, and the tenant's row says so, as publishing leaves it."""
    rows = [Tenant(slug=tenant, revision=7, actor="cli:test", archived_at=datetime.now(UTC))]
    Tenant.objects.bulk_create(rows)
    return without(found, tenant)


def test_months_before_and_after() -> None:
    for month, before in (("2027-01", "2026-12"), ("2026-12", "2026-11"), ("2026-02", "2026-01")):
        assert preceding(month) == before
        assert following(before) == month


@pytest.mark.parametrize(("was", "then"), [("Asia/Tokyo", "America/New_York"), ("America/New_York", "Asia/Tokyo")])  # fmt: skip
def test_a_tenant_whose_time_zone_changes_has_each_call_in_one_month(
    books: Books, clock: Clock, monkeypatch: pytest.MonkeyPatch, was: str, then: str
) -> None:
    later = following(books.month)
    edges = [span_of(later, zone)[0] for zone in (was, then)]
    hour = timedelta(hours=1)
    for moment in (min(edges) - hour, min(edges) + hour, max(edges) + hour):
        books.attempt(books.call(at=moment), 1_000)
    publish(policy(books.tenant, zone=was), monkeypatch)
    first = closed(books)
    found = policy(books.tenant, zone=then)
    publish(found, monkeypatch)
    clock.now = books.at(75)
    second = commands.prepare(FINN, books.tenant, later)
    assert first.spent_nano + second.spent_nano == 3_000
    # its files have the same calls, also after the change
    book = book_of(found, books.tenant, books.month)
    assert sum(one.nano for one in charges(book)) == first.spent_nano
    assert preparing.again(first) == bytes(first.body)


def test_an_archived_tenant_closes_its_last_month_with_its_share(
    house: House, clock: Clock
) -> None:
    gone = house.other.tenant
    found = archive(house.found, gone)
    house.publish(found)
    # behind those that go on, whatever its name
    assert gone in read.tenants(found)[len(list(found.of("Tenant"))) :]
    assert due(found, asked(FINN, found, gone), clock.now) == [Due(gone, house.month, None, "", 0)]
    first, last = closed(house.own), closed(house.other)
    assert first.capacity_nano + last.capacity_nano == 240_000_000 + 2_400
    # nothing came after it, so nothing more is due, but for what is corrected
    clock.now += timedelta(days=40)
    assert due(found, asked(FINN, found, gone), clock.now) == []
    house.use(house.own, "claims", "alpha", tokens=700)
    commands.correct_hours(found, house.month, actor="job:hours")
    assert due(found, asked(FINN, found, gone), clock.now) == [Due(gone, "", None, "", 1)]


def test_an_archived_tenant_of_which_no_call_is_kept_has_nothing_to_close(
    books: Books, clock: Clock, found: Published
) -> None:
    closed_by_hand(books, books.month)
    gone = archive(found, books.tenant)
    clock.now = books.at(90)
    assert due(gone, asked(FINN, gone, books.tenant), clock.now) == []


def test_who_comes_in_the_middle_of_the_month_pays_by_tokens_like_all(house: House) -> None:
    new = Books(made=2_000, month=house.month, zone="UTC")
    house.use(new, "late", "alpha", tokens=100, day=0.9)
    document = Governed("Tenant", "", new.tenant, {"name": new.tenant}, {"timeZone": "UTC"})
    house.publish(replace(house.found, documents=(*house.found.documents, document)))
    statement = closed(new)
    assert house.told(statement) == [("alpha", "late", "6", "100", "0.06")]
    statements = [statement, closed(house.own), closed(house.other)]
    assert sum(one.capacity_nano for one in statements) == 240_000_000 + 2_400


def early(house: House) -> tuple[Books, Published]:
    """A tenant in Tokyo whose first call was in Berlin's month before."""
    new = Books(made=2_000, month=following(house.month), zone="Asia/Tokyo")
    house.publish(house.policy(HOURLY))
    first = span_of(new.month, "Asia/Tokyo")[0] + timedelta(minutes=30)
    attempt = new.attempt(new.call(at=first, team="night"), 0, tokens_input=99, tokens_output=1)
    type(attempt).objects.filter(call=attempt.call_id).update(model=house.name("delta"))
    delta = house.models({"delta": "0.01"})[0]
    delta.spec["capacity"].pop("until")
    document = Governed("Tenant", "", new.tenant, {"name": new.tenant}, {"timeZone": "Asia/Tokyo"})
    return new, replace(house.found, documents=(*house.found.documents, delta, document))


def test_a_share_of_the_month_before_the_first_of_ones_own_is_in_a_statement(
    house: House, clock: Clock
) -> None:
    new, found = early(house)
    house.publish(found)
    Tenant.objects.bulk_create([Tenant(slug=new.tenant, revision=7, actor="cli:test")])
    assert preparing.next_month(found, new.tenant) == house.month
    assert due(found, asked(FINN, found, new.tenant), clock.now)[0].month == house.month
    new.month = house.month
    statement = closed(new)
    [share] = hours.told(hours.kept(house.month), new.tenant, "")
    assert (share["model"], share["team"]) == (house.name("delta"), "night")
    assert (statement.total_nano, statement.capacity_nano > 0) == (0, True)
    assert preparing.next_month(found, new.tenant) == following(house.month)
    # without hours its months are its own
    plain = replace(found, documents=tuple(d for d in found.documents if "capacity" not in d.spec))
    fresh = Books(made=3_000, zone="Asia/Tokyo")
    fresh.attempt(fresh.call(at=span_of(fresh.month, "Asia/Tokyo")[0]), 1)
    named = Governed("Tenant", "", fresh.tenant, {"name": fresh.tenant}, {"timeZone": "Asia/Tokyo"})
    plain = replace(plain, documents=(*plain.documents, named))
    assert preparing.next_month(plain, fresh.tenant) == fresh.month


def test_hours_of_a_month_in_which_nobody_called_are_nobodys_and_are_told(house: House) -> None:
    house.publish(house.policy({"gamma": "3"}))
    for statement in (closed(house.own), closed(house.other)):
        assert (statement.capacity_nano, house.told(statement)) == (0, [])
    [row] = CapacityShare.objects.filter(period=house.month)
    assert (row.tenant, row.team, row.tokens, row.cost_nano) == ("", "", 0, 72 * NANO)
    [body] = entries(f"capacity:{house.month}", "capacity.split")
    assert (body["data"]["cost"], body["data"]["unused"]) == ("72.00", "72.00")


@pytest.mark.parametrize(
    ("zone", "month", "in_all"),
    [
        ("Europe/Berlin", "2027-03", 743),
        ("Europe/Berlin", "2027-10", 745),
        ("America/New_York", "2027-03", 743),
        ("America/New_York", "2027-11", 721),
        # by half an hour
        ("Australia/Lord_Howe", "2027-10", 743.5),
        # at midnight, which does not come, or comes twice
        ("Africa/Cairo", "2027-04", 719),
        ("America/Havana", "2027-11", 721),
        ("Asia/Kolkata", "2027-02", 672),
    ],
)
def test_months_in_which_clocks_are_set_have_the_hours_that_pass(
    zone: str, month: str, in_all: float
) -> None:
    found = policy("a", zone="Pacific/Chatham")
    for document in found.documents:
        if document.kind == "Organisation":
            document.spec["timeZone"] = zone  # type: ignore[index] # a dict of this test
    spec: dict[str, Any] = {"perHour": "1.000000001", "currency": "EUR", "from": "2026-01-01"}
    whole = Governed("Model", "", "whole", {"name": "whole"}, {"capacity": spec})
    # bought day for day it is the same
    last = hours.organisations(found, month).last
    days = [
        Governed(
            "Model",
            "",
            f"d{number:02}",
            {"name": f"d{number:02}"},
            {"capacity": spec | {"from": f"{month}-{number:02}", "until": f"{month}-{number:02}"}},
        )
        for number in range(1, last.day + 1)
    ]
    found = replace(found, documents=(*found.documents, whole, *days))
    lines = capacities(found, hours.organisations(found, month))
    by_name = {line.model: line for line in lines}
    assert by_name["whole"].hours == Fraction(in_all)
    assert sum(by_name[day.name].hours for day in days) == Fraction(in_all)
    assert by_name["whole"].cost_nano == -(-int(in_all * 2) * (NANO + 1) // 2)
    parts = {part.model: part for part in hours.split(lines)}
    assert parts["whole"].microhours == int(in_all * 2) * 500_000
