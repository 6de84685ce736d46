"""A price that is corrected backwards proposes what each attempt costs otherwise, once, and changes nothing that was charged."""

from io import StringIO
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from policies.engine.pricing import UsageCounts
from routing.calls.models import Attempt, Call
from routing.closing import commands
from routing.closing.models import Adjustment
from routing.closing.months import month_of
from routing.ledger.models import Posting
from routing.reconcile import corrections
from routing.reconcile.corrections import Looked, look, look_if_changed
from routing.reconcile.models import Standing
from tests.policies.people import entries
from tests.routing.reconcile.shop import PRICE, Shop

pytestmark = pytest.mark.django_db(transaction=True)
USAGE = UsageCounts(input=1_000, cached_input=0, cache_write=0, output=100)
CHEAPER = 'from: 2026-01-01, currency: EUR, inputPerMillion: "0.5", outputPerMillion: "10"'
DEARER = 'from: 2026-01-01, currency: EUR, inputPerMillion: "3", outputPerMillion: "10"'


def proposed(shop: Shop) -> list[tuple[UUID | None, int, str]]:
    rows = Adjustment.objects.filter(tenant=shop.tenant).order_by("pk")
    return [(row.call, row.amount_nano, row.kind) for row in rows]


def test_each_attempt_is_proposed_with_its_call_and_its_difference(shop: Shop) -> None:
    call = shop.attempt(USAGE)
    shop.attempt(UsageCounts(input=0, cached_input=0, cache_write=0, output=7))
    shop.price(CHEAPER)
    assert look(tenant=shop.tenant) == Looked(repriced=2, proposed=1, unexplained=0)
    # 1,000 tokens at 500 nano less
    assert proposed(shop) == [(call, -500_000, "price-correction")]
    [row] = Adjustment.objects.filter(tenant=shop.tenant)
    admitted = Call.objects.get(pk=call).admitted_at
    assert (row.attempt, row.team, row.route, row.provider) == (1, "claims", "ask", "sky")
    assert (row.model, row.proposed_by) == (f"{shop.tenant}/small", "job:prices")
    assert row.corrects == month_of(admitted, "UTC")
    assert row.note == (
        "0.5 in and 10 out a million, EUR from 2026-01-01 instead of "
        "1 in and 10 out a million, EUR from 2026-01-01"
    )
    [entry] = entries(kind="adjustment.proposed", tenant=shop.tenant)
    assert (entry["data"]["number"], entry["data"]["sum"]) == (1, "-0.0005")
    # nothing that was charged is another
    assert Posting.objects.get(call=call, attempt=1).posted_nano == 2_000_000
    assert Attempt.objects.get(call=call, no=1).posted_nano == 2_000_000


def test_the_same_correction_is_proposed_once_and_the_next_one_from_there(shop: Shop) -> None:
    call = shop.attempt(USAGE)
    shop.price(CHEAPER)
    assert look(tenant=shop.tenant).proposed == 1
    assert look(tenant=shop.tenant).proposed == 0
    shop.price(DEARER)
    assert look(tenant=shop.tenant).proposed == 1
    shop.price(PRICE)
    # back at what was charged: what was proposed meanwhile is taken back
    assert look(tenant=shop.tenant) == Looked(repriced=1, proposed=1)
    assert look(tenant=shop.tenant).proposed == 0
    kind = "price-correction"
    amounts = (-500_000, 2_500_000, -2_000_000)
    assert proposed(shop) == [(call, amount, kind) for amount in amounts]


def test_what_finance_rejected_is_not_proposed_again_and_does_not_count(shop: Shop) -> None:
    call = shop.attempt(USAGE)
    shop.price(CHEAPER)
    look(tenant=shop.tenant)
    row = Adjustment.objects.get(tenant=shop.tenant)
    commands.reject(shop.world.finn, row.pk, "the list price was wrong")
    assert look(tenant=shop.tenant).proposed == 0
    shop.price(DEARER)
    assert look(tenant=shop.tenant).proposed == 1
    assert proposed(shop)[1:] == [(call, 2_000_000, "price-correction")]


@pytest.mark.parametrize("rows", [(PRICE, CHEAPER.replace("2026-01-01", "2090-01-01")), (PRICE,)])
def test_a_price_that_begins_later_corrects_nothing(shop: Shop, rows: tuple[str, ...]) -> None:
    shop.attempt(USAGE)
    shop.price(*rows)
    assert look(tenant=shop.tenant) == Looked()
    assert proposed(shop) == []


