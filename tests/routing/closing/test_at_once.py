"""Two connections at the same months at the same moment: hours are split once, proposals add up, and nobody waits for ever."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg.sql import SQL, Identifier

from controlplane.kernel.errors import Conflict
from controlplane.kernel.money import NANO
from routing.closing import commands, hours, preparing
from routing.closing.models import Adjustment, CapacityShare, Statement
from routing.closing.months import span_of
from tests.policies.people import FINN, entries, member
from tests.routing.closing.books import Books, month_ahead
from tests.routing.closing.house import House

pytestmark = pytest.mark.django_db(transaction=True)
FAY = member("fay", "finance")
TABLES = ("routing_call", "routing_attempt", "routing_posting")
UNTIL = 20
_far = count(6)


@pytest.fixture
def books(transactional_db: None, owner_dsn: str) -> Iterator[Books]:
    """Books of a month that no other test has: what is committed here stays, but for the calls."""
    month = month_ahead(next(_far))
    first = span_of(month, "UTC")[0].date()
    with psycopg.connect(owner_dsn, autocommit=True) as owner:
        owner.execute("SET ROLE mandate_owner")
        for table in TABLES:
            owner.execute("SELECT make_month(%s, %s, 90)", [table, first])
        yield Books(month=month)
        for table in TABLES:
            owner.execute(SQL("DROP TABLE {}").format(Identifier(f"{table}_{first:%Y%m}")))


class Beside:
    """Work in a thread with a connection of its own, and what it raised."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.work, self.raised = work, None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    raised: BaseException | None

    def _run(self) -> None:
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 - the test says what may be raised
            self.raised = error
        finally:
            connection.close()

    def end(self) -> BaseException | None:
        self.thread.join(UNTIL)
        assert not self.thread.is_alive()
        return self.raised


def closing(statement: Statement) -> Callable[[], object]:
    return lambda: commands.close(FAY, statement.id, statement.digest)


def test_two_tenants_close_at_once_and_the_hours_are_split_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [commands.prepare(FINN, one.tenant, house.month) for one in (house.own, house.other)]
    before, inside = threading.Barrier(2), threading.Barrier(2)
    lock, parts = commands.lock, hours.parts

    def together(tenant: str) -> None:
        """Each has its tenant's lock when the first asks for the organisation's."""
        if not tenant:
            before.wait(UNTIL)
        lock(tenant)

    def alone(*given: Any) -> Any:
        """Who looks whether there is a split waits a while for somebody else to look too."""
        with suppress(threading.BrokenBarrierError):
            inside.wait(1)
        return parts(*given)

    monkeypatch.setattr(commands, "lock", together)
    monkeypatch.setattr(hours, "parts", alone)
    ended = [one.end() for one in [Beside(closing(statement)) for statement in both]]
    assert ended == [None, None]
    rows = CapacityShare.objects.filter(period=house.month)
    assert len(entries(f"capacity:{house.month}", "capacity.split")) == 1
    assert len({row.entry for row in rows}) == 1
    assert sum(row.cost_nano for row in rows) == 72 * NANO + 240_000_000 + 2_400
    assert sum(one.capacity_nano for one in both) == 240_000_000 + 2_400
    assert all(preparing.again(one) == bytes(one.body) for one in both)


def test_a_close_and_the_job_do_not_wait_for_each_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job has one tenant's lock and wants that of another, who closes and wants the organisation's."""
    first, last = sorted((house.own, house.other), key=lambda books: books.tenant)
    done = commands.prepare(FINN, first.tenant, house.month)
    commands.close(FAY, done.id, done.digest)
    later = commands.prepare(FINN, last.tenant, house.month)
    house.use(last, "trade", "alpha", tokens=700)
    has_first, has_last = threading.Event(), threading.Event()
    lock = commands.lock

    def meeting(tenant: str) -> None:
        if not tenant:
            has_last.set()
            assert has_first.wait(UNTIL)
        lock(tenant)
        if tenant == first.tenant:
            has_first.set()
            assert has_last.wait(UNTIL)

    monkeypatch.setattr(commands, "lock", meeting)
    close = Beside(closing(later))
    assert has_last.wait(UNTIL)
    job = Beside(lambda: commands.correct_hours(house.found, house.month, actor="job:hours"))
    assert [close.end(), job.end()] == [None, None]
    rows = Adjustment.objects.filter(kind="hours-correction", corrects=house.month)
    assert sum(row.amount_nano for row in rows) == 0
    assert {row.tenant for row in rows} == {first.tenant, last.tenant}


def test_what_the_job_proposed_first_stops_the_close(house: House) -> None:
    done, later = (
        commands.prepare(FINN, one.tenant, house.month) for one in (house.own, house.other)
    )
    commands.close(FAY, done.id, done.digest)
    house.use(house.other, "trade", "alpha", tokens=700)
    commands.correct_hours(house.found, house.month, actor="job:hours")
    raised = Beside(closing(later)).end()
    assert isinstance(raised, Conflict)
    assert "1 adjustment waits for finance" in raised.message


def test_of_two_jobs_at_once_the_figures_of_the_later_stand(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = commands.prepare(FINN, house.own.tenant, house.month)
    commands.close(FAY, done.id, done.digest)
    house.use(house.other, "trade", "alpha", tokens=700)
    looked, go = threading.Event(), threading.Event()
    settled, first = hours.settled, count()

    def slow(*given: Any) -> Any:
        found = settled(*given)
        if next(first) == 0:
            looked.set()
            assert go.wait(UNTIL)
        return found

    def correct() -> int:
        return commands.correct_hours(house.found, house.month, actor="job:hours")

    monkeypatch.setattr(hours, "settled", slow)
    one = Beside(correct)
    assert looked.wait(UNTIL)
    house.use(house.other, "trade", "alpha", tokens=9_000)
    other = Beside(correct)
    other.thread.join(1)
    go.set()
    assert [one.end(), other.end()] == [None, None]
    rows = Adjustment.objects.filter(kind="hours-correction", corrects=house.month)
    now = hours.now(house.found, house.month)
    split = hours.kept(house.month)
    for tenant in (house.own.tenant, house.other.tenant):
        moved = sum(row.amount_nano for row in rows if row.tenant == tenant)
        assert moved == hours.of_nano(now, tenant) - hours.of_nano(split, tenant)
    assert commands.correct_hours(house.found, house.month, actor="job:hours") == 0
