"""Adjustments: proposed once, decided on once, by another than who proposed them; each step an entry."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from controlplane.kernel.errors import Conflict, InvalidRequest
from routing.closing import commands, read
from routing.closing.adjusting import Proposal, by_tenant, digest_of
from routing.closing.models import Adjustment, Period, Statement, Verdict
from routing.closing.months import following, month_of, said, span_of
from tests.policies.people import FINN, entries, member
from tests.refusing import refuses_first
from tests.routing.closing.books import Books, policy, refusal
from tests.routing.closing.conftest import Clock, publish

pytestmark = pytest.mark.django_db
JOB = "job:prices"


def proposal(books: Books, **more: Any) -> Proposal:
    base = Proposal(
        tenant=books.tenant,
        corrects=books.month,
        kind="price-correction",
        amount_nano=-1_480_001,
        occurrence="price:gpt-mini:1",
        team="claims",
        model="gpt-mini",
        provider="openai",
        note="0.25 was 0.28",
    )
    return replace(base, **more)


def closed(books: Books, month: str) -> None:
    """The month is closed, by a statement of nothing."""
    body = b"{}"
    statement = Statement(
        id=books.ids.new(),
        cut_off_at=books.at(),
        spent_nano=0,
        accrued_nano=0,
        adjusted_nano=0,
        tenant=books.tenant,
        period=month,
        digest=hashlib.sha256(body).hexdigest(),
        prepared_by="member:x",
        entry=books.ids.new(),
        body=body,
    )
    statement.save(force_insert=True)
    Period(
        statement=statement,
        entry=books.ids.new(),
        closed_at=books.at(),
        tenant=books.tenant,
        period=month,
        closed_by="member:y",
    ).save(force_insert=True)


def test_months_begin_and_end_in_the_tenants_time_zone() -> None:
    starts, until = span_of("2026-03", "Europe/Berlin")
    assert starts.isoformat() == "2026-02-28T23:00:00+00:00"
    assert until.isoformat() == "2026-03-31T22:00:00+00:00"
    assert month_of(starts, "Europe/Berlin") == "2026-03"
    assert month_of(starts, "UTC") == "2026-02"
    assert following("2026-12") == "2027-01"
    assert following("2026-09") == "2026-10"
    assert said("2026-10") == "October 2026"
    for wrong in ("2026-13", "2026-1", "1969-12", "9001-01", "2026-01\n", "٢٠٢٦-01"):
        with pytest.raises(ValueError, match="no month"):
            span_of(wrong, "UTC")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "gift"},
        {"amount_nano": 0},
        {"occurrence": ""},
        {"tenant": ""},
        {"corrects": "2026-13"},
        {"note": "x" * 501},
    ],
)
def test_what_is_no_adjustment(books: Books, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        proposal(books, **wrong)


def test_the_same_finding_is_proposed_once_and_one_entry_binds_all(
    books: Books, clock: Clock
) -> None:
    call = books.call()
    rows = [
        proposal(books, call=call.id, attempt=1),
        proposal(books, occurrence="price:gpt-mini:2", amount_nano=3),
    ]
    assert commands.propose_adjustments([*rows, rows[0]], actor=JOB) == 2
    assert commands.propose_adjustments(rows, actor=JOB) == 0
    kept = Adjustment.objects.filter(tenant=books.tenant).order_by("amount_nano")
    assert [read.proposal_of(row) for row in kept] == rows
    [entry] = entries(tenant=books.tenant)
    assert (entry["kind"], entry["actor"]) == ("adjustment.proposed", JOB)
    assert entry["data"] == {
        "number": 2,
        "sum": "-0.001479998",
        "corrects": [books.month],
        "kinds": ["price-correction"],
        "digest": digest_of(rows),
    }
    assert {row.entry.hex for row in kept} == {entry["id"].replace("-", "")}
    later = [*rows, proposal(books, occurrence="price:gpt-mini:3")]
    assert commands.propose_adjustments(later, actor=JOB) == 1


def test_the_digest_is_of_canonical_rows(books: Books) -> None:
    row = proposal(books)
    said = {
        "amount": "-0.001480001",
        "corrects": books.month,
        "kind": "price-correction",
        "model": "gpt-mini",
        "note": "0.25 was 0.28",
        "occurrence": "price:gpt-mini:1",
        "provider": "openai",
        "team": "claims",
    }
    text = json.dumps([said], separators=(",", ":")).encode()
    assert digest_of([row]) == hashlib.sha256(text).hexdigest()
    other = proposal(books, tenant="a")
    assert by_tenant([row, other, row]) == {"a": (other,), books.tenant: (row,)}


def test_an_accepted_one_belongs_to_the_month_it_corrects_while_that_is_open(
    books: Books, clock: Clock
) -> None:
    commands.propose_adjustments([proposal(books)], actor=JOB)
    row = Adjustment.objects.get(tenant=books.tenant)
    verdict = commands.accept(FINN, row.id)
    assert (verdict.accepted, verdict.period) == (True, books.month)
    assert [each.id for each in read.belonging(books.tenant, books.month)] == [row.id]
    told = entries(f"adjustment:{row.id.hex}")
    assert [(e["kind"], e["actor"], e["data"]["period"]) for e in told] == [
        ("adjustment.accepted", FINN.actor, books.month)
    ]
    assert told[0]["data"]["amount"] == "-0.001480001"
    assert told[0]["data"]["flagged"] is False
    with pytest.raises(Conflict, match="it was accepted by member:finn"):
        commands.accept(FINN, row.id)
    with pytest.raises(Conflict, match="it was accepted by member:finn"):
        commands.reject(FINN, row.id, "no")
    assert Verdict.objects.filter(pk=row.id).count() == 1


def test_what_corrects_a_closed_month_belongs_to_the_first_open_one(
    books: Books, clock: Clock
) -> None:
    closed(books, books.month)
    closed(books, following(books.month))
    commands.propose_adjustments([proposal(books)], actor=JOB)
    row = Adjustment.objects.get(tenant=books.tenant)
    assert commands.accept(FINN, row.id).period == following(following(books.month))
    assert list(read.belonging(books.tenant, books.month)) == []


@refuses_first("closing.propose_adjustments", "closing.reject")
def test_a_rejected_one_counts_nowhere_and_says_why(books: Books, clock: Clock) -> None:
    commands.propose_adjustments([proposal(books)], actor=JOB)
    row = Adjustment.objects.get(tenant=books.tenant)
    for nothing in ("", "  ", "x" * 501, "a\x00b"):
        with pytest.raises(InvalidRequest, match="say why"):
            commands.reject(FINN, row.id, nothing)
    assert list(read.waiting(Adjustment.objects.filter(tenant=books.tenant))) == [row]
    verdict = commands.reject(FINN, row.id, " the old price\nwas right ")
    assert (verdict.accepted, verdict.period, verdict.reason) == (
        False,
        "",
        "the old price was right",
    )
    assert list(read.waiting(Adjustment.objects.filter(tenant=books.tenant))) == []
    [told] = entries(f"adjustment:{row.id.hex}")
    assert (told["kind"], told["data"]["reason"]) == (
        "adjustment.rejected",
        "the old price was right",
    )


@refuses_first("closing.propose_adjustments", "closing.propose", "closing.accept")
def test_nobody_decides_on_what_they_proposed_unless_they_are_alone(
    books: Books, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = commands.propose(FINN, proposal(books, kind="credit", occurrence="credit:1"))
    assert refusal(lambda: commands.accept(FINN, row.id)) == "Conflict"
    with pytest.raises(Conflict, match="proposed before"):
        commands.propose(FINN, proposal(books, kind="credit", occurrence="credit:1"))
    assert Verdict.objects.filter(pk=row.id).count() == 0
    publish(policy(books.tenant, mode="single-operator"), monkeypatch)
    commands.accept(FINN, row.id)
    assert entries(f"adjustment:{row.id.hex}")[0]["data"]["flagged"] is True


def test_only_finance_of_the_tenant_decides(books: Books, clock: Clock) -> None:
    commands.propose_adjustments([proposal(books)], actor=JOB)
    row = Adjustment.objects.get(tenant=books.tenant)
    more = proposal(books, occurrence="x")
    for who, error in (
        (member("ada", "admin"), "Forbidden"),
        (member("cleo", "auditor", tenant=books.tenant), "Forbidden"),
        (member("tariq", "developer", tenant=books.tenant), "Forbidden"),
        (member("mallory", "finance", tenant="elsewhere"), "NotFound"),
    ):
        assert refusal(lambda who=who: commands.accept(who, row.id)) == error  # type: ignore[misc]
        assert refusal(lambda who=who: commands.propose(who, more)) == error  # type: ignore[misc]
    assert Adjustment.objects.filter(tenant=books.tenant).count() == 1
    assert Verdict.objects.filter(pk=row.id).count() == 0
    assert entries(f"adjustment:{row.id.hex}") == []
    own = member("finn", "finance", tenant=books.tenant)
    assert commands.accept(own, row.id).period == books.month


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE routing_adjustment SET amount_nano = 1",
        "DELETE FROM routing_adjustment",
        "TRUNCATE routing_adjustment",
        "UPDATE routing_adjustment_verdict SET accepted = false",
        "DELETE FROM routing_adjustment_verdict",
        "UPDATE routing_statement SET spent_nano = 1",
        "DELETE FROM routing_statement",
        "DELETE FROM routing_period",
        "UPDATE routing_capacity_share SET cost_nano = 1",
        "DELETE FROM routing_capacity_share",
    ],
)
def test_nothing_is_edited_or_taken_away(books: Books, clock: Clock, change: str) -> None:
    commands.propose_adjustments([proposal(books)], actor=JOB)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)
    assert Adjustment.objects.filter(tenant=books.tenant).count() == 1


def test_a_statement_of_other_bytes_than_its_digest_is_refused(books: Books) -> None:
    with pytest.raises(DatabaseError, match="check"), transaction.atomic():
        Statement(
            id=books.ids.new(),
            cut_off_at=books.at(),
            spent_nano=0,
            accrued_nano=0,
            adjusted_nano=0,
            tenant=books.tenant,
            period=books.month,
            digest="00" * 32,
            prepared_by="member:x",
            entry=books.ids.new(),
            body=b"{}",
        ).save(force_insert=True)


def test_a_tenant_that_is_none_gets_no_adjustment_and_no_statement(books: Books) -> None:
    with pytest.raises(InvalidRequest, match='there is no tenant "nobody"'):
        commands.propose(FINN, proposal(books, tenant="nobody"))
    with pytest.raises(InvalidRequest, match='there is no tenant "nobody"'):
        commands.prepare(FINN, "nobody", books.month)
    assert not Adjustment.objects.filter(tenant="nobody").exists()


def test_a_month_that_has_not_begun_is_not_adjusted(books: Books, clock: Clock) -> None:
    this = month_of(clock.now, "UTC")
    with pytest.raises(InvalidRequest, match="has not begun; there is nothing to adjust"):
        commands.propose(FINN, proposal(books, corrects=following(this)))
    assert not Adjustment.objects.filter(tenant=books.tenant).exists()
    assert commands.propose(FINN, proposal(books, corrects=this)).corrects == this


def test_a_credit_never_makes_a_month_dearer(books: Books, clock: Clock) -> None:
    with pytest.raises(InvalidRequest, match="a credit lessens what a month cost: write it below"):
        commands.propose(FINN, proposal(books, kind="credit", amount_nano=12_500_000_000))
    assert not Adjustment.objects.filter(tenant=books.tenant).exists()
