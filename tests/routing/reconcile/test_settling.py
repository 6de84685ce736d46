"""Unknown attempts that a provider's file explains: by their names at import, or as what is left of a day, by one click."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from audit.log.models import Entry
from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound
from controlplane.kernel.ids import uuid7_time
from policies.bundles.published import published
from policies.bundles.snapshot import bundle_at
from policies.engine.pricing import UsageCounts
from routing.calls.models import Attempt
from routing.ledger import commands as ledger
from routing.reconcile import commands, settling
from routing.reconcile.commands import File, import_invoice, settle_explained
from routing.reconcile.figures import Account
from routing.reconcile.models import Invoice
from routing.reconcile.reading import read
from tests.refusing import refuses_first
from tests.routing.reconcile.shop import PRICE, Shop

pytestmark = pytest.mark.django_db(transaction=True)
USAGE = UsageCounts(input=1_000, cached_input=0, cache_write=0, output=100)
HEAD = "date,model,input_tokens,output_tokens,amount,currency,attempt\n"
TIERED = HEAD.replace("attempt\n", "attempt,service_tier\n")
HALF = f'{PRICE}, batchFactor: "0.5"'


@pytest.fixture(autouse=True)
def priced(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The price at which these attempts were reserved: they have no decision to be told from."""

    def price_of(_: Attempt) -> object:
        found = published()
        account = Account.of(found, found.find("Provider", shop.tenant, "sky"))  # type: ignore[arg-type]
        return account.price(bundle_at(found.revision), datetime.now(UTC).date(), "sky-small-1")

    monkeypatch.setattr(ledger, "price_of", price_of)


def lost(shop: Shop, reserved_nano: int = 5_000_000) -> tuple[UUID, str]:
    """An attempt that was dispatched and lost: its call, and its day."""
    call = shop.attempt(
        None, 0, basis="", state="unknown", post=False, entry=False, reserved=reserved_nano
    )
    return call, uuid7_time(call).astimezone(UTC).date().isoformat()


def imported(shop: Shop, text: str, name: str = "n.csv", head: str = HEAD) -> Invoice:
    wanted = File(
        tenant=shop.tenant, provider="sky", form="csv", name=name, data=(head + text).encode()
    )
    return import_invoice(shop.world.finn, wanted)


def state(call: UUID) -> tuple[str, str, int, int | None]:
    row = Attempt.objects.get(call=call)
    return row.state, row.basis, row.posted_nano, row.tokens_input


def told(call: UUID) -> list[Any]:
    rows = Entry.objects.filter(kind="attempt.reconciled", call=call)
    return [json.loads(bytes(row.body)) for row in rows]


def explained(shop: Shop, row: Invoice) -> list[tuple[str, int, UsageCounts]]:
    found = published()
    account = Account.of(found, found.find("Provider", shop.tenant, "sky"))  # type: ignore[arg-type]
    every = settling.explained(row, account, bundle_at(found.revision))
    return [(one.model, len(one.attempts), one.usage) for one in every]


def test_a_line_that_names_an_unknown_attempt_settles_it_at_import(shop: Shop) -> None:
    shop.attempt(USAGE)
    call, day = lost(shop)
    other, _ = lost(shop)
    text = (
        f"{day},sky-small-1,1000,100,,,\n"
        f"{day},sky-small-1,500,50,,,{call.hex}/1\n"
        f"{day},sky-small-1,,,0.004,EUR,{other.hex.upper()}/1\n"
    )
    row = imported(shop, text)
    assert state(call) == ("reconciled", "reported", 1_000_000, 500)
    assert state(other) == ("reconciled", "reported", 4_000_000, None)
    # compared with the ledger as it is then
    assert (row.ledger_nano, [line["attempts"] for line in row.lines]) == (7_000_000, [3])
    [entry] = told(call)
    assert entry["actor"] == shop.world.finn.actor
    assert (entry["data"]["basis"], entry["data"]["reason"]) == ("reported", "n.csv, by request")
    assert entry["data"]["amount"] == "1000000"


def test_what_a_file_says_of_others_settles_nothing(shop: Shop) -> None:
    call, day = lost(shop, reserved_nano=9)
    known = shop.attempt(USAGE)
    with pytest.raises(InvalidRequest, match="is no attempt"):
        imported(shop, f"{day},sky-small-1,1,1,,,call_1\n")
    text = (
        f"{day},other,1,1,,,{call.hex}/1\n{day},sky-small-1,1,1,,,{call.hex}/2\n"
        f"{day},sky-small-1,7,7,,,{known.hex}/1\n"
    )
    imported(shop, text)
    assert state(call) == ("unknown", "", 0, None)
    assert state(known) == ("succeeded", "reported", 2_000_000, 1_000)
    assert told(known) == []
    with pytest.raises(Conflict, match="imported before"):
        imported(shop, text)


def test_a_line_names_an_attempt_as_it_was_sent() -> None:
    name = "0" * 31 + "7/2"
    both = read(f"{HEAD}2026-11-01,m,1,1,,,{name}\n2026-11-01,m,2,2,,,\n".encode(), "csv")
    assert [(line.attempt, line.usage and line.usage.input) for line in both] == [
        ("", 2),
        (name, 1),
    ]
    with pytest.raises(InvalidRequest, match="only usage names an attempt"):
        read(f"date,kind,amount,currency,attempt\n2026-11-01,tax,1,EUR,{name}\n".encode(), "csv")


