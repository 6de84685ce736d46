"""Budgets at their marks, keys that end soon, models at their sunset or away: each told once."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from django.conf import settings as configured
from django.db import connection

from policies.identity import commands
from policies.management.cli import operator
from policies.order.lock import mandate_now
from routing.forecasts.models import Forecast
from routing.limits.breakers import KEY as BREAKERS
from routing.notifications.models import BudgetMark
from routing.notifications.overruns import OVERRUN
from routing.notifications.watching import watch
from tests.policies.people import entries
from tests.policies.texts import put
from tests.routing.notifications.conftest import deliveries, read_on, tell

NANO = 1_000_000_000
BUDGET = """\
apiVersion: mandate/v1
kind: Budget
metadata: {{name: {name}{place}}}
spec: {{scope: {{tenant: {scope}}}, owner: finn@acme.example, period: month, limit: "100.00", alerts: [50, 80, 100]}}
"""
MODEL = """\
apiVersion: mandate/v1
kind: Provider
metadata: {{name: sky, tenant: {tenant}}}
spec: {{type: openai-compatible, baseUrl: "https://models.example/v1"}}
---
apiVersion: mandate/v1
kind: Model
metadata: {{name: {name}, tenant: {tenant}}}
spec:
  provider: sky
  upstreamName: small
  contextWindow: 4000
  maxOutputTokens: 1000
  clearance: [public]
  prices: [{{from: 2026-01-01, currency: EUR, inputPerMillion: "1", outputPerMillion: "10"}}]
  lifecycle: {{sunsetOn: {sunset}}}
