"""The job over made calls: one alert for a burst, none on days like others, none twice, and its end."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from django.conf import LazySettings

from controlplane.kernel.ids import call_name
from policies.bundles.published import Governed, Published, published
from policies.identity.commands import NewKey, create_key
from routing.anomalies.models import Anomaly
from routing.anomalies.watching import owner_of, watch
from routing.notifications.models import Delivery
from tests.policies.people import entries, member
from tests.policies.texts import put
from tests.routing.forecasts.conftest import Shop, shop
from tests.routing.notifications.conftest import notification, read_on

__all__ = ["shop"]
UNIT = 10**9
MINUTE = timedelta(minutes=1)


def noon(shop: Shop) -> datetime:
    """In the middle of the shop's month, with fourteen days before it."""
    return shop.starts + timedelta(days=15, hours=12)


def days(shop: Shop, nano: int, key: str = "k") -> None:
    """Each of the fourteen days before spent this much in every ten minutes around noon."""
    for day in range(1, 15):
        for window in range(-3, 2):
            at = noon(shop) - timedelta(days=day) + 10 * window * MINUTE + 5 * MINUTE
            shop.call(at, nano, [], key=key)


def found(shop: Shop) -> list[Anomaly]:
    return list(Anomaly.objects.filter(tenant=shop.tenant).order_by("id"))


def told(shop: Shop, kind: str) -> list[dict[str, object]]:
    return [entry["data"] for entry in entries(kind=kind, tenant=shop.tenant)]


def test_a_tenfold_burst_is_one_alert_and_a_day_like_others_none(shop: Shop) -> None:
    put(
        shop.budget(more=", owner: finn@acme.example"),
        notification("watcher", shop.tenant, "anomaly", "email: finn@acme.example"),
    )
    now = noon(shop)
    days(shop, 2 * UNIT, key="burst")
    days(shop, 2 * UNIT, key="calm")
    shop.call(now - 4 * MINUTE, 2 * UNIT, [], key="calm")
    shop.call(now - 9 * MINUTE, 8 * UNIT, [], key="burst")
    shop.call(now - 2 * MINUTE, 11 * UNIT, [], key="burst", overrun=UNIT)
    watch(published(), now)
    watch(published(), now)
    watch(published(), now + MINUTE / 2)
    [row] = found(shop)
    assert (row.team, row.key, row.route, row.calls) == ("claims", "burst", "triage", 2)
    assert (row.spent_nano, row.usual_nano, row.threshold_nano) == (20 * UNIT, 2 * UNIT, 4 * UNIT)
    assert (row.since, row.found_at, row.cost_nano) == (now - 10 * MINUTE, now, 20 * UNIT)
    assert told(shop, "anomaly.found") == [
        {
            "team": "claims",
            "key": "burst",
            "route": "triage",
            "spent": "20.00",
            "usual": "2.00",
            "threshold": "4.00",
            "currency": "EUR",
            "calls": 2,
            "firstCall": call_name(row.first_call),
            "owner": "finn@acme.example",
        }
    ]
    read_on()
    [delivery] = Delivery.objects.filter(tenant=shop.tenant)
    assert delivery.event == "anomaly"
    assert delivery.told["data"]["title"] == (
        "The key burst spends out of pattern at triage: 20.00 EUR in ten minutes, 2.00 as a rule"
    )
    assert delivery.told["data"]["url"].endswith("/budgets/anomalies/")


def test_it_costs_on_until_it_holds_again_and_the_next_is_another(shop: Shop) -> None:
    now = noon(shop)
    days(shop, UNIT)
    shop.call(now - MINUTE, 30 * UNIT, [])
    assert watch(published(), now) >= 1
    shop.call(now + 4 * MINUTE, 5 * UNIT, [])
    watch(published(), now + 8 * MINUTE)
    [row] = found(shop)
    assert (row.cost_nano, row.calls, row.ended_at) == (35 * UNIT, 2, None)
    assert row.last_at == now + 8 * MINUTE
    watch(published(), now + 27 * MINUTE)
    assert found(shop)[0].ended_at is None
    watch(published(), now + 28 * MINUTE)
    [row] = found(shop)
    assert row.ended_at == now + 28 * MINUTE
    assert told(shop, "anomaly.ended") == [{"cost": "35.00", "calls": 2}]
    shop.call(now + 40 * MINUTE, 30 * UNIT, [])
    watch(published(), now + 41 * MINUTE)
    assert len(found(shop)) == 2
    assert len(told(shop, "anomaly.found")) == 2


@pytest.mark.parametrize(("nano", "alerts"), [(10 * UNIT, 0), (10 * UNIT + 1, 1)])
def test_a_new_key_is_held_to_ten_floors(shop: Shop, nano: int, alerts: int) -> None:
    now = noon(shop)
    shop.call(now - timedelta(days=2), UNIT, [])
    shop.call(now - MINUTE, nano, [])
    watch(published(), now)
    assert len(found(shop)) == alerts


def test_what_is_under_the_floor_alerts_nobody(shop: Shop) -> None:
    now = noon(shop)
    shop.call(now - timedelta(days=10), 1, [])
    shop.call(now - MINUTE, UNIT, [])
    watch(published(), now)
    assert found(shop) == []
    shop.call(now - MINUTE, 1, [])
    watch(published(), now)
    assert [(row.spent_nano, row.threshold_nano) for row in found(shop)] == [(UNIT + 1, UNIT)]


def test_the_owner_is_the_narrowest_budgets(shop: Shop) -> None:
    pattern = (shop.tenant, "claims", "k", "triage")
    assert owner_of(published(), pattern) == ""
    mine = f"apiVersion: mandate/v1\nkind: Budget\nmetadata: {{name: own, tenant: {shop.tenant}}}\n"
    put(
        shop.budget(more=", owner: wide@acme.example"),
        f'{mine}spec: {{scope: {{key: k}}, period: day, limit: "1.00", owner: key@acme.example}}\n',
    )
    assert owner_of(published(), pattern) == "key@acme.example"
    assert owner_of(published(), (shop.tenant, "claims", "other", "triage")) == "wide@acme.example"


def test_without_a_budgets_owner_it_is_the_use_cases_the_routes_or_who_made_the_key(
    shop: Shop, settings: LazySettings, tmp_path: Path
) -> None:
    settings.MANDATE_KEYS_DIR = tmp_path
    (tmp_path / "pepper").write_text("07" * 32, encoding="ascii")
    pattern = (shop.tenant, "claims", "nokey", "triage")
    documents = {
        ("Route", "triage"): Governed(
            "Route", shop.tenant, "triage", {"owner": "claims"}, {"useCase": "sorting"}
        ),
        ("UseCase", "sorting"): Governed(
            "UseCase", shop.tenant, "sorting", {}, {"owner": "cleo@acme.example"}
        ),
    }

    class Found:
        def of(self, _: str) -> list[Governed]:
            return []

        def find(self, kind: str, _: str, name: str) -> Governed | None:
            return documents.get((kind, name))

    found = cast("Published", Found())
    assert owner_of(found, pattern) == "cleo@acme.example"
    del documents["UseCase", "sorting"]
    assert owner_of(found, pattern) == "claims"
    documents.clear()
    assert owner_of(found, pattern) == ""
    put(
        f"apiVersion: mandate/v1\nkind: Tenant\nmetadata: {{name: {shop.tenant}}}\nspec: {{teams: [claims]}}\n"
    )
    wanted = NewKey(tenant=shop.tenant, team="claims")
    made = create_key(member("ada", "admin"), wanted)
    assert owner_of(found, (shop.tenant, "claims", made.id, "triage")) == "ada@acme.example"
