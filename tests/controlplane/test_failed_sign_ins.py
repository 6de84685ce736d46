"""Nobody fills the log by guessing passwords."""

import json
import threading
from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connection

from controlplane import failed_sign_ins
from controlplane.failed_sign_ins import OF_ALL, OF_ONE_ADDRESS, note_failed_sign_in, tell_more
from policies.identity import members
from tests.policies.people import ADA

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def timers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Nobody has failed yet; and how often a window was begun, at whose end the rest is told (by the test itself)."""
    begun: list[str] = []
    monkeypatch.setattr(failed_sign_ins, "_later", lambda: begun.append("window"))
    monkeypatch.setattr(failed_sign_ins, "_more", 0)
    failed_sign_ins._recent.clear()
    yield begun
    failed_sign_ins._recent.clear()


def written(kind: str = "signin.failed") -> list[str]:
    """The bodies of the entries of this test."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT convert_from(body, 'UTF8') FROM audit_entry WHERE kind = %s AND xid = pg_current_xact_id()",
            [kind],
        )
        return [body for (body,) in cursor.fetchall()]


def counted() -> float:
    return float(failed_sign_ins.failed._value.get())


def test_the_entry_names_a_member_and_never_what_else_was_typed() -> None:
    members.create_member(ADA, "tariq.one@acme.example", "Tariq")
    assert note_failed_sign_in("10.0.0.1", "tariq.one@acme.example")
    assert note_failed_sign_in("10.0.0.1", "my-password-by-mistake")
    first, second = written()
    assert '"subject":"member:tariq.one@acme.example"' in first
    assert "mistake" not in second
    assert "10.0.0.1" not in first + second


def test_one_address_writes_ten_a_minute_and_others_are_still_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(failed_sign_ins, "OF_ALL", 10**6)
    before = counted()
    said = [note_failed_sign_in("10.0.0.1", "x") for _ in range(OF_ONE_ADDRESS + 5)]
    assert said == [True] * OF_ONE_ADDRESS + [False] * 5
    assert note_failed_sign_in("10.0.0.2", "x")
    assert len(written()) == OF_ONE_ADDRESS + 1
    assert counted() - before == OF_ONE_ADDRESS + 6
    began, count = failed_sign_ins._recent["10.0.0.1"]
    failed_sign_ins._recent["10.0.0.1"] = (began - 60.0, count)
    assert note_failed_sign_in("10.0.0.1", "x")


def test_all_addresses_together_write_sixty_a_minute() -> None:
    said = [note_failed_sign_in(f"10.0.{number}.1", "x") for number in range(OF_ALL + 20)]
    # earlier tests of this minute count too: what matters is where it ends
    assert said == sorted(said, reverse=True)
    assert 0 < sum(said) <= OF_ALL
    assert len(written()) == sum(said)


def test_what_is_beyond_the_limit_is_one_entry_that_says_how_many(
    monkeypatch: pytest.MonkeyPatch, timers: list[str]
) -> None:
    monkeypatch.setattr(failed_sign_ins, "OF_ALL", 10**6)
    for _ in range(OF_ONE_ADDRESS + 7):
        note_failed_sign_in("10.0.0.1", "my-password-by-mistake")
    assert (timers, written("signin.failed-more")) == (["window"], [])
    assert [tell_more(), tell_more()] == [7, 0]
    (told,) = [json.loads(body) for body in written("signin.failed-more")]
    assert (told["actor"], told["subject"]) == ("anonymous:console", "")
    assert told["data"] == {"count": 7, "withinSeconds": 60}
    note_failed_sign_in("10.0.0.1", "x")
    assert (timers, tell_more()) == (["window", "window"], 1)


def test_what_could_not_be_told_is_told_with_the_next(
    monkeypatch: pytest.MonkeyPatch, timers: list[str]
) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseError("the server closed the connection")

    failed_sign_ins._one_more(5)
    with monkeypatch.context() as broken:
        broken.setattr(failed_sign_ins, "append_entry", away)
        assert tell_more() == 0
    assert (timers, written("signin.failed-more")) == (["window", "window"], [])
    failed_sign_ins._one_more()
    assert tell_more() == 6


def test_a_window_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    ended = threading.Event()
    monkeypatch.setattr(failed_sign_ins, "WINDOW_SECONDS", 0.01)
    monkeypatch.setattr(failed_sign_ins, "_told_apart", ended.set)
    failed_sign_ins._later()
    assert ended.wait(30)


def test_memory_of_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_sign_ins, "_ADDRESSES_AT_MOST", 3)
    for number in range(9):
        failed_sign_ins._address_may(f"10.0.0.{number}")
    assert list(failed_sign_ins._recent) == ["10.0.0.6", "10.0.0.7", "10.0.0.8"]
