"""What the API gives as an id, its addresses take as it stands: entries and receipts give 32 hex digits, others hyphens."""

from uuid import UUID

import pytest

from policies.changes.models import ChangeRequest
from tests.routing.forecasts.conftest import Shop, shop
from tests.routing.ui.test_budgets import client

__all__ = ["shop"]


def test_an_entry_is_read_by_the_id_that_the_list_gives(shop: Shop) -> None:
    shop.publish(shop.budget())
    cleo = client(shop, "auditor")
    listed = cleo.get("/api/v1/audit/entries/").json()["items"][0]["id"]
    assert UUID(listed).hex == listed
    for name in (listed, str(UUID(listed))):
        assert cleo.get(f"/api/v1/audit/entries/{name}/").json()["id"] == listed
        # the receipt waits for the next checkpoint; it is never an address that there is not
        assert "no address" not in cleo.get(f"/api/v1/audit/receipts/{name}/").content.decode()


@pytest.mark.parametrize("shown", [UUID.__str__, lambda one: one.hex])
def test_a_change_request_is_read_by_either(shop: Shop, shown: object) -> None:
    shop.publish(shop.budget())
    cleo = client(shop, "author")
    made = cleo.post(
        "/api/v1/change-requests/",
        {"title": "try", "tenant": shop.tenant},
        content_type="application/json",
    )
    assert made.status_code == 201, made.content
    change = ChangeRequest.objects.get(title="try", tenant=shop.tenant)
    assert callable(shown)
    assert cleo.get(f"/api/v1/change-requests/{shown(change.id)}/").status_code == 200


@pytest.mark.parametrize("name", ["01a1", "g" * 32, "0" * 33])
def test_what_is_no_id_is_no_address(shop: Shop, name: str) -> None:
    shop.publish(shop.budget())
    answer = client(shop, "auditor").get(f"/api/v1/audit/entries/{name}/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