def test_what_was_not_charged_at_the_price_of_its_day_is_left_alone(shop: Shop) -> None:
    shop.attempt(USAGE, charged_nano=5)
    shop.attempt(None, charged_nano=700, basis="reserve")
    shop.attempt(USAGE, charged_nano=700, basis="person", state="reconciled")
    shop.price(CHEAPER)
    assert look(tenant=shop.tenant) == Looked(repriced=1, proposed=0, unexplained=1)
    assert proposed(shop) == []


def test_overrun_is_part_of_what_was_charged(shop: Shop) -> None:
    call = shop.attempt(USAGE, overrun=1_500_000)
    shop.price(DEARER)
    look(tenant=shop.tenant)
    assert proposed(shop) == [(call, 2_000_000, "price-correction")]


def test_sound_is_priced_again_by_what_the_entry_says_of_it(shop: Shop) -> None:
    loud = f'{PRICE}, audioInputPerMillion: "5"'
    shop.price(loud)
    call = shop.attempt(USAGE._replace(audio_input=400))
    shop.price(loud.replace('"5"', '"4"'))
    assert look(tenant=shop.tenant) == Looked(repriced=1, proposed=1, unexplained=0)
    assert proposed(shop) == [(call, -400_000, "price-correction")]


def test_many_attempts_are_worked_on_in_batches(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corrections, "_BATCH", 2)
    calls = [shop.attempt(USAGE) for _ in range(5)]
    shop.price(CHEAPER)
    assert look(tenant=shop.tenant) == Looked(repriced=5, proposed=5, unexplained=0)
    assert [call for call, _, _ in proposed(shop)] == calls


def test_the_job_looks_again_only_when_prices_have_changed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    def noted() -> Looked:
        looks.append("look")
        return Looked()

    monkeypatch.setattr(corrections, "look", noted)
    Standing.objects.filter(pk="prices").update(seen="")
    assert look_if_changed() == Looked()
    assert look_if_changed() is None
    shop.price(CHEAPER)
    assert look_if_changed() == Looked()
    assert looks == ["look", "look"]


def test_the_command_says_what_it_would_propose_and_then_proposes_it(shop: Shop) -> None:
    shop.attempt(USAGE)
    shop.attempt(USAGE, charged_nano=5)
    shop.price(CHEAPER)
    words = ("prices", "corrections", "--tenant", shop.tenant)
    dry, done = StringIO(), StringIO()
    call_command(*words, "--dry-run", stdout=dry)
    assert dry.getvalue().splitlines() == [
        "2 attempts have another price by now; adjustments to propose: 1",
        "1 were not charged at the price of their day: left alone",
    ]
    assert proposed(shop) == []
    call_command(*words, "--json", stdout=done)
    assert done.getvalue() == '{"repriced": 2, "proposed": 1, "unexplained": 1}\n'
    with pytest.raises(CommandError, match='"yesterday" is no day'):
        call_command(*words, "--since", "yesterday")


def test_what_was_served_at_priority_before_that_had_a_price_is_corrected_to_it(shop: Shop) -> None:
    dear = shop.attempt(USAGE, service_tier="priority")
    shop.attempt(USAGE)
    shop.price(f'{PRICE}, priorityFactor: "2"')
    assert look(tenant=shop.tenant) == Looked(repriced=1, proposed=1)
    assert proposed(shop) == [(dear, 2_000_000, "price-correction")]


def test_what_was_served_at_flex_is_corrected_at_flex(shop: Shop) -> None:
    shop.price(f'{PRICE}, batchFactor: "0.5"')
    # 1,000 at 500 nano and 100 at 5,000; the other named a tier that nobody had asked for, and was charged in full
    half = shop.attempt(USAGE, 1_000_000, service_tier="flex")
    full = shop.attempt(USAGE, 2_000_000, service_tier="flex")
    plain = shop.attempt(USAGE)
    shop.price(f'{PRICE}, batchFactor: "0.25"')
    assert look(tenant=shop.tenant) == Looked(repriced=1, proposed=1)
    shop.price(f'{CHEAPER}, batchFactor: "0.25"')
    assert look(tenant=shop.tenant) == Looked(repriced=3, proposed=3)
    kind = "price-correction"
    assert proposed(shop)[0] == (half, -500_000, kind)
    assert sorted(proposed(shop)[1:], key=lambda row: row[1]) == sorted(
        [(half, -125_000, kind), (full, -500_000, kind), (plain, -500_000, kind)],
        key=lambda row: row[1],
    )
    [row, *_] = Adjustment.objects.filter(tenant=shop.tenant).order_by("pk")
    assert row.note == (
        "0.25 in and 2.50 out a million, EUR from 2026-01-01 instead of "
        "0.5 in and 5.0 out a million, EUR from 2026-01-01, at service tier flex"
    )
