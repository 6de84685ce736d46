"""Closing a month: two people, once, in order; the same bytes for ever; what comes later is an adjustment, to the nano."""

import hashlib
import json
import random
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F, Sum

from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound
from controlplane.kernel.ids import call_name
from controlplane.kernel.money import format_nano
from routing.calls.models import Attempt, Call
from routing.closing import commands, late, preparing, read
from routing.closing.models import Adjustment, Period, Statement
from routing.closing.months import following, month_of
from tests.policies.people import FINN, entries, member
from tests.refusing import refuses_first
from tests.routing.closing.books import Books, policy, refusal
from tests.routing.closing.conftest import Clock, publish
from tests.routing.closing.test_adjustments import proposal

pytestmark = pytest.mark.django_db
FAY = member("fay", "finance")


def closed(books: Books, month: str = "") -> Statement:
    statement = commands.prepare(FINN, books.tenant, month or books.month)
    commands.close(FAY, statement.id, statement.digest)
    return statement


def told(statement: Statement) -> Any:
    return json.loads(bytes(statement.body))


def filled(books: Books) -> dict[str, Attempt]:
    """A month with something of everything."""
    plain = books.attempt(books.call(), 1_480_000, tokens_input=100, tokens_output=20)
    over = books.attempt(books.call(), 2_000_001, overrun=5, tokens_input=7, tokens_cached=3)
    call = books.call(team="underwriting", route="quote")
    failed = books.attempt(call, 0, "failed", reserved=9)
    again = books.attempt(call, 11, no=2)
    lost = books.attempt(books.call(), 0, "unknown", reserved=700)
    running = books.attempt(books.call(state="running"), 0, "started", reserved=30)
    books.call(state="denied")
    books.attempt(books.call(at=books.at(-1)), 999)
    books.attempt(books.call(at=books.at(0, following(books.month))), 999)
    return {
        "plain": plain,
        "over": over,
        "failed": failed,
        "again": again,
        "lost": lost,
        "running": running,
    }


def before(books: Books) -> None:
    """Close the month before, in which `filled` made one call."""
    books.month, month = preparing_month(books), books.month
    closed(books)
    books.month = month


def preparing_month(books: Books) -> str:
    first = Call.objects.filter(tenant=books.tenant).order_by("id").first()
    assert first is not None
    return month_of(first.admitted_at, books.zone)


def test_a_statement_says_what_the_month_came_to(books: Books, clock: Clock) -> None:
    made = filled(books)
    before(books)
    statement = commands.prepare(FINN, books.tenant, books.month)
    said = told(statement)
    assert (
        bytes(statement.body)
        == json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )
    assert statement.digest == hashlib.sha256(bytes(statement.body)).hexdigest()
    assert [
        (
            line["team"],
            line["route"],
            line["calls"],
            line["attempts"],
            line["spent"],
            line["accrued"],
        )
        for line in said["lines"]
    ] == [
        ("claims", "triage", 4, 4, "0.003480006", "0.00000073"),
        ("underwriting", "quote", 1, 2, "0.000000011", "0.00"),
    ]
    assert [line["tokensInput"] for line in said["lines"]] == [107, 0]
    assert {line["costCentre"] for line in said["lines"]} == {"4410"}
    assert {(line["model"], line["provider"]) for line in said["lines"]} == {("gpt-mini", "openai")}
    assert said["accrued"] == [
        {
            "call": call_name(made[name].call_id),
            "attempt": 1,
            "reserved": format_nano(made[name].reserved_nano),
            "state": made[name].state,
        }
        for name in ("lost", "running")
    ]
    running = call_name(made["running"].call_id)
    assert said["open"] == [{"call": running, "attempts": 1, "state": "running"}]
    assert said["totals"] == {
        "calls": 5,
        "denied": 1,
        "attempts": 6,
        "spent": "0.003480017",
        "accrued": "0.00000073",
        "adjusted": "0.00",
        "total": "0.003480747",
    }
    assert (said["organisation"], said["currency"], said["period"], said["timeZone"]) == (
        "Acme",
        "EUR",
        books.month,
        "Europe/Berlin",
    )
    assert said["policy"] == {"revision": 7, "digest": "ab" * 32}
    assert said["exchangeRates"] == [{"from": "2026-01-01", "USD": "0.92"}]
    assert [each["model"] for each in said["prices"]] == ["gpt-mini"]
    assert set(said["log"]) == {"size", "checkpoint"}
    assert (statement.spent_nano, statement.accrued_nano) == (3_480_017, 730)


