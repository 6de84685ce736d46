"""What is refused at the door of pages and API is the asker's to mend, and is told so: a NUL, a body that is too large."""

import pytest

from routing.closing.models import Adjustment
from tests.routing.forecasts.conftest import Shop, shop
from tests.routing.ui.test_budgets import client, words

__all__ = ["shop"]
SAID = "ext cannot have the character NUL in it; take it out"


@pytest.mark.parametrize(
    "address", ["/reports/spend/?route=%00", "/calls/?team=a%00b", "/budgets/?subject=%00"]
)
def test_a_page_says_so(shop: Shop, address: str) -> None:
    shop.publish(shop.budget())
    answer = client(shop, "finance").get(address)
    assert (answer.status_code, SAID in words(answer)) == (400, True)


def test_a_form_says_so_and_nothing_is_written(shop: Shop) -> None:
    shop.publish(shop.budget())
    form = {
        "tenant": shop.tenant,
        "corrects": "2026-10",
        "kind": "credit",
        "amount": "-1.00",
        "reference": "let\x00ter",
    }
    answer = client(shop, "finance").post("/reports/adjustments/", form)
    assert (answer.status_code, SAID in words(answer)) == (400, True)
    assert not Adjustment.objects.filter(tenant=shop.tenant).exists()


def test_the_api_says_so(shop: Shop) -> None:
    shop.publish(shop.budget())
    answer = client(shop, "finance").get("/api/v1/reports/spend/?route=%00")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_request"
    assert SAID in answer.json()["detail"]


def test_a_body_that_is_too_large_is_told_as_that(shop: Shop) -> None:
    shop.publish(shop.budget())
    body = {"provider": "sky", "form": "csv", "content": "x" * (5 * 2**20)}
    answer = client(shop, "finance").post("/api/v1/invoices/", body, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.json()["detail"] == "a body has at most 5 MiB"
