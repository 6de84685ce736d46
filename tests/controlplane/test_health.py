"""Alive, ready, and what is missing."""

import pytest
from django.db import OperationalError, connection
from django.test import Client

from controlplane import health


def checks(client: Client) -> tuple[int, dict[str, dict[str, object]]]:
    answer = client.get("/readyz")
    return answer.status_code, {check["name"]: check for check in answer.json()["checks"]}


def test_alive_whatever_is_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "cursor", _away)
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_without_a_bundle_nothing_may_be_decided(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT revision FROM policies_control")
        assert cursor.fetchone() == (0,)
    status, found = checks(client)
    assert status == 503
    assert {name for name, check in found.items() if check["needed"] and not check["ok"]} == {
        "bundle"
    }
    assert found["months_ahead"]["detail"] == "3"
    assert found["redis"]["ok"] is True
    assert found["clock"]["ok"] is True
    assert found["calls_workers"] == {
        "name": "calls_workers",
        "ok": False,
        "detail": "0 alive",
        "needed": False,
    }


@pytest.mark.django_db
def test_ready_once_something_is_published(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        health, "_bundle", lambda: health.Check("bundle", ok=True, detail="revision 1")
    )
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert (answer.json()["ready"], answer.json()["healthy"]) == (True, False)


@pytest.mark.django_db
def test_a_draining_process_takes_nothing_new(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "draining", True)
    status, found = checks(client)
    assert (status, found["draining"]["ok"]) == (503, False)


@pytest.mark.django_db
def test_months_are_counted_from_the_partitions(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute(health._MONTHS_AHEAD.replace("now()", "(now() + interval '3 months')"))
        assert cursor.fetchone() == (0,)
        cursor.execute(health._MONTHS_AHEAD.replace("now()", "(now() + interval '5 months')"))
        assert cursor.fetchone() == (-2,)


def test_postgresql_away_is_said_not_raised(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "cursor", _away)
    status, found = checks(client)
    assert (status, found["postgresql"]) == (
        503,
        {"name": "postgresql", "ok": False, "detail": "OperationalError", "needed": True},
    )


@pytest.mark.django_db
def test_redis_away_does_not_stop_calls(client: Client, settings: object) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # type: ignore[attr-defined]
    assert health.redis_check() == health.Check(
        "redis", ok=False, detail="ConnectionError", needed=False
    )


def _away(*_: object) -> None:
    raise OperationalError("away")