@refuses_first("reconcile.settle_explained")
def test_what_is_left_of_a_day_is_settled_by_one_click(shop: Shop) -> None:
    shop.attempt(USAGE)
    call, day = lost(shop)
    row = imported(shop, f"{day},sky-small-1,1500,150,0.003,EUR,\n")
    left = UsageCounts(500, 0, 0, 50)
    assert explained(shop, row) == [("sky-small-1", 1, left)]
    assert state(call)[0] == "unknown"
    fred = shop.world.add("fred", "finance", of=shop.world.other)
    on = date.fromisoformat(day)
    for who, error in ((shop.world.cleo, Forbidden), (fred, NotFound)):
        with pytest.raises(error):
            settle_explained(who, row.pk, on, "sky-small-1")
    assert state(call)[0] == "unknown"
    assert settle_explained(shop.world.finn, row.pk, on, "sky-small-1") == 1
    assert state(call) == ("reconciled", "reported", 1_000_000, 500)
    [entry] = told(call)
    assert entry["data"]["reason"] == f"n.csv: what is left of {day} for sky-small-1"
    assert explained(shop, row) == []
    with pytest.raises(Conflict, match="does not exactly explain"):
        settle_explained(shop.world.finn, row.pk, on, "sky-small-1")


def test_only_what_leaves_nothing_to_explain_is_offered(shop: Shop) -> None:
    shop.attempt(USAGE)
    _, day = lost(shop)
    # another price beside it; fewer tokens than ours; more than the attempt holds; no tokens at all
    for number, text in enumerate(
        ("1500,150,0.004,EUR", "900,100,,", "90000,9000,,", ",,0.003,EUR")
    ):
        row = imported(shop, f"{day},sky-small-1,{text},\n", f"{number}.csv")
        assert explained(shop, row) == [], text
    # of two, nobody knows which used what; where nothing is left, both cost nothing
    lost(shop)
    assert explained(shop, imported(shop, f"{day},sky-small-1,1500,150,,,\n")) == []
    row = imported(shop, f"{day},sky-small-1,1000,100,,,\n")
    assert explained(shop, row) == [("sky-small-1", 2, UsageCounts(0, 0, 0, 0))]
    assert settle_explained(shop.world.finn, row.pk, date.fromisoformat(day), "sky-small-1") == 2
    assert Attempt.objects.filter(model_tenant=shop.tenant, unknown_at__isnull=False).count() == 0


def test_an_attempt_that_was_lost_otherwise_makes_it_inexact(shop: Shop) -> None:
    shop.attempt(None, 700, basis="reserve", state="reconciled")
    _, day = lost(shop)
    row = imported(shop, f"{day},sky-small-1,1500,150,,,\n")
    assert explained(shop, row) == []
    assert commands.propose_differences(shop.world.finn, row.pk) == 1


def test_a_line_that_names_an_attempt_and_its_service_tier_settles_it_at_that_price(
    shop: Shop,
) -> None:
    shop.price(HALF)
    call, day = lost(shop)
    imported(shop, f"{day},sky-small-1,500,50,,,{call.hex}/1,flex\n", head=TIERED)
    # 500 at 500 nano, 50 at 5,000
    assert state(call) == ("reconciled", "reported", 500_000, 500)
    assert Attempt.objects.get(call=call).service_tier == "flex"
    assert told(call)[0]["data"]["service_tier"] == "flex"


def test_what_is_left_of_a_day_is_settled_at_the_one_tier_that_it_was_served_at(shop: Shop) -> None:
    shop.price(HALF)
    shop.attempt(USAGE)
    call, day = lost(shop)
    lines = f"{day},sky-small-1,1000,100,,,,standard\n{day},sky-small-1,500,50,,,,flex\n"
    row = imported(shop, lines, head=TIERED)
    [one] = settling.offered(shop.world.finn, row)
    assert (one.usage, one.service_tier) == (UsageCounts(500, 0, 0, 50), "flex")
    assert settle_explained(shop.world.finn, row.pk, date.fromisoformat(day), "sky-small-1") == 1
    assert state(call) == ("reconciled", "reported", 500_000, 500)
    assert Attempt.objects.get(call=call).service_tier == "flex"


def test_what_is_left_at_two_tiers_is_nobodys_to_part(shop: Shop) -> None:
    shop.price(HALF)
    shop.attempt(USAGE)
    _, day = lost(shop)
    # the money would fit if all of it were at flex
    lines = f"{day},sky-small-1,1100,110,0.0026,EUR,,standard\n{day},sky-small-1,500,50,,,,flex\n"
    assert explained(shop, imported(shop, lines, head=TIERED)) == []


def test_a_person_says_the_service_tier(shop: Shop) -> None:
    shop.price(HALF)
    call, _ = lost(shop)
    wanted = ledger.Resolution(
        call=call, no=1, reason="their page", usage=UsageCounts(500, 0, 0, 50), service_tier="flex"
    )
    with pytest.raises(InvalidRequest, match='"gold" is no service tier; use flex, batch'):
        ledger.settle_unknown(shop.world.finn, replace(wanted, service_tier="gold"))
    assert state(call)[0] == "unknown"
    assert ledger.settle_unknown(shop.world.finn, wanted) == 500_000
    assert Attempt.objects.get(call=call).service_tier == "flex"
