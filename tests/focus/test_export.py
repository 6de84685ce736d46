"""A small ledger as FOCUS files: a closed month, an open one, adjustments. `python -m tests.focus` validates them."""

import csv
import json
import os
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from controlplane.kernel.errors import Forbidden
from policies.bundles.published import Governed, Published
from routing.calls.models import Attempt, Call
from routing.closing import commands, late
from routing.closing.adjusting import Proposal
from routing.closing.models import Adjustment, Statement
from routing.closing.months import following
from routing.exports import access, focus
from routing.exports.asks import CAPACITY, WHATS, Ask
from routing.exports.making import write_to
from routing.exports.writing import Form
from tests.policies.people import FINN, member
from tests.routing.closing.books import Books, policy
from tests.routing.closing.conftest import Clock, books, clock, publish

pytestmark = pytest.mark.django_db
__all__ = ["books", "clock"]
FOLDER = "FOCUS_FOLDER"


def written(ask: Ask, found: Published, clock: Clock) -> bytes:
    out = BytesIO()
    write_to(out, FINN, ask, found, clock.now)
    return out.getvalue()


def rows_of(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(text.decode().splitlines()))


@pytest.fixture(autouse=True)
def found(books: Books, monkeypatch: pytest.MonkeyPatch) -> Published:
    """What is published: with a model that is bought by the hour."""
    found = renting(policy(books.tenant), books)
    publish(found, monkeypatch)
    return found


def gpu(books: Books) -> str:
    """A model of their own, that is bought by the hour."""
    return f"gpu-{books.tenant}"


def renting(found: Published, books: Books) -> Published:
    """A bundle in which it is bought for the second and the third day of the month, in UTC."""
    first = f"{books.month}-02"
    bought = {"perHour": "1.25", "currency": "USD", "from": first, "until": f"{books.month}-03"}
    spec = {"provider": "own", "prices": [], "capacity": bought}
    model = Governed("Model", "", gpu(books), {"name": gpu(books)}, spec)
    return replace(found, documents=(*found.documents, model))


def by_the_hour(books: Books) -> None:
    """Two teams use the model that is bought so."""
    for team, tokens in (("claims", 300), ("underwriting", 100)):
        by_hour = books.attempt(
            books.call(at=books.at(2), team=team),
            0,
            tokens_input=tokens,
            tokens_cached=0,
            tokens_output=0,
        )
        Attempt.objects.filter(pk=by_hour.pk).update(model=gpu(books), tokens_cache_write=0)


def ledger(books: Books, clock: Clock) -> Statement:
    """Two teams, failed, overrun and lost attempts; a closed month, late usage, a credit, a corrected price, an open month."""
    for day in range(1, 12):
        call = books.call(at=books.at(day), team="claims" if day % 3 else "underwriting")
        books.attempt(
            call, day * 1_480_001, overrun=day % 2, tokens_input=900 + day, tokens_output=day
        )
    books.attempt(books.call(at=books.at(4)), 0, "failed", reserved=9)
    books.attempt(books.call(at=books.at(5), route="=quote"), 5_000_000_000, tokens_input=7)
    by_the_hour(books)
    lost = books.attempt(books.call(at=books.at(6)), 0, "unknown", reserved=700_000)
    running = books.attempt(books.call(at=books.at(29), state="running"), 0, "started", reserved=30)
    statement = commands.prepare(FINN, books.tenant, books.month)
    commands.close(member("fay", "finance"), statement.id, statement.digest)
    books.settle(lost, 450_000)
    books.settle(running, 31)
    Call.objects.filter(pk=running.call_id).update(state="completed", finished_at=books.at(40))
    late.propose_late()
    for kind, nano in (
        ("credit", -2_000_000),
        ("price-correction", -77),
        ("invoice-difference", 5),
        ("hours-correction", -3),
    ):
        commands.propose_adjustments(
            [
                Proposal(
                    tenant=books.tenant,
                    corrects=books.month,
                    kind=kind,
                    amount_nano=nano,
                    occurrence=kind,
                    model="gpt-mini",
                    provider="openai",
                    note="=1+1",
                )
            ],
            actor="job:prices",
        )
    for row in Adjustment.objects.filter(tenant=books.tenant):
        commands.accept(FINN, row.id)
    books.attempt(books.call(at=books.at(1, following(books.month))), 999, tokens_output=3)
    books.attempt(books.call(at=books.at(2, following(books.month))), 0, "unknown", reserved=5)
    return statement


