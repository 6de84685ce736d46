"""Kill switches: one admin sets, two people lift, each moves the epoch with its entry; a refusal moves nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, NotFound
from policies.order.lock import control
from policies.stops import commands, read
from policies.stops.commands import Lifting, NewStop
from policies.stops.models import Stop
from tests.policies.people import ADA, CLEO, FINN, entries, member
from tests.refusing import refuses_first

pytestmark = pytest.mark.usefixtures("application_role")


def _model(**more: object) -> NewStop:
    # a name of its own: other tests of this database call models
    fields: dict[str, object] = {"kind": "model", "name": "stopped", "reason": "odd answers"}
    return NewStop(**(fields | more))  # type: ignore[arg-type]  # the test names the fields


def _kinds(stop: Stop) -> list[str]:
    return [e["kind"] for e in entries(subject=f"stop:{stop.id.hex}")]


def test_an_admin_sets_a_stop_and_the_epoch_moves_with_its_entry() -> None:
    before = control()
    stop = commands.set_stop(ADA, _model(), exists=True)
    after = control()
    assert (after.stop_epoch, after.revision) == (before.stop_epoch + 1, before.revision)
    assert stop.set_epoch == after.stop_epoch
    assert stop.scope == {"kind": "model", "tenant": "", "name": "stopped"}
    assert stop in read.active()
    (entry,) = entries(subject=f"stop:{stop.id.hex}")
    assert (entry["kind"], entry["actor"]) == ("stop.set", "member:ada@acme.example")
    assert entry["data"] == {
        "scope": stop.scope,
        "reason": "odd answers",
        "epoch": stop.set_epoch,
    }


@pytest.mark.parametrize(
    ("wanted", "exists", "error"),
    [
        (_model(reason=" "), True, InvalidRequest),
        (_model(name=""), True, InvalidRequest),
        (_model(kind="planet"), True, InvalidRequest),
        (_model(kind="everything"), True, InvalidRequest),
        (
            _model(kind="tenant", tenant="stopped-tenant", name="stopped-tenant"),
            True,
            InvalidRequest,
        ),
        (_model(until=datetime(2026, 1, 1, tzinfo=UTC)), True, InvalidRequest),
        (_model(), False, NotFound),
    ],
)
def test_what_cannot_be_a_stop_moves_nothing(
    wanted: NewStop, exists: bool, error: type[Exception]
) -> None:
    before, stops = control(), Stop.objects.count()
    with pytest.raises(error):
        commands.set_stop(ADA, wanted, exists=exists)
    assert (control(), Stop.objects.count()) == (before, stops)


def test_only_an_admin_sets_and_a_tenants_admin_only_there() -> None:
    before = control()
    there = member("tess", "admin", tenant="stopped-tenant")
    for who, wanted in ((CLEO, _model()), (FINN, _model()), (there, _model())):
        with pytest.raises(Forbidden):
            commands.set_stop(who, wanted, exists=True)
    with pytest.raises(Forbidden):
        commands.set_stop(there, _model(kind="tenant", name="retail"), exists=True)
    assert control() == before
    commands.set_stop(there, _model(tenant="stopped-tenant"), exists=True)
    commands.set_stop(there, _model(kind="tenant", name="stopped-tenant"), exists=True)
    assert control().stop_epoch == before.stop_epoch + 2


@refuses_first("stops.set_stop", "stops.lift_stop")
def test_lifting_is_asked_by_one_and_confirmed_by_another() -> None:
    stop = commands.set_stop(ADA, _model(), exists=True)
    epoch = control().stop_epoch
    assert commands.lift_stop(ADA, stop.id, single_operator=False) is Lifting.ASKED
    with pytest.raises(Conflict, match="another"):
        commands.lift_stop(ADA, stop.id, single_operator=False)
    with pytest.raises(Forbidden):
        commands.lift_stop(FINN, stop.id, single_operator=False)
    assert (control().stop_epoch, stop in read.active()) == (epoch, True)
    assert commands.lift_stop(CLEO, stop.id, single_operator=False) is Lifting.LIFTED
    assert (control().stop_epoch, stop in read.active()) == (epoch + 1, False)
    with pytest.raises(Conflict):
        commands.lift_stop(CLEO, stop.id, single_operator=False)
    row = Stop.objects.get(pk=stop.id)
    assert (row.lift_asked_by, row.lifted_by, row.lifted_epoch) == (
        "member:ada@acme.example",
        "member:cleo@acme.example",
        epoch + 1,
    )
    assert _kinds(stop) == ["stop.set", "stop.lift-asked", "stop.lifted"]
    assert entries(subject=f"stop:{stop.id.hex}")[-1]["data"]["flagged"] is False


def test_a_single_operator_lifts_alone_and_the_entry_is_flagged() -> None:
    stop = commands.set_stop(ADA, _model(), exists=True)
    assert commands.lift_stop(ADA, stop.id, single_operator=True) is Lifting.LIFTED
    assert _kinds(stop) == ["stop.set", "stop.lifted"]
    assert entries(subject=f"stop:{stop.id.hex}")[-1]["data"]["flagged"] is True


def test_an_unknown_stop() -> None:
    unknown = commands.set_stop(ADA, _model(), exists=True).id.int ^ 1
    with pytest.raises(NotFound):
        commands.lift_stop(ADA, type(read.active()[0].id)(int=unknown), single_operator=True)


@refuses_first("stops.set_stop", "stops.lift_expired")
def test_a_stop_with_an_end_stays_on_until_its_lifting_is_committed() -> None:
    until = datetime.now(tz=UTC) + timedelta(hours=1)
    stop = commands.set_stop(ADA, _model(until=until), exists=True)
    assert commands.lift_expired() == []
    Stop.objects.filter(pk=stop.id).update(until=datetime.now(tz=UTC) - timedelta(seconds=1))
    epoch = control().stop_epoch
    assert stop in read.active()
    assert commands.lift_expired() == [stop.id]
    assert control().stop_epoch == epoch + 1
    assert stop not in read.active()
    assert stop in read.past()
    assert commands.lift_expired() == []
    assert control().stop_epoch == epoch + 1
    last = entries(subject=f"stop:{stop.id.hex}")[-1]
    assert (last["kind"], last["actor"], last["data"]["ended"]) == (
        "stop.lifted",
        "job:stops",
        True,
    )