@refuses_first("closing.prepare", "closing.close")
def test_two_people_close_it_and_each_step_is_an_entry(books: Books, clock: Clock) -> None:
    books.attempt(books.call(), 5)
    statement = commands.prepare(FINN, books.tenant, books.month)
    assert refusal(lambda: commands.close(FINN, statement.id, statement.digest)) == "Conflict"
    with pytest.raises(Conflict, match="is not the digest"):
        commands.close(FAY, statement.id, "00" * 32)
    assert Period.objects.filter(tenant=books.tenant).count() == 0
    commands.close(FAY, statement.id, statement.digest)
    subject = f"period:{books.tenant}/{books.month}"
    assert [(e["kind"], e["actor"], e["tenant"], e["data"]) for e in entries(subject)] == [
        (
            "period.prepared",
            FINN.actor,
            books.tenant,
            {
                "period": books.month,
                "digest": statement.digest,
                "spent": "0.000000005",
                "accrued": "0.00",
                "adjusted": "0.00",
                "total": "0.000000005",
            },
        ),
        (
            "period.closed",
            FAY.actor,
            books.tenant,
            {
                "period": books.month,
                "digest": statement.digest,
                "statement": statement.id.hex,
                "total": "0.000000005",
                "preparedBy": FINN.actor,
                "flagged": False,
            },
        ),
    ]
    for again in (FAY, FINN):
        with pytest.raises(Conflict, match="is closed, and stays so"):
            commands.prepare(again, books.tenant, books.month)
    with pytest.raises(Conflict, match="is closed, and stays so"):
        commands.close(FAY, statement.id, statement.digest)
    assert len(entries(subject)) == 2
    assert read.statement_of(books.tenant, books.month) == statement


