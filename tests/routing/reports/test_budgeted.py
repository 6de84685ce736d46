"""A report beside budgets: of each line the budget of exactly this and of the same period; where there is none, none is told."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from policies.order.lock import mandate_now
from routing.ledger.windows import window_of
from routing.reports.budgeted import limits
from routing.reports.spans import Span
from tests.policies.people import member
from tests.routing.forecasts.conftest import Shop, shop
from tests.routing.ui.test_budgets import NANO, client, words

__all__ = ["shop"]
UTC = ZoneInfo("UTC")


@pytest.fixture
def spent(shop: Shop) -> Shop:
    """200.00 of this month: the tenant may spend 1,000.00, its team 300.00 and less in a week."""
    team = shop.budget("team").replace("scope: {}", "scope: {team: claims}").replace("1000", "300")
    week = (
        shop.budget("week", "week")
        .replace("scope: {}", "scope: {team: claims}")
        .replace("1000", "7")
    )
    each = shop.budget("each", more=", each: [user]").replace("1000", "1")
    shop.publish(shop.budget(), team, week, each)
    shop.call(mandate_now(), 200 * NANO, [])
    return shop


def told(shop: Shop, asked: str) -> list[tuple[str, str]]:
    path = f"/api/v1/reports/spend/?compare=budget&{asked}"
    answer = client(shop, "finance").get(path).json()
    return [(line["spent"], line["before"]) for line in (*answer["lines"], answer["total"])]


def test_a_line_has_the_budget_of_exactly_this(spent: Shop) -> None:
    # the whole is the organisation's, whose budgets are not this reader's
    assert told(spent, "by=tenant&then=-") == [("200.00", "1000.00"), ("200.00", "0.00")]
    assert told(spent, "by=team&then=-") == [("200.00", "300.00"), ("200.00", "0.00")]
    # what is narrowed to one tenant is its whole
    narrowed = told(spent, f"by=team&then=-&tenant={spent.tenant}")
    assert narrowed == [("200.00", "300.00"), ("200.00", "1000.00")]


@pytest.mark.parametrize("asked", ["by=route", "by=key", "by=task", "by=model", "by=team&period=week",
                                   "by=team&from=2026-01-01", "by=team&user=ann"])  # fmt: skip
def test_another_scope_or_period_has_none(spent: Shop, asked: str) -> None:
    assert {before for _, before in told(spent, asked)} == {"0.00"}


def test_the_limit_is_that_of_the_window(spent: Shop) -> None:
    window = spent.window(*window_of("month", mandate_now(), "UTC"))
    assert window
    spent.publish(spent.budget().replace("1000", "900"))
    assert told(spent, "by=tenant&then=-")[0] == ("200.00", "1000.00")


def test_the_page_says_how_much_of_it_is_used(spent: Shop) -> None:
    finn = client(spent, "finance")
    page = words(finn.get("/reports/spend/?compare=budget&by=team&then=route"))
    assert "Budget Used" in page
    assert "€300.00 67 % used" in page
    assert "triage 1 €200.00 100 % €200.00 none" in page


def test_nobody_reads_the_limit_of_another_tenant_or_of_the_organisation(shop: Shop) -> None:
    def budget(name: str, tenant: str, limit: str) -> SimpleNamespace:
        spec = {"scope": {}, "period": "month", "limit": limit}
        return SimpleNamespace(name=name, tenant=tenant, spec=spec)

    rows = [budget("ours", "a", "5.00"), budget("theirs", "b", "6.00"), budget("whole", "", "9.00")]
    found: Any = SimpleNamespace(of=lambda _: rows)
    now = mandate_now()
    span = Span(now - timedelta(days=1), now, UTC)
    ours = {frozenset({("tenant", "a")}): 5 * NANO}
    assert limits(member("fay", "finance", tenant="a"), found, "month", span) == ours
    whole = limits(member("finn", "finance"), found, "month", span)
    assert whole == {**ours, frozenset({("tenant", "b")}): 6 * NANO, frozenset(): 9 * NANO}
