"""The page on the state of the log, and what the API says of it."""

from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from tests.policies.changes.world import World
from tests.policies.people import entries
from tests.policies.ui.conftest import Pages, words, world

__all__ = ["world"]
FOUND = """
INSERT INTO audit_verified (log, scope, checked_at, held_at, seq, size, horizon, seconds, findings)
VALUES (1, 'recent', now(), NULL, 0, 0, '0', 0, %s)
ON CONFLICT (log, scope) DO UPDATE SET findings = excluded.findings
"""


@pytest.fixture
def alarmed(world: World, owner_dsn: str) -> Iterator[World]:
    """A check of this minute that found something; nothing of it is left for others."""
    with connection.cursor() as cursor:
        cursor.execute(FOUND, [["entry 3: its tenant is not what its body says"]])
    yield world
    with psycopg.connect(owner_dsn, autocommit=True) as db:
        db.execute("SET ROLE mandate_owner")
        db.execute("DELETE FROM audit_verified")
        db.execute("DELETE FROM audit_acknowledged")


def test_a_finding_is_acknowledged_with_a_reason_and_stays_named(alarmed: World) -> None:
    ada, finding = Pages(alarmed.ada), "entry 3: its tenant is not what its body says"
    said = words(ada.get("/log/state/"))
    assert "The audit log does not hold: 1 thing is wrong" in said
    assert "Acknowledge" in said
    refused = words(ada.post("/log/state/acknowledge/", finding=finding, reason=" "))
    assert "Say why, in at most 500 characters." in refused
    before = entries("log", "finding.acknowledged")
    said = words(ada.post("/log/state/acknowledge/", finding=finding, reason="restored"))
    assert "Acknowledged. It stays named wherever the log is verified." in said
    assert "does not hold" not in said
    assert finding in said
    assert "verified, but for 1 acknowledged," in said
    (told,) = entries("log", "finding.acknowledged")[len(before) :]
    assert (told["actor"], told["data"]) == (
        alarmed.ada.actor,
        {"finding": finding, "reason": "restored"},
    )


def test_who_reads_a_part_of_the_log_or_none_sees_no_state(alarmed: World) -> None:
    for who in (alarmed.tariq, alarmed.mallory, alarmed.finn):
        pages = Pages(who)
        assert pages.get("/log/state/").status_code == 403
        assert pages.post("/log/state/acknowledge/", finding="x", reason="y").status_code == 403


def test_the_api_says_the_same(alarmed: World) -> None:
    told = Pages(alarmed.cleo).get("/api/v1/audit/standing/").json()
    assert (told["ok"], told["findings"], told["acknowledged"]) == (
        False,
        ["entry 3: its tenant is not what its body says"],
        [],
    )
    assert Pages(alarmed.tariq).get("/api/v1/audit/standing/").status_code == 403
