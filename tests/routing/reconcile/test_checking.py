"""The ledger beside its attempts, postings and entries: what is changed behind its back is found, and told once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection

from policies.engine.pricing import UsageCounts
from routing.calls.models import Attempt
from routing.reconcile import checking
from routing.reconcile.checking import check_ledger, differences
from routing.reconcile.models import Standing
from tests.policies.people import entries
from tests.routing.reconcile.shop import Shop, ask

pytestmark = pytest.mark.django_db(transaction=True)
USAGE = UsageCounts(input=1_000, cached_input=0, cache_write=0, output=100)
TODAY = timedelta(hours=36)


def found(shop: Shop) -> tuple[str, ...]:
    since = datetime.now(UTC) - TODAY
    return differences(since, since, shop.tenant)


def window(shop: Shop, posted: int = 0, overrun: int = 0, pending: int = 0) -> int:
    [(made,)] = ask(
        "SELECT id FROM open_windows(ARRAY[%s], ARRAY['day'], ARRAY[''], ARRAY[now() - interval '1 hour'], "
        "ARRAY[now() + interval '1 day'], ARRAY[9::smallint])",
        shop.tenant,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE routing_ledger_window SET posted_nano = %s, overrun_nano = %s, pending_nano = %s WHERE id = %s",
            [posted, overrun, pending, made],
        )
    return int(made)


def test_a_ledger_that_says_what_its_attempts_say_holds(shop: Shop) -> None:
    made = window(shop, posted=3_999_700, overrun=300, pending=700)
    shop.attempt(USAGE, windows=[made])
    shop.attempt(USAGE, windows=[made], overrun=300)
    shop.attempt(None, 0, windows=[made], state="started", basis="", post=False, entry=False)
    Attempt.objects.filter(windows__contains=[made], state="started").update(reserved_nano=700)
    shop.attempt(None, 0, windows=[made], state="voided", basis="none", entry=False)
    assert found(shop) == ()


@pytest.mark.parametrize(
    ("posted", "overrun", "pending", "said"),
    [
        (1_999_999, 0, 0, "posted 0.001999999 where its attempts have 0.002"),
        (2_000_000, 1, 0, "overrun 0.000000001 where its attempts have 0.00"),
        (2_000_000, 0, 5, "pending 0.000000005 where its attempts have 0.00"),
    ],
)
def test_a_counter_that_is_one_nano_unit_off_is_found(
    shop: Shop, posted: int, overrun: int, pending: int, said: str
) -> None:
    made = window(shop, posted, overrun, pending)
    shop.attempt(USAGE, windows=[made])
    assert found(shop) == (f"window {made} of the budget {shop.tenant}/day counts {said}",)


def _unposted(shop: Shop) -> UUID:
    return shop.attempt(USAGE, post=False)


def _posted_too_early(shop: Shop) -> UUID:
    call = shop.attempt(USAGE)
    Attempt.objects.filter(call=call).update(state="started")
    return call


def _changed(shop: Shop) -> UUID:
    call = shop.attempt(USAGE, told=2_000_001)
    Attempt.objects.filter(call=call).update(posted_nano=2_000_001)
    return call


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (_unposted, "is succeeded with 0.002 and was never posted"),
        (_posted_too_early, "is started with 0.002 and was posted with 0.002"),
        (_changed, "is succeeded with 0.002000001 and was posted with 0.002"),
    ],
)
def test_each_attempt_has_its_one_posting(
    shop: Shop, wrong: Callable[[Shop], UUID], said: str
) -> None:
    call = wrong(shop)
    assert found(shop) == (f"attempt 1 of call_{call.hex} {said}",)


def test_the_log_was_told_what_each_attempt_cost(shop: Shop) -> None:
    shop.attempt(USAGE, told=1_000_000)
    shop.attempt(USAGE, entry=False)
    shop.attempt(USAGE)
    [said] = found(shop)
    assert said.startswith(f"2 attempts of {shop.tenant} on 20")
    assert said.endswith(" came to 0.004, and the log was told 0.001")


def test_a_verdict_that_changes_is_an_entry_and_the_finding_stays_until_it_is_right(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, ...]] = [()]
    monkeypatch.setattr(checking, "differences", lambda *_: said[0])
    check_ledger()
    before = len(entries(kind="ledger.checked"))
    held = Standing.objects.get(pk="ledger").held_at
    check_ledger()
    assert len(entries(kind="ledger.checked")) == before
    said[0] = ("window 7 counts otherwise",)
    assert check_ledger().ok is False
    check_ledger()
    row = Standing.objects.get(pk="ledger")
    assert row.findings == ["window 7 counts otherwise"]
    assert row.held_at is not None
    assert held is not None
    assert held < row.held_at < row.checked_at
    said[0] = ()
    assert check_ledger().ok is True
    check_ledger(whole=True, actor="cli:tess")
    told = entries(kind="ledger.checked")[before:]
    assert [(e["actor"], e["data"]) for e in told] == [
        ("job:ledger", {"ok": False, "scope": "recent", "findings": 1}),
        ("job:ledger", {"ok": True, "scope": "recent", "findings": 0}),
        ("cli:tess", {"ok": True, "scope": "whole", "findings": 0}),
    ]
