"""What a provider bills above a reservation is told once a window, to whom budgets tell."""

from datetime import timedelta

import pytest
from django.db import connection

from policies.bundles.published import published
from policies.order.lock import mandate_now
from routing.notifications.models import BudgetMark
from routing.notifications.overruns import LATE, OVERRUN, mark_overruns
from tests.policies.people import entries
from tests.policies.texts import put
from tests.routing.notifications.conftest import deliveries, read_on, tell
from tests.routing.notifications.test_watching import BUDGET, NANO, bill, spend


def look() -> None:
    mark_overruns(published(), mandate_now())


def ended(budget: str, ago: timedelta) -> int:
    """A window of the organisation's budget that ended so long ago, with an overrun; its id."""
    ends = mandate_now() - ago
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO routing_ledger_window (starts, ends, rank, tenant, budget, subject) "
            "VALUES (%s, %s, 1, '', %s, '') RETURNING id",
            [ends - timedelta(days=1), ends, budget],
        )
        window: int = cursor.fetchone()[0]
    bill(window, NANO, NANO)
    return window


def test_an_overrun_is_told_once_a_window(place: str) -> None:
    tell(place, "budget.alert")
    put(BUDGET.format(name="monthly", place=f", tenant: {place}", scope=place))
    window = spend(place, "monthly", 3 * NANO)
    look()
    assert entries(kind="budget.overrun", tenant=place) == []
    bill(window, 3 * NANO, 20_000_000)
    look()
    bill(window, 3 * NANO, 30_000_000)
    look()
    [entry] = entries(kind="budget.overrun", tenant=place)
    assert (entry["actor"], entry["subject"]) == ("job:budgets", f"budget:{place}/monthly")
    assert entry["data"] == {
        "budget": "monthly",
        "overrun": "0.02",
        "spent": "3.02",
        "limit": "100.00",
        "currency": "EUR",
        "window": window,
        "owner": "finn@acme.example",
    }
    read_on()
    [delivery] = deliveries(place, "budget.alert")
    assert delivery.told["data"]["title"] == "The budget monthly was billed 0.02 EUR more than was reserved"  # fmt: skip


def test_a_late_bill_counts_for_a_window_that_has_ended_lately(place: str) -> None:
    tell(place, "stop.set")
    name = f"of-{place}"
    put(BUDGET.format(name=name, place="", scope=place))
    late = ended(name, LATE - timedelta(hours=1))
    gone = ended(name, LATE + timedelta(hours=1))
    look()
    [entry] = entries(kind="budget.overrun", tenant=place)
    # the organisation's budget of one tenant is that tenant's affair
    assert entry["subject"] == f"budget:{name}"
    assert entry["data"]["window"] == late
    assert not BudgetMark.objects.filter(window=gone).exists()


def test_a_mark_whose_entry_is_refused_is_not_kept(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = spend(place, "monthly", NANO, NANO)

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no entry")

    with monkeypatch.context() as patched:
        patched.setattr("routing.notifications.overruns.append_entry", refuse)
        with pytest.raises(RuntimeError, match="no entry"):
            look()
    assert not BudgetMark.objects.filter(window=window, percent=OVERRUN).exists()
    look()
    assert len(entries(kind="budget.overrun", tenant=place)) == 1
