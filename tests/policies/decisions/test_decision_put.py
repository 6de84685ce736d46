"""Decision records: written once by the SQL function, by month, and never changed."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, ProgrammingError, connection, transaction

from controlplane.kernel.ids import uuid7_floor
from policies.decisions.models import Decision
from policies.order.ids import new_id

pytestmark = pytest.mark.usefixtures("application_role")


def _put(call: UUID, no: int = 1, stage: str = "request", effect: str = "permit") -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT decision_put(%s, %s::smallint, %s, %s, %s, %s, %s, %s)",
            [call, no, stage, "insurance", 7, effect, b"\x01" * 32, b"{}"],
        )


def test_a_record_has_what_gives_the_decision_again() -> None:
    call = new_id()
    _put(call)
    _put(call, 2, "response", "escalate")
    first, second = Decision.objects.filter(call=call).order_by("no")
    assert (first.stage, first.tenant, first.revision, first.effect) == (
        "request",
        "insurance",
        7,
        "permit",
    )
    assert (bytes(first.digest), bytes(first.facts)) == (b"\x01" * 32, b"{}")
    assert (second.no, second.stage, second.effect) == (2, "response", "escalate")
    assert Decision.objects.get(pk=(call, 2)) == second


def test_a_stage_is_recorded_once() -> None:
    call = new_id()
    _put(call)
    with pytest.raises(IntegrityError):
        _put(call)
    assert Decision.objects.filter(call=call).count() == 1


@pytest.mark.parametrize(("stage", "effect"), [("dream", "permit"), ("request", "maybe")])
def test_only_known_stages_and_effects(stage: str, effect: str) -> None:
    call = new_id()
    with pytest.raises(IntegrityError):
        _put(call, 1, stage, effect)
    assert not Decision.objects.filter(call=call).exists()


def test_nobody_changes_or_deletes_a_record() -> None:
    call = new_id()
    _put(call)
    for change in (
        lambda: Decision.objects.filter(call=call).update(effect="deny"),
        lambda: Decision.objects.filter(call=call).delete(),
    ):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            change()
    assert Decision.objects.get(call=call).effect == "permit"


def test_a_call_of_a_month_that_is_not_made_fails_loudly() -> None:
    far = UUID(int=uuid7_floor(datetime(2031, 1, 1, tzinfo=UTC)).int + 1)
    with pytest.raises(DatabaseError, match="no partition"):
        _put(far)


def test_bundles_are_append_only_too() -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), connection.cursor() as cursor:
        cursor.execute("UPDATE policies_bundle SET engine = 2")
    with pytest.raises(ProgrammingError, match="permission denied"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM policies_bundle")
