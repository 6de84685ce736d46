"""The page of anomalies and what the overview says of them."""

from uuid import uuid4

import pytest

from policies.bundles.published import published
from policies.order.ids import new_id
from policies.order.lock import mandate_now
from routing.anomalies.models import Anomaly
from tests.routing.forecasts.conftest import Shop, shop
from tests.routing.ui.test_budgets import client, words

__all__ = ["shop"]
NANO = 10**9


@pytest.fixture
def anomaly(shop: Shop) -> Anomaly:
    """An open one."""
    now = mandate_now()
    row = Anomaly(
        id=new_id(),
        tenant=shop.tenant,
        team="claims",
        key="hotkey2",
        route="triage",
        since=now,
        found_at=now,
        last_at=now,
        first_call=uuid4(),
        calls=21,
        spent_nano=20 * NANO,
        usual_nano=2 * NANO,
        threshold_nano=4 * NANO,
        cost_nano=35 * NANO,
        owner="finn@acme.example",
    )
    row.save(force_insert=True)
    return row


def test_it_says_what_broke_and_finance_caps_it(shop: Shop, anomaly: Anomaly) -> None:
    finn = client(shop, "finance")
    text = words(finn.get("/budgets/anomalies/"))
    assert f"hotkey2 at triage {shop.tenant} / claims · finn@acme.example" in text
    assert "€20.00 alert above €4.00" in text
    assert "€35.00 21 calls" in text
    assert "1 open" in text
    assert "1 key spends out of pattern" in words(finn.get("/"))
    address = f"/budgets/anomalies/{anomaly.id}/cap/"
    refused = finn.post(address, {"limit": "1.00", "hours": "four"}, follow=True)
    assert "A cap lasts 1 to 72 hours" in words(refused)
    told = words(finn.post(address, {"limit": "1.00", "hours": "4"}, follow=True))
    assert "The key hotkey2 is capped until" in told
    anomaly.refresh_from_db()
    assert published().exists("Budget", shop.tenant, anomaly.cap)
    assert "Cap this key" not in words(finn.get("/budgets/anomalies/"))


def test_an_auditor_reads_and_has_no_form_and_a_reviewer_neither(
    shop: Shop, anomaly: Anomaly
) -> None:
    audra, rui = client(shop, "auditor"), client(shop, "reviewer")
    text = words(audra.get("/budgets/anomalies/"))
    assert "hotkey2" in text
    assert "Cap this key" not in text
    assert rui.get("/budgets/anomalies/").status_code == 403
    assert "out of pattern" not in words(rui.get("/"))


def test_what_has_ended_is_not_on_the_overview(shop: Shop, anomaly: Anomaly) -> None:
    Anomaly.objects.filter(pk=anomaly.pk).update(ended_at=mandate_now())
    finn = client(shop, "finance")
    assert "out of pattern" not in words(finn.get("/"))
    assert "ended" in words(finn.get("/budgets/anomalies/"))


def test_the_api_says_the_same_and_caps(shop: Shop, anomaly: Anomaly) -> None:
    finn, list_of = client(shop, "finance"), "/api/v1/anomalies/"
    [one] = finn.get(list_of).json()["items"]
    assert one == finn.get(f"{list_of}{anomaly.id}/").json()
    assert (one["id"], one["key"], one["calls"], one["cap"]) == (
        str(anomaly.id),
        "hotkey2",
        21,
        None,
    )
    money = [one[name] for name in ("spent", "usual", "threshold", "cost", "currency")]
    assert money == ["20.00", "2.00", "4.00", "35.00", "EUR"]
    place, wanted = f"{list_of}{anomaly.id}/cap/", {"limit": "1.00", "hours": 1}
    for who, body, status in (
        (finn, {**wanted, "hours": 73}, 400),
        (finn, {**wanted, "limit": "none"}, 400),
        (client(shop, "auditor"), wanted, 403),
        (client(shop, "reviewer"), wanted, 403),
    ):
        assert who.post(place, body, content_type="application/json").status_code == status
    anomaly.refresh_from_db()
    assert anomaly.cap == ""
    answer = finn.post(place, wanted, content_type="application/json")
    anomaly.refresh_from_db()
    assert (answer.status_code, answer.json()["cap"]["budget"]) == (201, anomaly.cap)
    assert published().exists("Budget", shop.tenant, anomaly.cap)
    assert finn.post(place, wanted, content_type="application/json").status_code == 409