def test_one_operator_alone_closes_and_it_is_flagged(
    books: Books, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(policy(books.tenant, mode="single-operator"), monkeypatch)
    books.attempt(books.call(), 5)
    statement = commands.prepare(FINN, books.tenant, books.month)
    commands.close(FINN, statement.id, statement.digest)
    [entry] = entries(f"period:{books.tenant}/{books.month}", "period.closed")
    assert entry["data"]["flagged"] is True


def test_the_month_and_its_grace_must_be_over_and_months_close_in_order(
    books: Books, clock: Clock
) -> None:
    books.attempt(books.call(), 5)
    month = preparing.month_in(policy(books.tenant), books.tenant, books.month)
    clock.now = month.until + timedelta(hours=23, minutes=59)
    with pytest.raises(Conflict, match=r"its grace ends on .*, 24 hours after the month"):
        commands.prepare(FINN, books.tenant, books.month)
    clock.now = month.until + timedelta(hours=24)
    later = following(books.month)
    with pytest.raises(Conflict, match="cannot be closed"):
        commands.prepare(FINN, books.tenant, later)
    clock.now = books.at(75)
    with pytest.raises(Conflict, match=r"close [A-Z][a-z]+ [0-9]{4} first"):
        commands.prepare(FINN, books.tenant, later)
    with pytest.raises(InvalidRequest, match="no month"):
        commands.prepare(FINN, books.tenant, "2026-13")
    closed(books)
    assert closed(books, later).period == later
    assert preparing.next_month(policy(books.tenant), books.tenant) == following(later)


def test_adjustments_that_wait_and_books_that_differ_stand_in_the_way(
    books: Books, clock: Clock
) -> None:
    attempt = books.attempt(books.call(), 5)
    commands.propose_adjustments([proposal(books)], actor="job:prices")
    with pytest.raises(Conflict, match="1 adjustment waits for finance"):
        commands.prepare(FINN, books.tenant, books.month)
    row = Adjustment.objects.get(tenant=books.tenant)
    commands.reject(FINN, row.id, "no")
    Attempt.objects.filter(call=attempt.call_id).update(posted_nano=6)
    with pytest.raises(Conflict, match="1 ended attempt differs"):
        commands.prepare(FINN, books.tenant, books.month)
    assert Statement.objects.filter(tenant=books.tenant).count() == 0
    checks = preparing.checklist(policy(books.tenant), books.tenant, books.month, clock.now)
    assert [(check.holds, check.stops) for check in checks] == [
        (True, True),
        (True, True),
        (False, True),
        (True, True),
        (True, False),
        (True, False),
    ]


def test_only_what_is_the_newest_closes_the_month(books: Books, clock: Clock) -> None:
    books.attempt(books.call(), 5)
    old = commands.prepare(FINN, books.tenant, books.month)
    commands.propose_adjustments([proposal(books)], actor="job:prices")
    commands.accept(FINN, Adjustment.objects.get(tenant=books.tenant).id)
    with pytest.raises(Conflict, match="adjustment was accepted since"):
        commands.close(FAY, old.id, old.digest)
    new = commands.prepare(FINN, books.tenant, books.month)
    assert told(new)["totals"]["total"] == "-0.001479996"
    assert [one["amount"] for one in told(new)["adjustments"]] == ["-0.001480001"]
    with pytest.raises(Conflict, match="prepared again since"):
        commands.close(FAY, old.id, old.digest)
    commands.close(FAY, new.id, new.digest)
    assert preparing.again(new) == bytes(new.body)


def test_only_finance_of_the_tenant_closes(books: Books, clock: Clock) -> None:
    books.attempt(books.call(), 5)
    statement = commands.prepare(FINN, books.tenant, books.month)
    mallory = member("mallory", "finance", tenant="elsewhere")
    for who, refused in (
        (member("ada", "admin"), Forbidden),
        (member("cleo", "auditor"), Forbidden),
        (mallory, NotFound),
    ):
        with pytest.raises(refused):
            commands.prepare(who, books.tenant, books.month)
        with pytest.raises(refused):
            commands.close(who, statement.id, statement.digest)
    assert Period.objects.filter(tenant=books.tenant).count() == 0
    assert Statement.objects.filter(tenant=books.tenant).count() == 1


def test_what_becomes_known_later_is_an_adjustment_and_the_statement_keeps_its_bytes(
    books: Books, clock: Clock
) -> None:
    made = filled(books)
    before(books)
    statement = closed(books)
    assert late.propose_late() == 0
    books.settle(made["lost"], 450)
    books.settle(made["running"], 30)
    books.attempt(made["running"].call, 12, no=2)
    Call.objects.filter(pk=made["running"].call_id).update(
        state="completed", finished_at=books.at(40)
    )
    assert preparing.again(statement) == bytes(statement.body)
    assert late.propose_late() == 2
    assert late.propose_late() == 0
    rows = Adjustment.objects.filter(tenant=books.tenant).order_by("amount_nano")
    assert [
        (row.call, row.attempt, row.amount_nano, row.corrects, row.kind, row.team, row.note)
        for row in rows
    ] == [
        (
            made["lost"].call_id,
            1,
            -250,
            books.month,
            "late-usage",
            "claims",
            "accrued at its reservation",
        ),
        (
            made["running"].call_id,
            2,
            12,
            books.month,
            "late-usage",
            "claims",
            "began after the cut-off",
        ),
    ]
    for row in rows:
        assert commands.accept(FINN, row.id).period == following(books.month)
    clock.now = books.at(75)
    after = closed(books, following(books.month))
    assert (after.spent_nano, after.adjusted_nano) == (999, -238)
    assert preparing.again(statement) == bytes(statement.body)
    assert preparing.again(after) == bytes(after.body)


def test_months_add_up_to_the_ledger_to_the_nano(books: Books, clock: Clock) -> None:
    draw = random.Random(7)  # noqa: S311 - made-up money
    unknown = []
    for _ in range(60):
        moment = books.at(draw.uniform(0.1, 55))
        attempt = books.attempt(
            books.call(at=moment, team=draw.choice(("claims", "underwriting"))),
            *((0, "unknown") if draw.random() < 0.3 else (draw.randrange(10**9), "succeeded")),
            reserved=draw.randrange(10**9),
            overrun=draw.randrange(3),
        )
        unknown += [attempt] if attempt.state == "unknown" else []
    Attempt.objects.filter(call__tenant=books.tenant, state="unknown").update(overrun_nano=0)
    assert len(unknown) > 5
    closed(books)
    for attempt in unknown:
        books.settle(attempt, draw.randrange(10**9), draw.randrange(3))
    clock.now = books.at(75)
    late.propose_late()
    for row in Adjustment.objects.filter(tenant=books.tenant):
        commands.accept(FINN, row.id)
    closed(books, following(books.month))
    ledger = Attempt.objects.filter(call__tenant=books.tenant).aggregate(
        nano=Sum(F("posted_nano") + F("overrun_nano"))
    )["nano"]
    statements = Statement.objects.filter(tenant=books.tenant, closed__isnull=False)
    assert [each.period for each in statements.order_by("id")] == [
        books.month,
        following(books.month),
    ]
    assert sum(each.total_nano for each in statements) == ledger
    assert all(preparing.again(each) == bytes(each.body) for each in statements)
