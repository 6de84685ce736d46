"""What was served at a dearer service tier than any document prices is found, told once, and told until it has a price."""

from io import StringIO

import pytest
from django.core.management import call_command

from policies.engine.pricing import UsageCounts
from routing.reconcile import checking, tiers
from routing.reconcile.models import Standing
from routing.tasks import ledger_checked
from tests.policies.people import entries
from tests.routing.reconcile.shop import PRICE, Shop

pytestmark = pytest.mark.django_db(transaction=True)
USAGE = UsageCounts(input=1_000, cached_input=0, cache_write=0, output=100)


def of(shop: Shop) -> list[tuple[str, int, int]]:
    return [
        (one.which[3], one.attempts, one.spent_nano)
        for one in tiers.find()
        if one.which[0] == shop.tenant
    ]


def test_dearer_tiers_without_a_price_are_found_until_a_document_says_one(shop: Shop) -> None:
    for tier in ("priority", "priority", "scale", "flex", "batch", ""):
        shop.attempt(USAGE, service_tier=tier)
    assert of(shop) == [("priority", 2, 4_000_000), ("scale", 1, 2_000_000)]
    shop.price(f'{PRICE}, priorityFactor: "2"')
    assert of(shop) == [("scale", 1, 2_000_000)]


def test_tokens_that_are_bought_by_the_hour_need_no_price(shop: Shop) -> None:
    shop.price(
        more="  capacity: {perHour: '9', currency: EUR, from: 2026-01-01, until: 2027-12-31}\n"
    )
    shop.attempt(USAGE, 0, service_tier="scale")
    assert of(shop) == []


def test_what_is_new_is_an_entry_once_and_stands_until_it_is_priced(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what other tests leave in the ledger
    monkeypatch.setattr(checking, "differences", lambda *_: ())

    def told() -> list[dict[str, object]]:
        return [e["data"] for e in entries(kind="price.missing", tenant=shop.tenant)]

    shop.attempt(USAGE, service_tier="priority")
    ledger_checked()
    ledger_checked()
    data = {"model": "small", "provider": "sky", "service_tier": "priority"}
    money = {"attempts": 1, "spent": "0.002", "currency": "EUR"}
    assert told() == [data | money]
    said = (
        f"1 attempt at {shop.tenant}/small, served by sky at priority: "
        "booked at the plain price, 0.002 EUR"
    )
    assert said in Standing.objects.get(pk="tiers").findings
    out = StringIO()
    call_command("reconcile", "check", stdout=out)
    assert f"no price: {said}" in out.getvalue()
    shop.price(f'{PRICE}, priorityFactor: "2"')
    ledger_checked()
    assert said not in Standing.objects.get(pk="tiers").findings
    shop.price()
    ledger_checked()
    assert told() == [data | money] * 2
