"""What is bought by the hour is a card of its own in the spend report, for who reads every tenant's money."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from policies.engine.pricing import UsageCounts
from tests.policies.ui.conftest import Pages, words
from tests.routing.reconcile.conftest import shop
from tests.routing.reconcile.shop import Shop

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["shop"]


def test_its_hours_its_use_and_its_shares(shop: Shop) -> None:
    today = datetime.now(UTC).date()
    first, last = (today - timedelta(days=1)).isoformat(), today.isoformat()
    shop.price(
        more=f'  capacity: {{perHour: "2", currency: EUR, from: {first}, until: {last}, tokensPerMinute: 10}}\n'
    )
    # it costs the call nothing
    shop.attempt(UsageCounts(input=1_000, cached_input=0, cache_write=0, output=440), 0)
    path = f"/reports/spend/?from={first}&to={last}"
    shown = words(Pages(shop.world.finn).get(path))
    assert "Bought by the hour" in shown
    assert f"{shop.tenant} / small" in shown
    assert f"{shop.tenant} / claims" in shown
    assert "1,440 tokens" in shown
    told = Pages(shop.world.finn).get("/api/v1/reports/" + path.removeprefix("/reports/")).json()
    [one] = [c for c in told["capacity"] if c["model"] == f"{shop.tenant}/small"]
    assert (one["tokens"], one["unrated_days"]) == (1_440, 0)
    assert [(s["tenant"], s["team"], s["cost"]) for s in one["shares"]] == [
        (shop.tenant, "claims", one["cost"])
    ]
    # up to now, at 2 an hour
    assert abs(Decimal(one["cost"]) - 2 * Decimal(one["hours"])) < Decimal("0.00001")
    ours = shop.world.add("fay", "finance", of=shop.tenant)
    assert "Bought by the hour" not in words(Pages(ours).get(path))
