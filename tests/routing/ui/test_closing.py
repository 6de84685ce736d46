"""Closing a month in the console and by API: prepared by one, closed by another, its file, adjustments; and exports."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.messages import get_messages
from django.contrib.messages.storage.cookie import CookieStorage
from django.db import connection
from django.http import HttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from controlplane.kernel.errors import Forbidden, NotFound
from controlplane.kernel.principal import Principal
from controlplane.menu import Shell
from policies.bundles.published import Published
from routing.api import exports as export_api
from routing.api import statements as api
from routing.closing import commands
from routing.closing.models import Adjustment, Period, Statement
from routing.closing.months import following
from routing.exports import making
from routing.files.models import FAILED, File
from routing.ledger.windows import ALWAYS
from routing.ui import closing, exports
from tests.policies.people import FINN, member
from tests.policies.ui.conftest import words
from tests.routing.closing.books import Books
from tests.routing.closing.conftest import Clock, books, clock, found
from tests.routing.closing.test_adjustments import proposal

pytestmark = pytest.mark.django_db
__all__ = ["books", "clock", "found"]
MOST_QUERIES = 14
FAY = member("fay", "finance")
MALLORY = member("mallory", "finance", tenant="elsewhere")


@pytest.fixture(autouse=True)
def around(clock: Clock, found: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages read what the commands read."""
    File.objects.filter(state__in=("waiting", "running")).update(state=FAILED)
    for module in (closing, exports, making):
        monkeypatch.setattr(module, "published", lambda: found)
    for module, name in ((closing, "moment"), (exports, "moment"), (making, "mandate_now")):
        monkeypatch.setattr(module, name, lambda: clock.now)


def page(view: Callable[..., Any], who: Principal, *given: object, **form: str) -> Any:
    """The answer to a GET, or to the POST of a form; what it said as a message is in `said`."""
    factory = RequestFactory()
    request: Any = factory.post("/x/", form) if form else factory.get("/x/")
    request.principal, request.console = who, Shell(organisation="Acme")
    request._messages = CookieStorage(request)
    answer = view(request, *given)
    answer.said = " ".join(str(one) for one in get_messages(request))
    return answer


def asked(view: type, who: Principal, body: object = None, **given: object) -> Any:
    """What the API answers."""
    factory = RequestFactory()
    request: Any = (
        factory.get("/x/")
        if body is None
        else factory.post("/x/", json.dumps(body), content_type="application/json")
    )
    request.principal, request.shown = who, "token"
    answer: HttpResponse = view.as_view()(request, **given)  # type: ignore[attr-defined]
    answer.render()  # type: ignore[attr-defined]
    return answer


def test_a_month_is_prepared_by_one_and_closed_by_another(books: Books) -> None:
    books.attempt(books.call(), 1_480_000)
    with CaptureQueriesContext(connection) as queries:
        shown = words(page(closing.statements, FINN))
    assert len(queries) <= MOST_QUERIES
    assert "No month is closed yet" in shown
    assert "Prepare" in shown
    answer = page(closing.statements, FINN, tenant=books.tenant, period=books.month)
    assert answer.said.startswith("Prepared.")
    statement = Statement.objects.get(tenant=books.tenant)
    own = words(page(closing.statement, FINN, statement.id))
    assert "You prepared it; another member of finance closes the month with it." in own
    assert "0.00148 EUR" in own
    refused = page(closing.statement, FINN, statement.id, digest=statement.digest)
    assert refused.said.startswith("You prepared this statement")
    assert Period.objects.filter(tenant=books.tenant).count() == 0
    with CaptureQueriesContext(connection) as queries:
        assert "with this" in words(page(closing.statement, FAY, statement.id))
    assert len(queries) <= MOST_QUERIES
    assert page(closing.statement, FAY, statement.id, digest=statement.digest).said == (
        "Closed. Nothing in it changes from now on."
    )
    assert "closed by fay@acme.example" in words(page(closing.statement, FINN, statement.id))
    again = page(closing.statements, FINN, tenant=books.tenant, period=books.month)
    assert again.said.endswith("is closed, and stays so.")


def test_days_are_those_of_the_statements_own_time_zone() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    month = datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert closing.days(*month, berlin) == "1 Oct 2026 to 31 Oct 2026"
    assert closing.days(*ALWAYS, berlin) == "once, has no end"


def test_what_stands_in_the_way_is_said(books: Books) -> None:
    books.attempt(books.call(), 5)
    commands.propose_adjustments([proposal(books)], actor="job:prices")
    shown = words(page(closing.statements, FINN))
    assert "1 adjustment waits for finance" in shown
    assert "It can be prepared once nothing stops it." in shown
    assert "Prepare " not in shown
    refused = page(closing.statements, FINN, tenant=books.tenant, period=books.month)
    assert refused.said.endswith("cannot be closed: 1 adjustment waits for finance.")
    assert Statement.objects.filter(tenant=books.tenant).count() == 0


def test_a_statement_is_taken_along_in_three_forms(books: Books) -> None:
    books.attempt(books.call(route="=triage"), 1_480_000)
    books.attempt(books.call(), 0, "unknown", reserved=700)
    statement = commands.prepare(FINN, books.tenant, books.month)
    told = page(closing.statement_file, FAY, statement.id, "json")
    assert told.content == bytes(statement.body)
    lines = list(
        csv.DictReader(
            page(closing.statement_file, FAY, statement.id, "csv").content.decode().splitlines()
        )
    )
    assert [(line["what"], line["route"], line["amount"]) for line in lines] == [
        ("spent", "'=triage", "0.00148"),
        ("spent", "triage", "0.00"),
        ("accrued", "", "0.0000007"),
    ]
    assert page(closing.statement_file, FAY, statement.id, "xlsx").content[:2] == b"PK"
    with pytest.raises(NotFound):
        page(closing.statement_file, FAY, statement.id, "exe")
    for view, more in ((closing.statement, ()), (closing.statement_file, ("csv",))):
        with pytest.raises(NotFound):
            page(view, MALLORY, statement.id, *more)


