"""A request with a key is answered once."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from controlplane.kernel.errors import Conflict, InvalidRequest
from policies.order.lock import mandate_now
from policies.repeats.models import Repeat
from policies.repeats.once import once
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
        go.wait(10)
        return work()

    def first() -> None:
        answers.append(once(actor, "k", {}, slow))
        connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    assert begun.wait(10)
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
