"""How the log stands, in one word."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audit.ui.standing import Standing, standing

ROW = """
INSERT INTO audit_verified (log, scope, checked_at, held_at, seq, size, horizon, seconds, findings)
VALUES (1, %s, %s, %s, 0, 0, '0', 0, %s)
"""
NOW = timezone.now()
pytestmark = pytest.mark.django_db


def checked(scope: str, ago: timedelta, *findings: str) -> None:
    with connection.cursor() as cursor:
        held_at = None if findings else NOW - ago
        cursor.execute(ROW, [scope, NOW - ago, held_at, list(findings)])


def test_verified_a_moment_ago() -> None:
    checked("recent", timedelta(seconds=40))
    checked("whole", timedelta(hours=5))
    assert standing(NOW) == Standing(
        "verified", "ok", NOW - timedelta(seconds=40), NOW - timedelta(hours=5)
    )


def test_a_check_that_no_longer_comes_is_said() -> None:
    checked("recent", timedelta(minutes=6))
    assert standing(NOW) == Standing("last verified", "warn", NOW - timedelta(minutes=6))


@pytest.mark.parametrize("scope", ["recent", "whole"])
def test_what_day_or_night_found_is_on_every_page(scope: str) -> None:
    checked("recent", timedelta(seconds=40), *(["leaf 3: gone"] if scope == "recent" else []))
    if scope == "whole":
        checked("whole", timedelta(hours=5), "leaf 3: gone")
    found = standing(NOW)
    assert found is not None
    assert (found.word, found.tone, found.wrong) == ("does not hold", "bad", ("leaf 3: gone",))
    assert found.banner == "The audit log does not hold: 1 thing is wrong"


def test_what_somebody_acknowledged_is_said_without_an_alarm() -> None:
    checked("recent", timedelta(seconds=40), "leaf 3: gone", "leaf 4: gone")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_acknowledged VALUES (now(), 1, 'leaf 3: gone', 'member:ada@acme.example', 'known')"
        )
    found = standing(NOW)
    assert found is not None
    assert (found.word, found.wrong, found.acknowledged) == (
        "does not hold",
        ("leaf 4: gone",),
        ("leaf 3: gone",),
    )
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_verified SET findings = '{}'")
    found = standing(NOW)
    assert found is not None
    assert (found.word, found.tone, found.wrong, found.banner) == (
        "verified, but for 1 acknowledged,",
        "warn",
        (),
        "",
    )


def test_before_the_first_check_a_signature_is_all_there_is() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO audit_checkpoint (log, seq, size, horizon, signed_at, root, seal, note)
            SELECT 1, coalesce(max(seq), -1) + 1, 0, '0', %s, decode(repeat('00', 32), 'hex'),
                   decode(repeat('00', 64), 'hex'), '' FROM audit_checkpoint
            """,
            [NOW],
        )
    assert standing(NOW) == Standing("signed", "ok", NOW)
