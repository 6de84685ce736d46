"""Differences to an invoice as adjustments: parted to the last nano unit, proposed once, decided on by another."""

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.kernel.errors import Conflict, Forbidden, NotFound
from policies.engine.pricing import UsageCounts
from routing.closing import commands as closing
from routing.closing.adjusting import PRICE, Proposal
from routing.closing.models import Adjustment
from routing.reconcile.commands import File, import_invoice, propose_differences
from routing.reconcile.figures import Share
from routing.reconcile.models import Invoice
from routing.reconcile.proposing import parted
from tests.policies.people import entries
from tests.refusing import refuses_first
from tests.routing.reconcile.shop import Shop

USAGE = UsageCounts(input=1_000, cached_input=0, cache_write=0, output=100)
HEAD = "date,kind,model,input_tokens,output_tokens,amount,currency\n"
DAY = date(2026, 11, 3)


def share(tenant: str, spent: int, lost: int = 0, attempts: int = 1) -> Share:
    return Share(DAY, "m", "m", tenant, spent, lost, int(lost > 0), attempts)


def test_a_difference_is_parted_by_what_each_spent() -> None:
    among = [share("a", 100), share("b", 200)]
    assert [part.nano for part in parted(10, among, "price")] == [3, 7]
    assert [part.nano for part in parted(-10, among, "credit")] == [-3, -7]
    assert [
        part.nano for part in parted(10, [share("a", 9, 0), share("b", 1, 5)], "lost-usage")
    ] == [
        0,
        10,
    ]
    # nothing was spent there: by attempts
    assert [part.nano for part in parted(9, [share("a", 0), share("b", 0, 0, 2)], "credit")] == [
        3,
        6,
    ]
    assert parted(9, [], "price") == []


@given(st.integers(-(10**18), 10**18), st.lists(st.integers(0, 10**15), min_size=1, max_size=9))
def test_the_parts_add_up(nano: int, spent: list[int]) -> None:
    parts = parted(nano, [share(f"t{at}", one) for at, one in enumerate(spent)], "price")
    assert sum(part.nano for part in parts) == nano
    assert all(part.nano * (-1 if nano < 0 else 1) >= 0 for part in parts)


def imported(shop: Shop, text: str, name: str = "n.csv") -> Invoice:
    wanted = File(
        tenant=shop.tenant, provider="sky", form="csv", name=name, data=(HEAD + text).encode()
    )
    return import_invoice(shop.world.finn, wanted)


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def proposed(shop: Shop) -> list[tuple[str, int, str, str]]:
    rows = Adjustment.objects.filter(tenant=shop.tenant).order_by("kind", "pk")
    return [(row.kind, row.amount_nano, row.model, row.corrects) for row in rows]


@pytest.mark.django_db(transaction=True)
@refuses_first("reconcile.propose_differences")
def test_finance_proposes_what_was_billed_otherwise_and_another_decides(shop: Shop) -> None:
    day, small = today(), f"{shop.tenant}/small"
    shop.attempt(USAGE)
    shop.attempt(None, 700, basis="reserve", state="reconciled")
    row = imported(
        shop,
        f"{day},usage,sky-small-1,2000,200,0.005,EUR\n{day},credit,,,,-0.001,EUR\n{day},tax,,,,0.009,EUR\n",
    )
    fred = shop.world.add("fred", "finance", of=shop.world.other)
    for who, error in ((shop.world.cleo, Forbidden), (fred, NotFound)):
        with pytest.raises(error):
            propose_differences(who, row.pk)
    with pytest.raises(NotFound):
        propose_differences(shop.world.finn, uuid4())
    assert proposed(shop) == []
    assert propose_differences(shop.world.finn, row.pk) == 3
    month = day[:7]
    assert sorted(proposed(shop)) == [
        ("credit", -1_000_000, "", month),
        ("invoice-difference", 1_000_000, small, month),
        ("invoice-difference", 1_999_300, small, month),
    ]
    [entry] = entries(kind="adjustment.proposed", tenant=shop.tenant)
    assert (entry["actor"], entry["data"]["number"]) == (shop.world.finn.actor, 3)
    # proposed once, ever
    assert propose_differences(shop.world.finn, row.pk) == 0
    one = Adjustment.objects.filter(tenant=shop.tenant, kind="credit").get()
    assert (one.note, one.provider) == (f"credit, the whole account, {day}: n.csv", "sky")
    with pytest.raises(Conflict, match="you proposed this"):
        closing.accept(shop.world.finn, one.pk)
    closing.reject(shop.world.add("fay", "finance"), one.pk, "not ours")
    assert propose_differences(shop.world.finn, row.pk) == 0


@pytest.mark.django_db(transaction=True)
def test_the_same_money_is_not_proposed_by_two_imports_or_by_a_job_before(shop: Shop) -> None:
    day, small = today(), f"{shop.tenant}/small"
    call = shop.attempt(USAGE)
    first = imported(shop, f"{day},usage,sky-small-1,1000,100,0.005,EUR\n")
    job = Proposal(
        tenant=shop.tenant, corrects=day[:7], kind=PRICE, amount_nano=500_000, occurrence="price:x",
        call=call, attempt=1, model=small, provider="sky",
    )  # fmt: skip
    closing.propose_adjustments([job], actor="job:prices")
    assert propose_differences(shop.world.finn, first.pk) == 1
    again = imported(shop, f"{day},usage,sky-small-1,1000,100,0.006,EUR\n", "later.csv")
    assert propose_differences(shop.world.finn, again.pk) == 1
    assert sorted(amount for _, amount, *_ in proposed(shop)) == [500_000, 1_000_000, 2_500_000]


@pytest.mark.django_db(transaction=True)
def test_what_the_ledger_learnt_since_is_not_proposed(shop: Shop) -> None:
    day = today()
    shop.attempt(USAGE)
    row = imported(shop, f"{day},usage,sky-small-1,2000,200,0.005,EUR\n")
    assert [line["classes"] for line in row.lines] == [
        {"past-the-gateway": 2_000_000, "price": 1_000_000}
    ]
    shop.attempt(USAGE)
    assert propose_differences(shop.world.finn, row.pk) == 1
    assert [amount for _, amount, *_ in proposed(shop)] == [1_000_000]
