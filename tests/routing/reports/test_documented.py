"""The API of reports answers what its schema documents: who misspells what a figure should be of is told, not given all of it."""

import pytest

from tests.routing.forecasts.conftest import Shop, shop
from tests.routing.ui.test_budgets import client

__all__ = ["shop"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("spend/?teem=claims", '"teem" is no parameter; there are period, from, to, by, then, '),
        ("spend/?by=zz", '"zz" is no choice of by; there are tenant, team, '),
        ("spend/?period=lately", '"lately" is no choice of period; there are month, last-month, '),
        ("spend/?as=xml", '"xml" is no choice of as; there are json, csv'),
        ("cases/?team=claims", '"team" is no parameter; there are period, from, to, by, tenant, '),
        ("waste/?model=small", '"model" is no parameter; there are period, from, to, tenant, '),
    ],
)
def test_what_is_not_documented_is_refused_by_its_name(shop: Shop, asked: str, said: str) -> None:
    shop.publish(shop.budget())
    answer = client(shop, "finance").get(f"/api/v1/reports/{asked}")
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(said)


@pytest.mark.parametrize(
    "asked",
    ["spend/?tenant=&by=&then=-&group=week&compare=year", "cases/?by=route", "waste/?tenant="],
)
def test_what_a_page_asks_is_documented(shop: Shop, asked: str) -> None:
    shop.publish(shop.budget())
    finn = client(shop, "finance")
    assert finn.get(f"/api/v1/reports/{asked}").status_code == 200
    assert finn.get(f"/reports/{asked}").status_code == 200