def test_adjustments_are_proposed_and_decided_on(books: Books) -> None:
    form = {
        "tenant": books.tenant,
        "corrects": books.month,
        "kind": "credit",
        "amount": "-12.50",
        "reference": "letter 7",
        "note": "goodwill",
    }
    for wrong in (
        {"amount": "12,5"},
        {"amount": "1e3"},
        {"amount": "12.50"},
        {"amount": "0"},
        {"reference": ""},
        {"corrects": "2026-13"},
    ):
        refused = page(closing.adjustments, FINN, **{**form, **wrong})
        assert refused.status_code == 422
        # nothing that was typed is lost, least of all whose it is
        assert f'<option value="{books.tenant}" selected>' in refused.content.decode()
    assert Adjustment.objects.filter(tenant=books.tenant).count() == 0
    assert page(closing.adjustments, FINN, **form).said.startswith("Proposed.")
    assert page(closing.adjustments, FINN, **form).status_code == 422
    row = Adjustment.objects.get(tenant=books.tenant)
    assert (row.amount_nano, row.occurrence) == (-12_500_000_000, "credit:letter 7")
    assert "another member of finance decides" in words(page(closing.adjustments, FINN))
    assert "Accept" in words(page(closing.adjustments, FAY))
    assert page(closing.decide, FAY, row.id, reject="1").said.startswith("Say why")
    assert page(closing.decide, FAY, row.id, accept="1").said.startswith("Accepted: it counts in")
    again = page(closing.decide, FAY, row.id, accept="1").said
    assert again == "It was accepted by fay@acme.example."
    assert "Nothing waits" in words(page(closing.adjustments, member("gus", "finance", tenant="x")))
    with pytest.raises(NotFound):
        page(closing.decide, MALLORY, row.id, accept="1")


def test_whoever_reads_no_money_reads_no_statement() -> None:
    rui = member("rui", "reviewer")
    for view in (closing.statements, closing.adjustments, exports.exports):
        with pytest.raises(Forbidden):
            page(view, rui)


def test_the_api_says_and_does_the_same(books: Books) -> None:
    books.attempt(books.call(), 1_480_000)
    made = asked(api.Statements, FINN, {"tenant": books.tenant, "period": books.month})
    assert made.status_code == 201
    one = made.data
    assert (one["spent"], one["total"], one["closedBy"]) == ("0.00148", "0.00148", "")
    closed = asked(api.CloseStatement, FAY, {"digest": one["digest"]}, statement=one["id"])
    assert closed.data["closedBy"] == FAY.actor
    body = asked(api.OneStatement, FAY, statement=one["id"]).data["body"]
    assert body["period"] == books.month
    assert [each["id"] for each in asked(api.Statements, FAY).data["items"]] == [one["id"]]
    assert asked(api.Statements, MALLORY).data["items"] == []
    wanted = {
        "tenant": books.tenant,
        "corrects": books.month,
        "kind": "invoice-difference",
        "amount": "0.01",
        "reference": "invoice 9",
    }
    proposed = asked(api.Adjustments, FINN, wanted).data
    assert (proposed["state"], proposed["amount"]) == ("proposed", "0.01")
    accepted = asked(api.AcceptAdjustment, FAY, {}, adjustment=proposed["id"]).data
    assert (accepted["state"], accepted["period"]) == ("accepted", following(books.month))
    other = asked(api.Adjustments, FINN, {**wanted, "reference": "invoice 10"}).data
    done = asked(api.RejectAdjustment, FAY, {"reason": "twice"}, adjustment=other["id"]).data
    assert (done["state"], done["reason"]) == ("rejected", "twice")
    assert asked(api.Adjustments, MALLORY).data["items"] == []


def test_an_export_is_asked_for_and_taken_along_by_console_and_api(books: Books) -> None:
    books.attempt(books.call(), 1_480_000)
    form = {"what": "focus-1.2", "form": "csv", "tenant": books.tenant, "first": books.month}
    assert page(exports.exports, FINN, **form).said.startswith("It is being made")
    assert page(exports.exports, FINN, **{**form, "form": "exe"}).said.startswith(
        '"exe" is no form'
    )
    body = {"figures": "calls", "form": "json", "tenant": books.tenant, "first": books.month}
    made = asked(export_api.Exports, FINN, body)
    assert (made.status_code, made.data["state"], made.data["about"]["figures"]) == (
        202,
        "waiting",
        "calls",
    )
    assert {making.make_next(), making.make_next()} == {
        row.id for row in File.objects.filter(tenant=books.tenant)
    }
    told = asked(export_api.OneExport, FINN, export=made.data["id"]).data
    assert (told["state"], told["done"], told["told"]) == ("ready", 1, "")
    with CaptureQueriesContext(connection) as queries:
        shown = page(exports.exports, FINN)
    assert len(queries) <= MOST_QUERIES
    row = File.objects.get(tenant=books.tenant, ask__what="focus-1.2")
    assert row.id.hex in shown.content.decode().replace("-", "")
    taken = page(exports.download, FINN, row.id)
    assert b"BilledCost" in b"".join(taken.streaming_content)
    with pytest.raises(NotFound):
        page(exports.download, FAY, row.id)
    assert asked(export_api.DownloadExport, FAY, export=row.id).status_code == 404
