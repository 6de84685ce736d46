"""What of closing waits for finance, tenant by tenant: the month that is over, its statement, adjustments."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from policies.bundles.published import Published
from policies.identity.models import Tenant
from routing.closing import commands
from routing.closing.due import Due, asked, due
from routing.closing.months import following, said
from routing.ui.needs import to_close
from tests.policies.people import FINN, member
from tests.routing.closing.books import Books, policy
from tests.routing.closing.conftest import Clock, publish
from tests.routing.closing.test_adjustments import proposal

pytestmark = pytest.mark.django_db
FAY = member("fay", "finance")


@pytest.fixture(autouse=True)
def known(books: Books) -> None:
    """The tenant's row, which publishing writes."""
    Tenant.objects.bulk_create([Tenant(slug=books.tenant, revision=7, actor="cli:test")])


def told(books: Books, clock: Clock, found: Published) -> list[Due]:
    return due(found, asked(FINN, found, books.tenant), clock.now)


def test_a_month_is_due_after_its_grace_then_prepared_then_closed(
    books: Books, clock: Clock, found: Published
) -> None:
    assert told(books, clock, found) == []
    books.attempt(books.call(), 1_000)
    clock.now = books.at(0, following(books.month)) + timedelta(hours=23, minutes=59)
    assert told(books, clock, found) == []
    clock.now += timedelta(minutes=1)
    assert told(books, clock, found) == [Due(books.tenant, books.month, None, "", 0)]
    commands.prepare(FINN, books.tenant, books.month)
    row = commands.prepare(FINN, books.tenant, books.month)
    assert told(books, clock, found) == [Due(books.tenant, books.month, row.id, FINN.actor, 0)]
    commands.close(FAY, row.id, row.digest)
    assert told(books, clock, found) == []


def test_an_adjustment_waits_whether_or_not_a_month_is_due(
    books: Books, clock: Clock, found: Published
) -> None:
    books.attempt(books.call(), 1_000)
    row = commands.prepare(FINN, books.tenant, books.month)
    commands.close(FAY, row.id, row.digest)
    waits = commands.propose(FINN, proposal(books))
    assert told(books, clock, found) == [Due(books.tenant, "", None, "", 1)]
    clock.now = books.at(2, following(following(books.month)))
    assert told(books, clock, found) == [Due(books.tenant, following(books.month), None, "", 1)]
    commands.accept(FAY, waits.pk)
    assert told(books, clock, found) == [Due(books.tenant, following(books.month), None, "", 0)]


def test_all_tenants_in_one_query_and_no_other_tenants(
    books: Books, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Books(made=1_000)
    Tenant.objects.bulk_create([Tenant(slug=other.tenant, revision=7, actor="cli:test")])
    publish(found := policy(books.tenant, other.tenant), monkeypatch)
    for one in (books, other):
        one.attempt(one.call(), 1_000)
    with CaptureQueriesContext(connection) as queries:
        rows = due(found, asked(FINN, found), clock.now)
    assert len(queries) == 1
    mine = [row.tenant for row in rows if row.tenant in {books.tenant, other.tenant}]
    assert mine == sorted([books.tenant, other.tenant])
    theirs = member("fin", "finance", tenant=other.tenant)
    assert [row.tenant for row in due(found, asked(theirs, found), clock.now)] == [other.tenant]
    assert due(found, asked(theirs, found, books.tenant), clock.now) == []
    assert due(found, asked(member("ada", "admin"), found), clock.now) == []


def test_the_overview_names_one_next_step(books: Books) -> None:
    first = Due("insurance", "2026-10", None, "", 0)
    (need,) = to_close([first, replace(first, tenant="retail")], {})
    assert need.title == "2 months are to be closed"
    assert need.text == (
        "October 2026 of insurance is over, and so is its grace; its statement is to be prepared."
    )
    assert need.url == "/reports/statements/?tenant=insurance"
    prepared = replace(first, statement=(row := books.ids.new()), prepared_by="job:close")
    (need,) = to_close([prepared], {})
    assert need.title == "1 month is to be closed"
    assert need.text.startswith(f"{said('2026-10')} of insurance: ")
    assert need.url == f"/reports/statements/{row}/"
    (need,) = to_close([replace(prepared, waiting=2)], {})
    assert (need.title, need.url) == ("2 adjustments wait for finance", "/reports/adjustments/")
    assert to_close([], {}) == []
