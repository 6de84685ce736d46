"""Alive, ready, and what is missing."""

import re

import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError, connection
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
    put("UPDATE policies_control SET revision = 0")
    put("UPDATE routing_worker_lease SET expires_at = '-infinity'")
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


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, ProgrammingError])
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.4.7.1:8000", "mandate.example", "no host at all"]
)
def test_every_answer_about_readiness_is_json(
    client: Client, monkeypatch: pytest.MonkeyPatch, settings: object, error: type, host: str
) -> None:
    def away(*_: object) -> None:
        raise error("away")

    monkeypatch.setattr(connection, "cursor", away)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # type: ignore[attr-defined]
    answer = client.get("/readyz", headers={"host": host})
    assert (answer.status_code, answer["content-type"]) == (503, "application/json")
    told = {check["name"]: check["detail"] for check in answer.json()["checks"]}
    assert told == {"draining": "no", "postgresql": error.__name__, "redis": "ConnectionError"}
    assert answer["x-content-type-options"] == "nosniff"
    assert client.get("/healthz", headers={"host": host}).content == b"ok\n"
    # pages are still for the hosts that are ours
    status = 200 if host == "127.0.0.1" else 400
    assert client.get("/metrics", headers={"host": host}).status_code == status


def test_even_what_nobody_foresaw_is_a_report(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> list[health.Check]:
        raise TypeError("cannot unpack non-iterable NoneType object")

    monkeypatch.setattr(health, "database_checks", broken)
    client.raise_request_exception = False
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        500,
        {
            "ready": False,
            "healthy": False,
            "checks": [
                {
                    "name": "readiness",
                    "ok": False,
                    "detail": "it broke; the log says how",
                    "needed": True,
                }
            ],
        },
    )


def _away(*_: object) -> None:
    raise OperationalError("away")


def put(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def without_age(detail: object, at_least: int) -> str:
    """What is said, without how many seconds ago: so many, and some that the asking took."""
    said = re.fullmatch(r"(.*?)(\d+)( s ago.*)", str(detail))
    assert said is not None
    assert at_least <= int(said[2]) < at_least + 30
    return f"{said[1]}N{said[3]}"


RECENT = """
INSERT INTO audit_verified (log, scope, checked_at, held_at, seq, size, horizon, seconds, findings)
SELECT 1, 'recent', clock_timestamp() - interval '40 s', NULL, coalesce(max(seq), -1), 0, '0', 0, {findings} FROM audit_checkpoint
"""


@pytest.mark.django_db
def test_the_age_of_the_last_sweep(client: Client) -> None:
    put("UPDATE routing_swept SET swept_at = '-infinity'")
    assert checks(client)[1]["sweep"]["detail"] == "not swept yet"
    put("UPDATE routing_swept SET swept_at = clock_timestamp() - interval '4 s'")
    found = checks(client)[1]["sweep"]
    assert (found["ok"], found["needed"]) == (True, False)
    assert without_age(found["detail"], 4) == "swept N s ago"
    put("UPDATE routing_swept SET swept_at = clock_timestamp() - interval '90 s'")
    assert checks(client)[1]["sweep"]["ok"] is False


@pytest.mark.django_db
def test_a_sequencer_that_is_gone_or_refuses_is_named(client: Client) -> None:
    put(
        "INSERT INTO audit_sequencer (log, seen_at) VALUES (1, clock_timestamp() - interval '5 s')"
        " ON CONFLICT (log) DO UPDATE SET seen_at = excluded.seen_at, refusal = ''"
    )
    seen = without_age(checks(client)[1]["log"]["detail"], 5)
    assert seen.endswith(", sequencer seen N s ago")
    put("UPDATE audit_sequencer SET seen_at = clock_timestamp() - interval '61 s'")
    assert checks(client)[1]["log"]["ok"] is False
    put("UPDATE audit_sequencer SET seen_at = clock_timestamp(), refusal = 'it is not ours'")
    found = checks(client)[1]["log"]
    assert found["ok"] is False
    assert str(found["detail"]).endswith("; it refuses to sign: it is not ours")


@pytest.mark.django_db
def test_a_log_that_is_not_published_is_said_and_is_not_healthy(client: Client) -> None:
    found = checks(client)[1]["log_published"]
    assert (found["ok"], found["needed"], found["detail"]) == (False, False, "not published yet")
    put(
        "INSERT INTO audit_publication (log, told_at, size, quorum, cosigned_size)"
        " VALUES (1, clock_timestamp() - interval '4 s', 12, 2, 12)"
    )
    found = checks(client)[1]["log_published"]
    assert found["ok"] is True
    told = without_age(found["detail"], 4)
    assert told == "size 12, told N s ago, cosigned by 2 up to size 12"
    put("UPDATE audit_publication SET cosigned_size = 11")
    assert checks(client)[1]["log_published"]["ok"] is False
    put("UPDATE audit_publication SET cosigned_size = 12, failure = 'this is a second history'")
    found = checks(client)[1]["log_published"]
    assert found["ok"] is False
    assert str(found["detail"]).endswith("; nothing new is published: this is a second history")
    put("UPDATE audit_publication SET failure = '', told_at = clock_timestamp() - interval '61 s'")
    assert checks(client)[1]["log_published"]["ok"] is False


@pytest.mark.django_db
def test_a_log_that_does_not_hold_is_said_and_is_not_healthy(client: Client) -> None:
    put(RECENT.format(findings="'{}'"))
    found = checks(client)[1]["log_verified"]
    assert (found["ok"], found["needed"]) == (True, False)
    assert without_age(found["detail"], 40) == "verified N s ago, all of it not verified yet"
    put("UPDATE audit_verified SET findings = '{\"leaf 3: the leaf is missing\"}'")
    found = checks(client)[1]["log_verified"]
    assert found["ok"] is False
    assert str(found["detail"]).startswith("the log does not hold: leaf 3: the leaf is missing; ")


@pytest.mark.django_db
def test_a_checkpoint_that_waits_for_its_check_for_minutes_is_not_healthy(client: Client) -> None:
    put(RECENT.format(findings="'{}'"))
    put(
        """
        INSERT INTO audit_checkpoint (log, seq, size, horizon, signed_at, root, seal, note)
        SELECT 1, coalesce(max(seq), -1) + 1, 0, '0', clock_timestamp() - interval '170 s',
               decode(repeat('00', 32), 'hex'), decode(repeat('00', 64), 'hex'), '' FROM audit_checkpoint
        """
    )
    assert checks(client)[1]["log_verified"]["ok"] is True
    put(
        """
        INSERT INTO audit_checkpoint (log, seq, size, horizon, signed_at, root, seal, note)
        SELECT 1, coalesce(max(seq), -1) + 1, 0, '0', clock_timestamp() - interval '190 s',
               decode(repeat('00', 32), 'hex'), decode(repeat('00', 64), 'hex'), '' FROM audit_checkpoint
        """
    )
    assert checks(client)[1]["log_verified"]["ok"] is False