def test_files_say_what_the_statement_says_and_the_ledger(
    books: Books, clock: Clock, found: Published, tmp_path: Path
) -> None:
    statement = ledger(books, clock)
    later = following(books.month)
    folder = Path(os.environ.get(FOLDER) or tmp_path)
    files = {}
    for version in focus.VERSIONS:
        ask = Ask(what=version, tenant=books.tenant, first=books.month, last=later)
        files[version] = written(ask, found, clock)
        (folder / f"{version}.csv").write_bytes(files[version])
    for version in (focus.V12, focus.V14):
        rows = rows_of(files[version])
        assert tuple(rows[0]) == tuple(focus.COLUMNS[version])
        assert total(rows, statement) == statement.total_nano
        assert total(rows, None) == 999 - 250_000 + 1 - 2_000_000 - 77 + 5 - 3
        assert {row["SubAccountId"] for row in rows} == {books.tenant}
        # 48 hours at 1.25 dollars of 0.92 euro
        assert [nano(row["BilledCost"]) for row in rows if purchased(row)] == [41_400_000_000, 13_800_000_000]  # fmt: skip
    assert [(row["BillingPeriodStatus"]) for row in rows_of(files[focus.PERIODS])] == [
        "Closed",
        "Open",
    ]


def total(rows: list[dict[str, str]], statement: Statement | None) -> int:
    """The sum of one month's rows, in nano units."""
    invoice = statement.id.hex if statement else ""
    mine = (row for row in rows if row["x_Statement"] == invoice and not purchased(row))
    return sum(nano(row["BilledCost"]) for row in mine)


def purchased(row: dict[str, str]) -> bool:
    return row["PricingUnit"] == "Hours"


def nano(text: str) -> int:
    whole, _, rest = text.removeprefix("-").partition(".")
    found = int(whole) * 10**9 + int(rest.ljust(9, "0"))
    return -found if text.startswith("-") else found


def test_each_row_says_where_it_comes_from(books: Books, clock: Clock, found: Published) -> None:
    statement = ledger(books, clock)
    ask = Ask(what=focus.V12, tenant=books.tenant, first=books.month, last=following(books.month))
    rows = rows_of(written(ask, found, clock))
    first = rows[0]
    assert {name: first[name] for name in ("x_Team", "x_Route", "x_Model", "x_Provider")} == {
        "x_Team": "claims",
        "x_Route": "triage",
        "x_Model": "gpt-mini",
        "x_Provider": "openai",
    }
    assert (first["BilledCost"], first["ConsumedQuantity"], first["ConsumedUnit"]) == (
        "0.001480002",
        "902.0",
        "Tokens",
    )
    assert (first["x_Statement"], first["BillingCurrency"]) == (statement.id.hex, "EUR")
    assert first["InvoiceId"] == f"{books.tenant}-{books.month}"
    accrued = [row for row in rows if row["ChargeDescription"].startswith("Reserved")]
    assert [(row["BilledCost"], row["ConsumedQuantity"]) for row in accrued] == [
        ("0.0007", "0.0"),
        ("0.00000003", "0.0"),
    ]
    adjusted = {row["x_Adjustment"]: row for row in rows if row["x_Adjustment"]}
    assert {
        kind: (row["ChargeCategory"], row["ChargeClass"], row["x_Statement"])
        for kind, row in adjusted.items()
    } == {
        "late-usage": ("Usage", "Correction", ""),
        "price-correction": ("Usage", "Correction", ""),
        "credit": ("Credit", "", ""),
        "invoice-difference": ("Adjustment", "", ""),
        "hours-correction": ("Usage", "Correction", ""),
    }
    assert adjusted["credit"]["ChargeDescription"] == "Credit: =1+1"
    assert adjusted["credit"]["BilledCost"] == "-0.002"
    assert next(row["x_Route"] for row in rows if "quote" in row["x_Route"]) == "'=quote"
    assert all("'" not in row["BilledCost"] for row in rows)


