"""Imports of providers' files: finance's, whole or not at all, each with its entry, and of one's own tenants alone."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, transaction

from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound
from controlplane.kernel.money import format_nano
from policies.engine.pricing import UsageCounts
from routing.reconcile import access
from routing.reconcile.commands import File, import_invoice
from routing.reconcile.models import Invoice
from tests.policies.people import entries
from tests.refusing import refuses_first
from tests.routing.reconcile.shop import Shop

pytestmark = pytest.mark.django_db(transaction=True)
USAGE = UsageCounts(input=1_000, cached_input=0, cache_write=0, output=100)
HEAD = "date,model,input_tokens,output_tokens,amount,currency\n"


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def file(shop: Shop, text: str, **more: str) -> File:
    given = {
        "tenant": shop.tenant,
        "provider": "sky",
        "form": "csv",
        "name": "november.csv",
        **more,
    }
    return File(**given, data=text.encode())


@refuses_first("reconcile.import_invoice")
def test_a_file_is_compared_with_the_ledger_and_kept_with_its_entry(shop: Shop) -> None:
    day = today()
    shop.attempt(USAGE)
    shop.attempt(None, 700, basis="reserve", state="reconciled")
    # as the vendor calls it: with the day of its release
    text = f"{HEAD}{day},sky-small-1-2026-01-31,2000,200,0.005,EUR\n{day},other,5,5,1,EUR\n"
    row = import_invoice(shop.world.finn, file(shop, text))
    kept = Invoice.objects.get(pk=row.pk)
    nothing = [0, 0, 0, 0]
    assert kept.lines == [
        {
            "day": day, "model": "other", "billed": 1_000_000_000, "ledger": 0, "attempts": 0,
            "billedTokens": [5, 0, 0, 5], "ledgerTokens": nothing, "classes": {"past-the-gateway": 1_000_000_000},
        },
        {
            "day": day, "model": "sky-small-1", "billed": 5_000_000, "ledger": 2_000_700, "attempts": 2,
            "billedTokens": [2_000, 0, 0, 200], "ledgerTokens": [1_000, 0, 0, 100],
            "classes": {"lost-usage": 1_999_300, "price": 1_000_000},
        },
    ]  # fmt: skip
    assert (kept.billed_nano, kept.ledger_nano) == (1_005_000_000, 2_000_700)
    assert kept.difference_nano == 1_002_999_300
    [entry] = entries(kind="invoice.imported", tenant=shop.tenant)
    assert (entry["actor"], entry["subject"]) == (shop.world.finn.actor, "provider:sky")
    assert entry["data"] == {
        "provider": "sky",
        "form": "csv",
        "digest": kept.digest,
        "first": day,
        "last": day,
        "billed": "1.005",
        "ledger": format_nano(2_000_700),
        "classes": {"price": "0.001", "lost-usage": "0.0019993", "past-the-gateway": "1.00"},
    }


def test_the_same_file_again_and_a_change_of_what_was_kept_are_refused(shop: Shop) -> None:
    wanted = file(shop, f"{HEAD}{today()},m,1,1,1,EUR\n")
    row = import_invoice(shop.world.finn, wanted)
    with pytest.raises(Conflict, match="imported before"):
        import_invoice(shop.world.finn, wanted)
    with pytest.raises(DatabaseError, match=r"append-only|permission denied"), transaction.atomic():
        Invoice.objects.filter(pk=row.pk).update(billed_nano=0)
    assert Invoice.objects.get(tenant=shop.tenant).billed_nano == 1_000_000_000
    assert len(entries(kind="invoice.imported", tenant=shop.tenant)) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            HEAD + "2026-11-01,m,1,1,1,EUR\n2026-11-02,m,1,1,one,EUR\n",
            'line 3, column 5 (amount): "one"',
        ),
        (
            HEAD + "2026-11-01,m,1,1,1,EUR\n2026-11-02,m,1,1,1,JPY\n",
            "line 3: there is no exchange rate for JPY",
        ),
        (
            HEAD + "".join(f"2026-11-{d:02},m,1,1,999999999,EUR\n" for d in range(1, 20)),
            "more money than",
        ),
        (HEAD + "2024-11-01,m,1,1,1,EUR\n2026-11-02,m,1,1,1,EUR\n", "at most 400 days"),
    ],
)
def test_what_is_wrong_anywhere_keeps_nothing(shop: Shop, text: str, told: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        import_invoice(shop.world.finn, file(shop, text))
    assert told in refused.value.message
    assert not Invoice.objects.filter(tenant=shop.tenant).exists()
    assert entries(kind="invoice.imported", tenant=shop.tenant) == []


def test_only_finance_there_imports_and_reads_what_is_its_own(shop: Shop) -> None:
    world = shop.world
    ours = world.add("fay", "finance", of=shop.tenant)
    theirs = world.add("fred", "finance", of=world.other)
    wanted = file(shop, f"{HEAD}{today()},m,1,1,1,EUR\n")
    for who, error in ((world.ada, Forbidden), (world.tariq, Forbidden), (theirs, NotFound)):
        with pytest.raises(error):
            import_invoice(who, wanted)
    with pytest.raises(NotFound, match='there is no provider "sky"'):
        import_invoice(world.finn, file(shop, "date\n", tenant=world.other))
    with pytest.raises(Forbidden):
        import_invoice(ours, file(shop, "date\n", tenant=""))
    assert not Invoice.objects.filter(tenant=shop.tenant).exists()
    row = import_invoice(ours, wanted)
    for who in (ours, world.finn, world.ada, world.cleo):
        assert access.invoices(who).filter(pk=row.pk).exists()
    assert not access.invoices(theirs).filter(pk=row.pk).exists()
    with pytest.raises(Forbidden):
        access.invoices(world.tariq)


def test_the_check_of_the_whole_ledger_is_for_who_reads_all_of_it(shop: Shop) -> None:
    ours = shop.world.add("fay", "finance", of=shop.tenant)
    assert access.standing(ours) is None
    assert access.standing(shop.world.tariq) is None


def test_a_file_about_days_to_come_is_refused_and_nothing_is_kept(shop: Shop) -> None:
    later = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    text = f"{HEAD}{today()},other,5,5,1,EUR\n{later},other,5,5,1,EUR\n"
    with pytest.raises(InvalidRequest, match=f"{later} is yet to come"):
        import_invoice(shop.world.finn, file(shop, text))
    assert not Invoice.objects.filter(tenant=shop.tenant).exists()
