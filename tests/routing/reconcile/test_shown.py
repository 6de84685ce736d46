"""Imports and the ledger's check as finance sees them: pages, API and command line."""

import json
from datetime import UTC, datetime
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from policies.engine.prices import PriceRef
from policies.engine.pricing import UsageCounts
from routing.closing.models import Adjustment
from routing.ledger import commands as ledger
from routing.reconcile import access, checking, tiers
from routing.reconcile.commands import File, import_invoice
from routing.reconcile.models import Invoice, Standing
from tests.policies.api.conftest import api
from tests.policies.ui.conftest import Pages, words
from tests.routing.reconcile.shop import Shop

pytestmark = pytest.mark.django_db(transaction=True)
USAGE = UsageCounts(input=1_000, cached_input=0, cache_write=0, output=100)
TEXT = "date,model,input_tokens,output_tokens,amount,currency\n{0},sky-small-1,1000,100,0.003,EUR\n{0},=1+1,,,1,EUR\n"
PAGE = "/reports/reconcile/"
NEVER = PriceRef(
    since="2026-01-01",
    currency="EUR",
    input="1",
    cached_input="1",
    cache_write="2",
    output="10",
    rate="1",
)


def text() -> str:
    return TEXT.format(datetime.now(UTC).date().isoformat())


def imported(shop: Shop) -> Invoice:
    shop.attempt(USAGE)
    wanted = File(
        tenant=shop.tenant, provider="sky", form="csv", name="n.csv", data=text().encode()
    )
    return import_invoice(shop.world.finn, wanted)


def test_finance_brings_a_file_in_and_sees_what_the_difference_is_made_of(shop: Shop) -> None:
    shop.attempt(USAGE)
    finn = Pages(shop.world.finn)
    sent = BytesIO(text().encode())
    sent.name = "november.csv"
    answer = finn.post(PAGE, provider=f"{shop.tenant}/sky", form="csv", file=sent)
    row = Invoice.objects.get(tenant=shop.tenant)
    assert answer.redirect_chain == [(f"{PAGE}{row.pk}/", 302)]
    shown = words(answer)
    assert "It was compared with the ledger" in shown
    assert "CSV," in shown
    assert "november.csv, imported" in shown
    assert "another price" in shown
    assert "traffic past the gateway" in shown
    # a cell that would be a formula elsewhere is text
    assert "=1+1" in shown
    assert f"{shop.tenant} / sky" in words(finn.get(PAGE))


def test_what_is_wrong_is_said_and_nothing_is_kept(shop: Shop) -> None:
    sent = BytesIO(b"date,model\n2026-11-01,m\n")
    sent.name = "x.csv"
    shown = words(
        Pages(shop.world.finn).post(PAGE, provider=f"{shop.tenant}/sky", form="csv", file=sent)
    )
    assert "Line 2: there is neither an amount nor usage" in shown
    shown = words(Pages(shop.world.finn).post(PAGE, provider=f"{shop.tenant}/sky", form="csv"))
    assert "Choose a file." in shown
    assert not Invoice.objects.filter(tenant=shop.tenant).exists()


def test_nobody_else_brings_one_in_or_sees_it(shop: Shop) -> None:
    row = imported(shop)
    assert Pages(shop.world.cleo).get(f"{PAGE}{row.pk}/").status_code == 200
    assert Pages(shop.world.cleo).post(PAGE, provider=f"{shop.tenant}/sky").status_code == 403
    for path in (PAGE, f"{PAGE}{row.pk}/"):
        assert Pages(shop.world.tariq).get(path).status_code == 403
    assert Invoice.objects.filter(tenant=shop.tenant).count() == 1


def test_the_api_says_the_same(shop: Shop) -> None:
    row, finn = imported(shop), api(shop.world.finn)
    listed = finn("GET", "invoices/")[1]["items"][0]
    assert (listed["id"], listed["billed"], listed["ledger"]) == (str(row.pk), "1.003", "0.002")
    one = finn("GET", f"invoices/{row.pk}/")[1]
    assert one["difference"] == "1.001"
    assert one["classes"] == [
        {"name": "price", "amount": "0.001"},
        {"name": "past-the-gateway", "amount": "1.00"},
    ]
    assert [line["model"] for line in one["lines"]] == ["=1+1", "sky-small-1"]
    assert one["lines"][0]["billedTokens"] is None
    assert one["lines"][1]["ledgerTokens"] == {
        "input": 1_000,
        "cachedInput": 0,
        "cacheWrite": 0,
        "output": 100,
    }
    body = {"provider": "sky", "tenant": shop.tenant, "content": text()}
    status, told = finn("POST", "invoices/", body)
    assert (status, told["code"]) == (409, "conflict")
    status, told = finn("POST", "invoices/", {**body, "form": "openai-usage"})
    assert (status, told["detail"][:17]) == (400, "this is no JSON: ")


