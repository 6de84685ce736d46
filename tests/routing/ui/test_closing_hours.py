"""A share of hours on the page of a statement, by API, and in the files of models bought by the hour."""

from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from policies.bundles.published import Published
from routing.api import statements as api
from routing.closing import commands, hours
from routing.closing.models import Statement
from routing.closing.months import said
from routing.exports.hourly import bought_in, rows
from routing.ui import closing
from tests.policies.people import FINN, member
from tests.policies.ui.conftest import words
from tests.routing.closing.conftest import Clock, books, clock, found, house
from tests.routing.closing.house import House
from tests.routing.ui.test_closing import MOST_QUERIES, asked, page

pytestmark = pytest.mark.django_db
__all__ = ["books", "clock", "found", "house"]
FAY = member("fay", "finance")


@pytest.fixture(autouse=True)
def around(house: House, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and API read what the commands read, also when it is published anew."""
    to_commands = house.publish

    def publish(found: Published) -> None:
        to_commands(found)
        for module in (closing, api):
            monkeypatch.setattr(module, "published", lambda: found)

    house.publish = publish
    publish(house.found)
    monkeypatch.setattr(closing, "moment", lambda: clock.now)


def closed(house: House) -> Statement:
    row = commands.prepare(FINN, house.own.tenant, house.month)
    commands.close(FAY, row.id, row.digest)
    return row


def test_the_page_has_the_lines_and_says_when_figures_have_moved_since(house: House) -> None:
    row = closed(house)
    with CaptureQueriesContext(connection) as queries:
        shown = words(page(closing.statement, FINN, row.id))
    assert len(queries) <= MOST_QUERIES
    assert (
        "Beside it 0.160000686 for models bought by the hour: 0.161480686 EUR with them." in shown
    )
    assert "6.857143" in shown
    assert "would fall to" not in shown
    house.use(house.other, "trade", "alpha", tokens=700)
    moved = words(page(closing.statement, FINN, row.id))
    said = f"now 0.048000686 of the hours would fall to {house.own.tenant}, not 0.160000686"
    assert f"By what is known and published {said}: what is closed stays" in moved
    assert "6.857143" in moved


def test_what_is_prepared_says_that_it_is_to_be_prepared_again(house: House) -> None:
    row = commands.prepare(FINN, house.own.tenant, house.month)
    house.use(house.own, "claims", "gamma", tokens=1)
    shown = words(page(closing.statement, FINN, row.id))
    assert "not 0.160000686: prepare the month again." in shown


def test_the_page_of_the_next_month_says_what_stops_it(house: House, clock: Clock) -> None:
    clock.now = house.own.at(29)
    theirs = member("finn", "finance", tenant=house.other.tenant)
    with CaptureQueriesContext(connection) as queries:
        shown = words(page(closing.statements, theirs))
    assert len(queries) <= MOST_QUERIES
    assert "The organisation's month and its grace are over" in shown
    house.publish(house.policy({}))
    shown = words(page(closing.statements, theirs))
    assert "The organisation's month" not in shown


def test_the_api_says_it_beside_the_total_and_what_it_would_be_now(house: House) -> None:
    row = closed(house)
    house.use(house.other, "trade", "alpha", tokens=700)
    told = asked(api.OneStatement, FINN, statement=row.id).data
    assert [told[name] for name in ("total", "capacity", "capacityNow")] == [
        "0.00148",
        "0.160000686",
        "0.048000686",
    ]
    assert [one["amount"] for one in told["body"]["capacity"]] == ["0.08", "0.08", "0.000000686"]
    listed = asked(api.Statements, FINN).data["items"]
    [one] = [each for each in listed if each["id"] == str(row.id)]
    assert one["capacity"] == "0.160000686"


def test_files_of_hours_say_what_statements_say(house: House, clock: Clock) -> None:
    row = closed(house)
    house.use(house.other, "trade", "alpha", tokens=700)
    house.publish(house.policy({"alpha": "9"}))
    found = house.policy({"alpha": "9"})
    own = list(rows(found, [house.month], house.own.tenant, clock.now))
    assert [one[-1] for one in own] == [80_000_000, 80_000_000, 686]
    assert row.capacity_nano == 160_000_686
    every = [(one.model, one.line.cost_nano, one.line.tokens) for one in bought_in(found, house.month, clock.now)]  # fmt: skip
    assert every == [
        (house.name("alpha"), 240_000_000, 300),
        (house.name("beta"), 2_400, 7),
        (house.name("gamma"), 72_000_000_000, 0),
    ]
    assert [one[4] for one in own] == ["8.000000", "8.000000", "6.857143"]


def test_adjustments_of_hours_name_their_model_and_team(house: House) -> None:
    row = closed(house)
    house.use(house.other, "trade", "alpha", tokens=700)
    assert "what differs is looked at once a day" in words(page(closing.statement, FINN, row.id))
    commands.correct_hours(house.found, house.month, actor="job:hours")
    shown = words(page(closing.adjustments, member("fin", "finance", tenant=house.other.tenant)))
    assert f"hours correction{house.other.tenant}, {said(house.month)}" in shown
    assert f"hours of {house.name('alpha')}, trade19.2 hours at 0.192 instead" in shown
    assert "instead of 8 hours at 0.08 · proposed by the system 0.112" in shown
    assert "underwriting" not in shown
    moved = words(page(closing.statement, FINN, row.id))
    assert "not 0.160000686: what is closed stays, and adjustments of -0.112 are there" in moved
    items = asked(api.Adjustments, FINN).data["items"]
    told = {one["team"]: one for one in items if house.name("alpha") == one["model"]}
    assert [told[team]["hours"] for team in ("claims", "trade")] == ["-5.6", "11.2"]
    accepted = asked(api.AcceptAdjustment, FINN, {}, adjustment=UUID(told["trade"]["id"])).data
    assert (accepted["state"], accepted["period"]) == ("accepted", house.month)


def test_a_month_whose_calls_are_gone_says_nothing_of_today(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = closed(house)
    house.use(house.other, "trade", "alpha", tokens=700)
    monkeypatch.setattr(hours, "remembered", lambda *_: False)
    assert "would fall to" not in words(page(closing.statement, FINN, row.id))
    told = asked(api.OneStatement, FINN, statement=row.id).data
    assert told["capacityNow"] == told["capacity"] == "0.160000686"


def test_hours_that_no_close_split_are_in_no_tenants_file(house: House, clock: Clock) -> None:
    house.publish(house.policy({}))
    closed(house)
    found = house.policy({"alpha": "0.01"})
    assert list(rows(found, [house.month], house.own.tenant, clock.now)) == []
    [every] = rows(found, [house.month], "", clock.now)
    assert (every[3], every[5:7], every[-1]) == (house.name("alpha"), ("", ""), 240_000_000)