"""


def spend(tenant: str, budget: str, posted: int, overrun: int = 0) -> int:
    """A window that is open now, of 100.00, with so much spent; its id."""
    now = mandate_now()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO routing_ledger_window (starts, ends, rank, tenant, budget, subject) "
            "VALUES (%s, %s, 1, %s, %s, '') RETURNING id",
            [now - timedelta(days=1), now + timedelta(days=1), tenant, budget],
        )
        window: int = cursor.fetchone()[0]
    bill(window, posted, overrun)
    return window


def bill(window: int, posted: int, overrun: int = 0) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE routing_ledger_window SET limit_nano = %s, posted_nano = %s, overrun_nano = %s WHERE id = %s",
            [100 * NANO, posted, overrun, window],
        )


def test_a_budget_tells_each_mark_that_it_passed_once(place: str) -> None:
    tell(place, "budget.alert")
    put(BUDGET.format(name="monthly", place=f", tenant: {place}", scope=place))
    window = spend(place, "monthly", 50 * NANO - 1)
    watch()
    assert entries(kind="budget.alert", tenant=place) == []
    bill(window, 79 * NANO, NANO)
    watch()
    watch()
    found = entries(kind="budget.alert", tenant=place)
    assert [entry["data"] for entry in found] == [
        {
            "budget": "monthly",
            "percent": percent,
            "spent": "80.00",
            "limit": "100.00",
            "currency": "EUR",
            "window": window,
            "owner": "finn@acme.example",
        }
        for percent in (50, 80)
    ]
    assert {entry["subject"] for entry in found} == {f"budget:{place}/monthly"}
    assert {entry["actor"] for entry in found} == {"job:budgets"}
    marks = BudgetMark.objects.filter(window=window).order_by("percent")
    assert [mark.percent for mark in marks] == [OVERRUN, 50, 80]
    read_on()
    assert [row.told["data"]["title"] for row in deliveries(place)] == [
        "The budget monthly has used 50 % of its limit",
        "The budget monthly has used 80 % of its limit",
        "The budget monthly was billed 1.00 EUR more than was reserved",
    ]


def test_the_organisations_budget_of_a_tenant_is_that_tenants_affair(place: str) -> None:
    name = f"of-{place}"
    tell(place, "stop.set")
    put(BUDGET.format(name=name, place="", scope=place))
    spend("", name, 100 * NANO)
    watch()
    found = entries(kind="budget.alert", tenant=place)
    assert [(entry["subject"], entry["data"]["percent"]) for entry in found] == [
        (f"budget:{name}", percent) for percent in (50, 80, 100)
    ]


def test_a_mark_whose_entry_is_refused_is_not_kept(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(place, "stop.set")
    put(BUDGET.format(name="monthly", place=f", tenant: {place}", scope=place))
    window = spend(place, "monthly", 60 * NANO)

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no entry")

    monkeypatch.setattr("routing.notifications.watching.append_entry", refuse)
    with pytest.raises(RuntimeError, match="no entry"):
        watch()
    assert not BudgetMark.objects.filter(window=window).exists()


def test_a_key_that_ends_soon_is_told_once(place: str) -> None:
    tell(place, "key.expiring")
    at = mandate_now()

    def make(days: int) -> str:
        wanted = commands.NewKey(tenant=place, team="claims", expires_at=at + timedelta(days=days))
        return commands.create_key(operator(), wanted).id

    soon, later, gone = make(13), make(20), make(3)
    commands.revoke_key(operator(), gone, "lost")
    watch()
    watch()
    (row,) = deliveries(place)
    day = f"{at + timedelta(days=13):%Y-%m-%d}"
    assert row.told["data"]["title"] == f"The API key {soon} of the team claims ends on {day}"
    assert row.told["data"]["url"] == f"https://mandate.acme.example/keys/{soon}/"
    assert row.occurrence == f"{soon}:{day}"
    assert later not in repr(row.told)


@pytest.mark.parametrize(("days", "told"), [(-1, 0), (0, 1), (30, 1), (31, 0)])
def test_a_model_is_told_within_thirty_days_of_its_sunset(place: str, days: int, told: int) -> None:
    tell(place, "model.sunset")
    day = f"{mandate_now() + timedelta(days=days):%Y-%m-%d}"
    put(MODEL.format(tenant=place, name="old", sunset=day))
    watch()
    watch()
    titles = [row.told["data"]["title"] for row in deliveries(place)]
    assert titles == [f"The model {place} / old ends on {day}; nothing replaces it"] * told


@pytest.fixture
def breakers() -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(configured.REDIS_URL)
    yield client
    client.delete(BREAKERS)
    client.close()


def test_a_model_that_calls_keep_away_from_is_told_once_an_hour(
    place: str, breakers: redis.Redis
) -> None:
    tell(place, "model.unavailable")
    breakers.zadd(
        BREAKERS, {f"{place}/small": time.time() + 60, "elsewhere/small": time.time() + 60}
    )
    breakers.zadd(BREAKERS, {f"{place}/well": time.time() - 1})
    watch()
    watch()
    found = deliveries(place)
    assert {row.told["data"]["title"] for row in found} == {
        "Calls keep away from the model small: it failed too often"
    }
    assert 1 <= len(found) <= 2  # the hour may end between the two looks


def foresee(window: int, expected: int, *, method: str = "weekday", minutes: int = 0) -> None:
    """A forecast of the window, made so long ago."""
    Forecast.objects.update_or_create(
        window=window,
        defaults={
            "made_at": mandate_now() - timedelta(minutes=minutes),
            "expected_nano": expected,
            "low_nano": expected - NANO,
            "high_nano": expected + NANO,
            "method": method,
        },
    )


def test_a_forecast_tells_each_mark_once_before_it_is_spent(place: str) -> None:
    tell(place, "budget.alert")
    put(BUDGET.format(name="monthly", place=f", tenant: {place}", scope=place))
    window = spend(place, "monthly", 60 * NANO)
    foresee(window, 80 * NANO)
    watch()
    foresee(window, 95 * NANO)
    watch()
    found = [entry["data"] for entry in entries(kind="budget.alert", tenant=place)]
    # 50 is spent already: its forecast is no news
    assert [(data["percent"], data.get("forecast")) for data in found] == [
        (50, None),
        (80, "80.00"),
    ]
    assert {name: found[1][name] for name in ("spent", "low", "high", "method", "owner")} == {
        "spent": "60.00",
        "low": "79.00",
        "high": "81.00",
        "method": "weekday",
        "owner": "finn@acme.example",
    }
    bill(window, 80 * NANO)
    watch()
    found = [entry["data"] for entry in entries(kind="budget.alert", tenant=place)]
    assert [(data["percent"], data.get("forecast")) for data in found[2:]] == [(80, None)]
    read_on()
    assert [row.told["data"]["title"] for row in deliveries(place)] == [
        "The budget monthly has used 50 % of its limit",
        "The budget monthly is forecast to use 80 % of its limit",
        "The budget monthly has used 80 % of its limit",
    ]


@pytest.mark.parametrize(("method", "minutes"), [("none", 0), ("weekday", 61)])
def test_no_forecast_and_an_old_one_tell_nothing(place: str, method: str, minutes: int) -> None:
    tell(place, "budget.alert")
    put(BUDGET.format(name="monthly", place=f", tenant: {place}", scope=place))
    foresee(spend(place, "monthly", NANO), 200 * NANO, method=method, minutes=minutes)
    watch()
    assert entries(kind="budget.alert", tenant=place) == []
