"""Which entries are events, and in which words: a table."""

# ruff: noqa: E501 - a table is read along its rows

from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import resolve

from audit.log.kinds import KINDS as EVERY_KIND
from policies.documents.money import EVENTS
from routing.notifications.events import KINDS, of_entry

ID = "0197a1b2c3d47e5f8a9b0c1d2e3f4a5b"
CALL = "call_0197a1b2c3d47e5f8a9b0c1d2e3f4a5b"
CHANGE = "0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
SCOPE = {"kind": "route", "tenant": "insurance", "name": "triage"}
BUDGET = {"budget": "monthly", "percent": 80, "spent": "80.00", "limit": "100.00", "currency": "EUR"}  # fmt: skip


def entry(kind: str, subject: str = "", **data: object) -> dict[str, Any]:
    return {
        "id": "e1",
        "kind": kind,
        "at": "2026-11-28T20:00:00.000Z",
        "tenant": "insurance",
        "call": ID,
        "subject": subject,
        "data": data,
    }


OVERRUN = {
    "budget": "monthly",
    "overrun": "0.02",
    "spent": "3.02",
    "limit": "10.00",
    "currency": "EUR",
}

ANOMALY = {
    "key": "ab12cd34",
    "route": "triage",
    "team": "claims",
    "firstCall": CALL,
    "spent": "20.00",
    "usual": "2.00",
    "currency": "EUR",
    "owner": "finn@acme.example",
}

UNPRICED = {
    "model": "small",
    "provider": "sky",
    "service_tier": "priority",
    "attempts": 2,
    "spent": "0.004",
    "currency": "EUR",
}

TABLE = [
    (entry("call.held", queue="desk", rules=[]), "review.opened", "A call waits for a person in the queue desk", f"/calls/{CALL}/", {"call": CALL, "queue": "desk"}),
    (entry("review.overdue", verdict="reject", queue="desk"), "review.overdue", "Nobody decided in time in the queue desk", f"/calls/{CALL}/", {"call": CALL, "queue": "desk", "to": ""}),
    (entry("review.escalated", verdict="escalate", queue="desk", to="risk"), "review.overdue", "Nobody decided in time in the queue desk; it moved to risk", f"/calls/{CALL}/", {"call": CALL, "queue": "desk", "to": "risk"}),
    (entry("change.checked", f"change:{ID}", ok=True, digest="ab", failed=[]), "change.waiting", "A change request waits for approval", f"/change-requests/{CHANGE}/", {"change": ID, "digest": "ab"}),
    (entry("change.published", f"change:{ID}"), "change.published", "A change request was published", f"/change-requests/{CHANGE}/", {"change": ID}),
    (entry("change.returned", f"change:{ID}", reason="SECRET WORDS"), "change.refused", "A change request was sent back", f"/change-requests/{CHANGE}/", {"change": ID}),
    (entry("stop.set", "stop:5", scope=SCOPE, reason="SECRET WORDS"), "stop.set", "A stop was set: route triage", "/stops/", {"stop": "5", "scope": "route triage"}),
    (entry("stop.lifted", "stop:5", scope={"kind": "everything", "tenant": "", "name": ""}), "stop.lifted", "A stop was lifted: everything", "/stops/", {"stop": "5", "scope": "everything"}),
    (entry("key.revoked", "key:ab12cd34", team="claims", reason="SECRET WORDS"), "key.revoked", "The API key ab12cd34 of the team claims was revoked", "/keys/", {"key": "ab12cd34", "team": "claims"}),
    (entry("log.verified", ok=False, size=7, findings=1), "log.failed", "The audit log does not verify", "/log/", {"size": "7", "findings": "1"}),
    (entry("ledger.checked", ok=False, scope="recent", findings=2), "ledger.failed", "The ledger is not what its attempts and entries say", "/reports/reconcile/", {"findings": "2"}),
    (entry("price.missing", "model:small", **UNPRICED), "price.missing", "sky serves small at priority, which has no price", "/reports/reconcile/", {**UNPRICED, "attempts": "2"}),
    (entry("budget.alert", "budget:monthly", **BUDGET), "budget.alert", "The budget monthly has used 80 % of its limit", "/budgets/", {name: str(value) for name, value in BUDGET.items()}),
    (entry("budget.overrun", "budget:monthly", **OVERRUN), "budget.alert", "The budget monthly was billed 0.02 EUR more than was reserved", "/budgets/", OVERRUN),
    (entry("anomaly.found", f"anomaly:{ID}", **ANOMALY, threshold="4.00", calls=2), "anomaly", "The key ab12cd34 spends out of pattern at triage: 20.00 EUR in ten minutes, 2.00 as a rule", "/budgets/anomalies/", ANOMALY),
]  # fmt: skip


@pytest.mark.parametrize(("told", "name", "title", "path", "facts"), TABLE, ids=[row[0]["kind"] for row in TABLE])  # fmt: skip
def test_an_entry_is_an_event(
    told: dict[str, Any], name: str, title: str, path: str, facts: dict[str, str]
) -> None:
    event = of_entry(told)
    assert event is not None
    assert (event.name, event.title, event.path) == (name, title, path)
    assert event.facts == {"entry": "e1", **facts}
    assert (event.tenant, event.at) == ("insurance", datetime(2026, 11, 28, 20, tzinfo=UTC))
    assert event.occurrence == (f"{ID}:ab" if name == "change.waiting" else "e1")
    assert name in EVENTS
    assert "SECRET WORDS" not in repr(event)
    assert resolve(path).url_name


@pytest.mark.parametrize(
    "told",
    [
        entry("log.verified", ok=True, size=7, findings=0),
        entry("change.checked", f"change:{ID}", ok=False, digest="ab"),
        entry("call.completed"),
        entry("key.created", "key:1"),
    ],
    ids=["verified", "unchecked", "completed", "created"],
)
def test_what_nobody_needs_to_be_told(told: dict[str, Any]) -> None:
    assert of_entry(told) is None


def test_every_kind_that_is_read_is_one_of_the_log_and_has_a_row_here() -> None:
    assert set(KINDS) == {row[0]["kind"] for row in TABLE}
    assert set(KINDS) <= set(EVERY_KIND)
