"""Shadow runs on the spend report's page and in its API: beside the calls, in the spend, alone, and left out."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from policies.engine.pricing import UsageCounts
from routing.beside.models import Beside
from tests.policies.ui.conftest import Pages, words
from tests.routing.reconcile.conftest import shop
from tests.routing.reconcile.shop import Shop

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["shop"]
CENT = 10_000_000
MOST_QUERIES = 15


def test_they_are_told_beside_calls(shop: Shop) -> None:
    used = UsageCounts(input=10, cached_input=0, cache_write=0, output=10)
    of, run = (shop.attempt(used, cents * CENT) for cents in (3, 1))
    told = {"tenant": shop.tenant, "team": "claims", "route": "ask", "model": "small"}
    Beside.objects.create(call=run, of=of, asked_at=datetime.now(UTC), **told)
    pages, path = Pages(shop.world.finn), f"/reports/spend/?by=tenant&then=-&tenant={shop.tenant}"
    with CaptureQueriesContext(connection) as queries:
        page = pages.get(path)
    assert len(queries) <= MOST_QUERIES
    shown = words(page)
    assert "1and 1 shadow run" in shown
    assert "€0.04€0.01 of it for those" in shown
    # what is counted is what is listed; a call costs what callers' calls cost
    assert f"/calls/?tenant={shop.tenant}&amp;from=" in page.content.decode()
    assert "&amp;shadow=without" in page.content.decode()
    for shadow, spent, calls, runs in (
        ("", "0.04", 1, 1),
        ("only", "0.01", 0, 1),
        ("without", "0.03", 1, 0),
    ):
        answer = pages.get(f"/api/v1{path}&shadow={shadow}").json()["total"]
        figures = answer["calls"], float(answer["spent"]), answer["shadow_runs"]
        assert figures == (calls, float(spent), runs)
    assert float(answer["shadow_spent"]) == 0