def test_what_is_bought_by_the_hour_is_a_row_of_its_own_and_its_tokens_cost_nothing(
    books: Books, clock: Clock, found: Published
) -> None:
    ledger(books, clock)
    ask = Ask(what=focus.V12, tenant=books.tenant, first=books.month)
    rows = [row for row in rows_of(written(ask, found, clock)) if row["x_Model"] == gpu(books)]  # fmt: skip
    assert [(r["x_Team"], r["BilledCost"], r["x_InputTokens"]) for r in rows if not purchased(r)] == [
        ("claims", "0.00", "300"), ("underwriting", "0.00", "100"),
    ]  # fmt: skip
    shown = (
        "x_Team", "BilledCost", "ChargeFrequency", "PricingCategory", "PricingQuantity", "PricingUnit", "ConsumedQuantity",
        "ConsumedUnit", "ChargeCategory", "InvoiceId", "x_Statement", "x_Provider", "ChargePeriodStart", "ChargePeriodEnd",
    )  # fmt: skip
    starts, until = f"{books.month}-02T00:00:00Z", f"{books.month}-04T00:00:00Z"
    invoice = f"{books.tenant}-{books.month}-capacity"
    assert [tuple(row[name] for name in shown) for row in rows if purchased(row)] == [
        (team, cost, "Recurring", "Standard", hours, "Hours", hours, "Hours", "Usage", invoice, "", "own", starts, until)
        for team, cost, hours in (("claims", "41.40", "36.000000"), ("underwriting", "13.80", "12.000000"))
    ]  # fmt: skip
    # finance of one tenant learns nothing of what the rest used
    own = member("fay", "finance", tenant=books.tenant)
    out = BytesIO()
    write_to(out, own, ask, found, clock.now)
    assert [row for row in rows_of(out.getvalue()) if purchased(row)] == []


def test_capacity_is_a_file_of_its_own_for_who_reads_every_tenant(
    books: Books, clock: Clock, found: Published
) -> None:
    by_the_hour(books)
    ask = Ask(what=CAPACITY, form=Form.JSON, first=books.month)
    mine = [one for one in json.loads(written(ask, found, clock)) if one["model"] == gpu(books)]
    assert [(one["team"], one["hours"], one["cost EUR"]) for one in mine] == [
        ("claims", "36.000000", "41.40"), ("underwriting", "12.000000", "13.80"),
    ]  # fmt: skip
    assert {one["tokens of all"] for one in mine} == {400}
    # in the middle of its second day a day and a half are over; before it nothing is
    clock.now = datetime.fromisoformat(f"{books.month}-03T12:00:00+00:00")
    assert [one["cost EUR"] for one in json.loads(written(ask, found, clock))] == ["31.05", "10.35"]
    clock.now = datetime.fromisoformat(f"{books.month}-01T23:00:00+00:00")
    assert json.loads(written(ask, found, clock)) == []
    own = member("fay", "finance", tenant=books.tenant)
    with pytest.raises(Forbidden, match="a share of capacity tells what others used"):
        write_to(BytesIO(), own, ask, found, clock.now)
    assert CAPACITY not in access.kinds(own)
    assert access.kinds(FINN) == WHATS


def test_hours_that_nobody_used_are_a_row_without_a_team(
    books: Books, clock: Clock, found: Published
) -> None:
    ask = Ask(what=CAPACITY, form=Form.JSON, first=books.month)
    [row] = json.loads(written(ask, found, clock))
    shown = ("tenant", "team", "tokens", "tokens of all", "hours", "cost EUR", "used permille")
    assert [row[name] for name in shown] == ["", "", 0, 0, "48.000000", "55.20", None]
    mine = replace(ask, tenant=books.tenant)
    assert json.loads(written(mine, found, clock)) == []


def test_the_columns_are_documented() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/focus.md").read_text(encoding="utf-8")
    missing = {
        name for columns in focus.COLUMNS.values() for name in columns if f"`{name}`" not in text
    }
    assert missing == set()


def test_only_who_reads_the_statements_gets_them(
    books: Books, clock: Clock, found: Published
) -> None:
    ask = Ask(what=focus.V12, form=Form.JSON, first=books.month)
    out = BytesIO()
    mallory: Any = member("mallory", "finance", tenant="elsewhere")
    ledger(books, clock)
    assert write_to(out, mallory, ask, found, clock.now) == 0
    assert out.getvalue() == b"[\n]\n"
    governed = Governed("Tenant", "", "elsewhere", {}, {})
    assert governed.name not in {document.name for document in found.of("Tenant")}