def test_the_standing_of_the_ledger_is_told_to_who_reads_all_of_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "differences", lambda *_: ("window 7 counts otherwise",))
    monkeypatch.setattr(tiers, "find", list)
    out = StringIO()
    with pytest.raises(CommandError, match="the ledger does not hold: 1 findings"):
        call_command("reconcile", "check", stdout=out)
    assert out.getvalue() == "window 7 counts otherwise\n"
    finn = shop.world.finn
    assert api(finn)("GET", "ledger/")[1]["findings"] == ["window 7 counts otherwise"]
    for page in (PAGE, "/budgets/"):
        assert "The ledger does not hold." in words(Pages(finn).get(page))
    monkeypatch.setattr(checking, "differences", lambda *_: ())
    out = StringIO()
    call_command("reconcile", "check", "--whole", stdout=out)
    assert out.getvalue() == "the ledger holds: counters, attempts, postings and entries agree\n"
    assert "The ledger holds" in words(Pages(finn).get(PAGE))
    assert "does not hold" not in words(Pages(finn).get("/budgets/"))
    assert Standing.objects.get(pk="ledger").findings == []


def test_a_service_tier_without_a_price_is_told_to_who_reads_every_tenants_money(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "differences", lambda *_: ())
    found = [tiers.Unpriced(("", "small", "sky", "priority"), 2, 4_000_000)]
    monkeypatch.setattr(tiers, "find", lambda: found)
    said = "2 attempts at small, served by sky at priority: booked at the plain price, 0.004 EUR"
    out, finn = StringIO(), shop.world.finn
    call_command("reconcile", "check", stdout=out)
    assert out.getvalue().splitlines()[0] == f"no price: {said}"
    assert api(finn)("GET", "ledger/")[1]["unpriced"] == [said]
    shown = words(Pages(finn).get(PAGE))
    assert "A service tier has no price." in shown
    assert said in shown
    fred = shop.world.add("fred", "finance", of=shop.world.tenant)
    assert access.unpriced(fred) is None
    found.clear()
    call_command("reconcile", "check", stdout=out)
    assert "has no price" not in words(Pages(finn).get(PAGE))


def test_the_command_brings_a_file_in(shop: Shop, tmp_path: Path) -> None:
    shop.attempt(USAGE)
    file = tmp_path / "november.csv"
    file.write_text(text(), encoding="utf-8")
    words = ("reconcile", "import", str(file), "--provider", "sky", "--tenant", shop.tenant)
    out, said = StringIO(), StringIO()
    call_command(*words, stdout=out)
    assert out.getvalue().splitlines() == [
        "billed 1.003 EUR",
        "ledger 0.002 EUR",
        "  price: 0.001",
        "  past-the-gateway: 1.00",
    ]
    with pytest.raises(CommandError, match="imported before"):
        call_command(*words, "--json", stdout=said)
    file.write_text(text() + "\n", encoding="utf-8")
    call_command(*words, "--json", stdout=said)
    told = json.loads(said.getvalue())
    assert told["classes"] == {"price": "0.001", "past-the-gateway": "1.00"}
    assert Invoice.objects.filter(tenant=shop.tenant).count() == 2


def test_differences_are_proposed_by_one_button_for_another_to_decide(shop: Shop) -> None:
    row = imported(shop)
    finn, place = Pages(shop.world.finn), f"{PAGE}{row.pk}/"
    assert "Propose adjustments" in words(finn.get(place))
    assert "Propose adjustments" not in words(Pages(shop.world.cleo).get(place))
    assert Pages(shop.world.cleo).post(f"{place}propose/").status_code == 403
    assert Adjustment.objects.filter(tenant=shop.tenant).count() == 0
    shown = words(finn.post(f"{place}propose/"))
    assert "1 adjustment is proposed; another member of finance decides." in shown
    assert f"price, sky-small-1, {datetime.now(UTC).date().isoformat()}: n.csv" in shown
    [made] = Adjustment.objects.filter(tenant=shop.tenant)
    assert (made.amount_nano, made.proposed_by) == (1_000_000, shop.world.finn.actor)
    assert "Nothing is new" in words(finn.post(f"{place}propose/"))
    assert api(shop.world.finn)("POST", f"invoices/{row.pk}/propose/") == (200, {"proposed": 0})


def test_an_unknown_attempt_is_offered_to_who_may_settle_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.attempt(None, 0, basis="", state="unknown", post=False, entry=False, reserved=9_000_000)
    row = imported(shop)
    day = datetime.now(UTC).date().isoformat()
    finn, place = Pages(shop.world.finn), f"{PAGE}{row.pk}/"
    assert "Settle as billed" not in words(finn.get(place)), "another price is beside it"
    text = f"date,model,input_tokens,output_tokens\n{day},sky-small-1,1000,100\n"
    wanted = File(tenant=shop.tenant, provider="sky", form="csv", name="u.csv", data=text.encode())
    row = import_invoice(shop.world.finn, wanted)
    place = f"{PAGE}{row.pk}/"
    with CaptureQueriesContext(connection) as asked:
        assert "Settle as billed" in words(finn.get(place))
    assert len(asked) <= 15
    assert "Settle as billed" not in words(Pages(shop.world.cleo).get(place))
    [told] = api(shop.world.finn)("GET", f"invoices/{row.pk}/")[1]["explained"]
    assert (told["day"], told["model"], told["tokens"]["input"]) == (day, "sky-small-1", 0)
    monkeypatch.setattr(ledger, "price_of", lambda _: NEVER)
    body = {"day": day, "model": "sky-small-1"}
    assert api(shop.world.finn)("POST", f"invoices/{row.pk}/settle/", body) == (200, {"settled": 1})
    shown = words(finn.post(f"{place}settle/", **body))
    assert "does not exactly explain" in shown
    assert "does not exactly explain" in words(finn.post(f"{place}settle/", day="x", model=""))
    assert "Settle as billed" not in words(finn.get(place))
