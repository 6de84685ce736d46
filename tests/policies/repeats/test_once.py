"""A request with a key is answered once."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from audit.vault.seal import Tampered
from controlplane.kernel.errors import Conflict, InvalidRequest
from policies.order.lock import mandate_now
from policies.repeats.models import Repeat
from policies.repeats.once import Sealing, _keep, _opened, forget, once
from tests.policies.texts import fresh

pytestmark = pytest.mark.usefixtures("application_role")


class Work:
    """Counts how often it was done."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> tuple[int, object]:
        self.times += 1
        return 201, {"made": self.times}


def test_the_same_request_gets_the_same_answer() -> None:
    actor, work = fresh("member:a"), Work()
    assert once(actor, "k", {"a": 1, "b": 2}, work) == (201, {"made": 1})
    assert once(actor, "k", {"b": 2, "a": 1}, work) == (201, {"made": 1})
    assert once(actor, "l", {"a": 1}, work) == (201, {"made": 2})
    assert once(fresh("member:b"), "k", {"a": 1}, work) == (201, {"made": 3})


def test_another_request_under_the_key_is_refused() -> None:
    actor, work = fresh("member:a"), Work()
    once(actor, "k", {"a": 1}, work)
    with pytest.raises(Conflict, match="came with another request"):
        once(actor, "k", {"a": 2}, work)
    assert work.times == 1


def test_what_failed_may_be_tried_again() -> None:
    actor, work = fresh("member:a"), Work()

    def fails() -> tuple[int, object]:
        raise InvalidRequest("no")

    with pytest.raises(InvalidRequest):
        once(actor, "k", {}, fails)
    assert once(actor, "k", {}, work) == (201, {"made": 1})


def test_a_second_request_meanwhile_is_told_to_wait() -> None:
    actor, work = fresh("member:a"), Work()
    begun, go = threading.Event(), threading.Event()
    answers: list[object] = []

    def slow() -> tuple[int, object]:
        begun.set()
        go.wait(60)
        return work()

    def first() -> None:
        answers.append(once(actor, "k", {}, slow))
        connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    assert begun.wait(30)
    with pytest.raises(Conflict, match="still being answered"):
        once(actor, "k", {}, work)
    go.set()
    thread.join()
    assert answers == [(201, {"made": 1})]


def test_keys_last_a_day_and_dead_requests_ten_minutes() -> None:
    actor, work = fresh("member:a"), Work()
    once(actor, "k", {}, work)
    Repeat.objects.filter(actor=actor).update(created_at=mandate_now() - timedelta(hours=25))
    assert once(actor, "k", {"other": True}, work) == (201, {"made": 2})
    Repeat.objects.filter(actor=actor).update(
        created_at=mandate_now() - timedelta(minutes=11), status=None
    )
    assert once(actor, "k", {}, work) == (201, {"made": 3})


@pytest.mark.parametrize("key", ["", "x" * 201, "ü", "a\tb"])
def test_a_key_is_short_and_printable(key: str) -> None:
    work = Work()
    with pytest.raises(InvalidRequest, match="Idempotency-Key"):
        once("member:a", key, {}, work)
    assert work.times == 0


LONG = "6f1c8a52-0d1e-4b7e-9f60-b1f2a8f4c9d3"
PEPPER = bytes(range(32))
SECRET = "mdt_abcdefgh_7bDmvDCcDfuE3nXzLW1sTzq0dPq"


def made(times: list[int]) -> tuple[int, object]:
    times.append(1)
    return 201, {"id": "abcdefgh", "key": SECRET}


def test_a_secret_comes_again_and_lies_nowhere_in_the_clear() -> None:
    actor, times = fresh("member:a"), list[int]()
    sealing = Sealing("key", PEPPER)
    first = once(actor, LONG, {}, lambda: made(times), sealing)
    assert first == (201, {"id": "abcdefgh", "key": SECRET})
    assert once(actor, LONG, {}, lambda: made(times), sealing) == first
    assert times == [1]
    with connection.cursor() as cursor:
        cursor.execute("SELECT r::text, sealed FROM policies_repeat r WHERE actor = %s", [actor])
        ((row, sealed),) = cursor.fetchall()
    assert SECRET not in row
    assert LONG not in row
    assert SECRET.encode() not in bytes(sealed)
    assert len(sealed) == 12 + len(SECRET) + 16


@pytest.mark.parametrize(
    "moved",
    [{"actor": "member:mallory"}, {"request": "0" * 64}, {"secret": "token"}, {"sealed": bytes(80)}],
)  # fmt: skip
def test_a_sealed_secret_opens_at_its_own_place_alone(moved: dict[str, object]) -> None:
    row = Repeat(actor="member:a", request="1" * 64, secret="key")
    row.save = lambda **_: None  # type: ignore[method-assign] # no row is needed
    _keep(row, (201, {"id": "a", "key": SECRET}), LONG, Sealing("key", PEPPER))
    assert _opened(row, LONG, Sealing("key", PEPPER)) == {"id": "a", "key": SECRET}
    for name, value in moved.items():
        setattr(row, name, value)
    with pytest.raises(Tampered):
        _opened(row, LONG, Sealing("key", PEPPER))


@pytest.mark.parametrize(("key", "pepper"), [(LONG[:-1] + "4", PEPPER), (LONG, bytes(32))])
def test_neither_another_key_nor_another_pepper_opens_it(key: str, pepper: bytes) -> None:
    row = Repeat(actor="member:a", request="1" * 64, secret="key")
    row.save = lambda **_: None  # type: ignore[method-assign] # no row is needed
    _keep(row, (201, {"id": "a", "key": SECRET}), LONG, Sealing("key", PEPPER))
    with pytest.raises(Tampered):
        _opened(row, key, Sealing("key", pepper))


def test_a_key_that_opens_a_secret_is_long() -> None:
    times: list[int] = []
    with pytest.raises(InvalidRequest, match="16 to 200"):
        once("member:a", "x" * 15, {}, lambda: made(times), Sealing("key", PEPPER))
    assert times == []


def test_where_a_process_died_over_a_secret_no_second_is_made() -> None:
    actor, times = fresh("member:a"), list[int]()
    sealing = Sealing("key", PEPPER)
    once(actor, LONG, {}, lambda: made(times), sealing)
    Repeat.objects.filter(actor=actor).update(
        created_at=mandate_now() - timedelta(hours=23), status=None, answer=None, sealed=None
    )
    with pytest.raises(Conflict, match="see what exists"):
        once(actor, LONG, {}, lambda: made(times), sealing)
    assert times == [1]


def test_what_is_a_day_old_is_forgotten_also_of_those_who_never_come_again() -> None:
    old, new = fresh("member:a"), fresh("member:b")
    for actor in (old, new):
        once(actor, LONG, {}, lambda: made([]), Sealing("key", PEPPER))
    Repeat.objects.filter(actor=old).update(created_at=mandate_now() - timedelta(hours=25))
    assert forget() >= 1
    assert [Repeat.objects.filter(actor=actor).count() for actor in (old, new)] == [0, 1]
