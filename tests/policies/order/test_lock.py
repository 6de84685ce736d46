"""The order lock: first or never, in order of effect, and no waiting for ever."""

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from controlplane.kernel.errors import Unavailable
from policies.order import lock

pytestmark = pytest.mark.usefixtures("application_role")


@pytest.fixture
def other(app_dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(app_dsn, autocommit=True) as found:
        yield found


_WRITE = "UPDATE policies_control SET digest = digest WHERE id = 1"


def _run(*statements: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _code(error: pytest.ExceptionInfo[DatabaseError]) -> str | None:
    cause = error.value.__cause__
    assert isinstance(cause, psycopg.Error)
    return cause.sqlstate


@pytest.mark.parametrize("function", ["order_shared", "order_exclusive"])
def test_the_lock_is_refused_after_a_write(function: str) -> None:
    with pytest.raises(DatabaseError) as error:
        _run(_WRITE, f"SELECT {function}()")
    assert _code(error) == "MD001"


@pytest.mark.parametrize("function", ["order_shared", "order_exclusive"])
def test_the_lock_is_refused_after_a_write_in_a_rolled_back_savepoint(function: str) -> None:
    with pytest.raises(DatabaseError) as error:
        _run("SAVEPOINT a", _WRITE, "ROLLBACK TO SAVEPOINT a", f"SELECT {function}()")
    assert _code(error) == "MD001"


@pytest.mark.parametrize("function", ["order_shared", "order_exclusive"])
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_the_lock_is_refused_under_another_isolation(function: str, level: str) -> None:
    with pytest.raises(DatabaseError) as error:
        _run(f"SET TRANSACTION ISOLATION LEVEL {level}", f"SELECT {function}()")
    assert _code(error) == "MD001"


def test_work_inside_another_transaction_is_refused() -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        lock.exclusively(lambda: None)


def test_an_admission_waits_for_the_publisher_and_reads_what_it_published(
    other: psycopg.Connection, app_dsn: str
) -> None:
    """The shared lock first, the read in a later statement: it sees the epoch of the commit it waited for."""
    before = lock.control().stop_epoch
    seen: list[int] = []

    def admit() -> None:
        with psycopg.connect(app_dsn) as admission:
            admission.execute("SELECT order_shared()")
            row = admission.execute("SELECT stop_epoch FROM policies_control WHERE id = 1")
            seen.append(row.fetchone()[0])  # type: ignore[index]  # the control row is always there

    with other.transaction():
        other.execute("SELECT order_exclusive()")
        other.execute("UPDATE policies_control SET stop_epoch = stop_epoch + 1 WHERE id = 1")
        thread = threading.Thread(target=admit)
        thread.start()
        time.sleep(0.2)
        assert seen == []
    thread.join(timeout=60)
    assert seen == [before + 1]


def test_the_lock_and_its_transaction_id_come_in_one_order(app_dsn: str) -> None:
    """Two admissions around a publisher: by transaction id they stand on the side of the epoch that they read."""
    rows: list[tuple[int, int]] = []

    def admit() -> None:
        with psycopg.connect(app_dsn) as admission:
            admission.execute("SELECT order_shared()")
            epoch = admission.execute("SELECT stop_epoch FROM policies_control").fetchone()
            time.sleep(0.05)
            xid = admission.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
            assert epoch is not None
            assert xid is not None
            rows.append((xid[0], epoch[0]))

    threads = [threading.Thread(target=admit) for _ in range(8)]
    published = []
    for number, thread in enumerate(threads):
        thread.start()
        if number % 3 == 1:
            published.append(lock.exclusively(lock.next_stop_epoch))
    for thread in threads:
        thread.join(timeout=60)
    assert len(rows) == 8
    assert [epoch for _, epoch in sorted(rows)] == sorted(epoch for _, epoch in rows)
    assert published == sorted(published)


def test_a_held_lock_is_given_up_after_the_tries(
    other: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_TAKE", lock._TAKE.replace("'2s'", "'50ms'"))
    runs: list[int] = []
    with other.transaction():
        other.execute("SELECT order_shared()")
        with pytest.raises(Unavailable, match="try again"):
            lock.exclusively(lambda: runs.append(1), tries=2)
    assert runs == []
    lock.exclusively(lambda: runs.append(1))
    assert runs == [1]


def test_a_publisher_that_dies_before_its_commit_leaves_nothing(
    other: psycopg.Connection, owner_dsn: str
) -> None:
    before = lock.control()

    def work() -> None:
        lock.next_stop_epoch()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
        lock.set_revision(before.revision + 1, b"never")

    with pytest.raises(DatabaseError):
        lock.exclusively(work)
    connection.close()
    assert lock.control() == before
    lock.exclusively(lambda: None)
