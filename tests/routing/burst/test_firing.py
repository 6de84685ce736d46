"""The button is there in a demo, for finance and admins; what the page says is what the rows say."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection

from controlplane.kernel.errors import Conflict, Forbidden, NotFound
from controlplane.kernel.ids import uuid7_floor
from policies.identity.authentication import Caller
from policies.identity.models import ApiKey
from routing import playground
from routing.burst import firing, read
from routing.burst.naive import Naive
from routing.calls.models import Attempt, Call
from routing.playground import Try
from routing.ui.burst import shown
from tests.policies.people import FINN, member
from tests.routing.forecasts.conftest import month_ahead

pytestmark = pytest.mark.django_db
Sent = list[tuple[Caller, Try, int, str]]
PRICE = 1_000_000
RESERVED = PRICE + 2
LIMIT = 50 * RESERVED
NOON = month_ahead(datetime.now(tz=UTC)) + timedelta(hours=12)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What would be sent: the walk itself is shown by the journeys."""
    found: Sent = []

    def many(caller: Caller, wanted: Try, count: int, run: str) -> None:
        found.append((caller, wanted, count, run))

    monkeypatch.setattr(playground, "send_many", many)
    return found


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> ApiKey:
    """A demo with the key of the team."""
    monkeypatch.setattr(firing, "is_demo", lambda: True)
    monkeypatch.setattr(playground, "can_send", lambda: True)
    key = ApiKey(
        id="burstkey",
        hash=b"h" * 32,
        tenant="group",
        team="burst",
        name="demo",
        created_at=NOON,
        created_by="cli:test",
    )
    key.save(force_insert=True, actor="cli:test")
    return key


def test_finn_fires_two_hundred_calls_of_one_run(demo: ApiKey, sent: Sent) -> None:
    assert firing.offered(FINN)
    firing.fire(FINN)
    firing.fire(FINN)
    [(caller, wanted, count, run), (_, _, _, other)] = sent
    assert (caller.key_id, caller.key_hash) == ("burstkey", b"h" * 32)
    assert (caller.tenant, caller.team) == ("group", "burst")
    assert (wanted.route, wanted.max_tokens, count) == ("burst", 100, 200)
    assert run != other


@pytest.mark.parametrize("role", ["auditor", "approver", "author", "reviewer", "developer"])
def test_nobody_else_does(demo: ApiKey, sent: Sent, role: str) -> None:
    person = member("pat", role)
    assert not firing.offered(person)
    with pytest.raises(Forbidden):
        firing.fire(person)
    assert sent == []


def test_outside_a_demo_there_is_no_such_thing(
    demo: ApiKey, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firing, "is_demo", lambda: False)
    assert not firing.offered(FINN)
    with pytest.raises(NotFound):
        firing.fire(FINN)
    assert sent == []


def test_a_key_that_was_revoked_fires_nothing(demo: ApiKey, sent: Sent) -> None:
    ApiKey.objects.filter(pk="burstkey").update(revoked_at=NOON)
    assert not firing.offered(FINN)
    with pytest.raises(NotFound):
        firing.fire(FINN)
    assert sent == []


def test_a_process_without_the_walk_fires_nothing(
    demo: ApiKey, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playground, "can_send", lambda: False)
    with pytest.raises(Conflict):
        firing.fire(FINN)
    assert sent == []


def window(run: str, **money: int) -> int:
    columns: Mapping[str, int] = {"posted": 0, "pending": 0, **money}
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO routing_ledger_window (starts, ends, rank, tenant, budget, subject) "
            "VALUES (%s, %s, 1, 'group', 'burst', %s) RETURNING id",
            [NOON - timedelta(hours=12), NOON + timedelta(hours=12), f"run={run}"],
        )
        found: int = cursor.fetchone()[0]
        cursor.execute(
            "UPDATE routing_ledger_window SET limit_nano = %s, posted_nano = %s, pending_nano = %s WHERE id = %s",
            [LIMIT, columns["posted"], columns["pending"], found],
        )
    return found


def call(number: int, run: str, state: str, took_ms: int) -> None:
    at = NOON + timedelta(milliseconds=number)
    row = Call(
        id=UUID(int=uuid7_floor(at).int | (7 << 76) | (2 << 62) | number),
        revision=1,
        stop_epoch=0,
        cost_nano=0,
        admitted_at=at,
        deadline_at=at,
        moved_at=at,
        finished_at=at + timedelta(milliseconds=took_ms) if state != "running" else None,
        attempt_count=1,
        lost_retries=0,
        stream=False,
        relayed=False,
        released=False,
        state=state,
        code="",
        tenant="group",
        team="burst",
        key="k",
        route="burst",
        dialect="openai.chat",
        user_ref="",
        run=run,
    )
    row.save(force_insert=True)
    if state != "denied":
        Attempt(
            call=row,
            no=1,
            revision=1,
            reserved_nano=RESERVED,
            posted_nano=PRICE if state == "completed" else 0,
            overrun_nano=0,
            state="succeeded" if state == "completed" else "started",
            model="llama-metered",
            model_tenant="",
            provider="own-cluster",
            basis="",
            error_class="",
            windows=[],
        ).save(force_insert=True)


def test_while_it_runs_the_budget_is_pending_to_its_last_nano() -> None:
    window("one", pending=LIMIT)
    for number in range(50):
        call(number, "one", "running", 0)
    for number in range(50, 120):
        call(number, "one", "denied", 1)
    shot = read.latest(NOON + timedelta(seconds=1))
    assert shot is not None
    assert (shot.came, shot.let_in, shot.refused, shot.failed) == (120, 50, 70, 0)
    assert (shot.spent_nano, shot.pending_nano, shot.limit_nano) == (0, LIMIT, LIMIT)
    # what a call reserves is its price until one has ended: the naive counter saw none end
    assert shot.naive == Naive(120, 0, 120 * RESERVED)
    assert shot.busy
    assert not shot.full
    assert not read_again(NOON + timedelta(minutes=2)).busy  # nobody waits for ever


def test_when_it_is_over_the_bar_is_full_and_the_naive_counter_four_times_over() -> None:
    window("old", posted=7)
    window("new", posted=50 * PRICE)
    for number in range(200):
        call(number, "new", "completed" if number < 50 else "denied", 1500)
    shot = read_again(NOON + timedelta(seconds=3))
    assert (shot.let_in, shot.refused, shot.price_nano) == (50, 150, PRICE)
    assert shot.naive == Naive(200, 200 * PRICE, 0)
    assert shot.full
    assert not shot.busy
    page = shown(shot, "EUR")
    ledger, naive = page.bars
    assert (ledger.let_in, ledger.refused, ledger.spent, ledger.over) == (
        50,
        150,
        "€0.05",
        "nothing",
    )
    assert (naive.let_in, naive.refused, naive.spent, naive.over) == (200, 0, "€0.20", "€0.15")
    assert (ledger.x_spent, naive.x_spent, page.x_limit) == (175, 700, 175)
    assert (ledger.bad, naive.bad, page.full) == (False, True, True)


def read_again(now: datetime) -> read.Shot:
    found = read.latest(now)
    assert found is not None
    return found


def test_before_the_first_there_is_none() -> None:
    assert read.latest(NOON) is None
