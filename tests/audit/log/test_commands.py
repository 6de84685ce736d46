"""Acknowledging what the log's own checks found: by whom, once, with a reason, and an entry."""

import pytest
from django.db import connection

from audit.log import commands, read
from audit.log.models import Acknowledged
from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest
from tests.audit.retention.conftest import refused
from tests.policies.people import entries, member
from tests.refusing import refuses_first

pytestmark = pytest.mark.django_db
ADA = member("ada", "admin")
ROW = """
INSERT INTO audit_verified (log, scope, checked_at, held_at, seq, size, horizon, seconds, findings)
VALUES (1, 'recent', now(), NULL, 0, 0, '0', 0, %s)
"""


@pytest.fixture(autouse=True)
def _found(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(ROW, [["leaf 3: gone", "leaf 4: gone"]])


def told() -> list[tuple[str, dict[str, str]]]:
    return [(e["actor"], e["data"]) for e in entries("log", "finding.acknowledged")]


@refuses_first("log.acknowledge")
def test_a_finding_is_acknowledged_once_and_the_entry_says_by_whom_and_why() -> None:
    before = told()
    commands.acknowledge(ADA, "leaf 3: gone", " restored   from backup ")
    found, _ = read.checked()
    assert found is not None
    assert (found.findings, found.acknowledged, found.ok) == (
        ("leaf 4: gone",),
        ("leaf 3: gone",),
        False,
    )
    data = {"finding": "leaf 3: gone", "reason": "restored from backup"}
    assert told() == [*before, (ADA.actor, data)]
    with pytest.raises(Conflict):
        commands.acknowledge(ADA, "leaf 3: gone", "again")
    assert Acknowledged.objects.count() == 1


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "a\x00b"])
def test_a_reason_is_needed(reason: str) -> None:
    with pytest.raises(InvalidRequest):
        commands.acknowledge(ADA, "leaf 3: gone", reason)
    assert Acknowledged.objects.count() == 0


def test_what_no_check_says_cannot_be_acknowledged_beforehand() -> None:
    told = refused(lambda: commands.acknowledge(ADA, "leaf 9: gone", "just in case"))
    assert told == "no check says this, or somebody has acknowledged it already"
    assert Acknowledged.objects.count() == 0


@pytest.mark.parametrize(
    "who",
    [
        member("cleo", "auditor"),
        member("finn", "finance"),
        member("otto", "admin", tenant="insurance"),
    ],
)
def test_who_only_reads_acknowledges_nothing(who: object) -> None:
    before = told()
    with pytest.raises(Forbidden):
        commands.acknowledge(who, "leaf 3: gone", "known")  # type: ignore[arg-type] # a member
    assert (Acknowledged.objects.count(), told()) == (0, before)
