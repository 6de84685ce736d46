"""Shadow: a draft decides beside the bundle in force what comes in; nobody who calls notices, and each call counts once."""

from datetime import timedelta

import pytest

from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, MandateError, NotFound
from controlplane.kernel.principal import Principal
from policies.changes import commands, publishing, shadows
from policies.changes.models import ChangeRequest, Shadow
from policies.decisions.models import Decision
from policies.order.lock import control, mandate_now
from policies.replay.values import Counts
from tests.policies.changes.world import World, force, opened
from tests.policies.people import entries
from tests.policies.replay.world import Past, documents, record
from tests.policies.texts import permission

pytestmark = pytest.mark.usefixtures("application_role")


@pytest.fixture(autouse=True)
def _routes(world: World) -> None:
    force(*documents(world.tenant), *documents(world.other))


def no_streams(of: str) -> str:
    return permission("no-streams", of, "request.stream", "forbid")


def begun(world: World, hours: int = 2) -> tuple[ChangeRequest, Shadow]:
    """Tariq's draft decides since an hour ago."""
    row = opened(world.tariq, no_streams(world.tenant), of=world.tenant)
    shadow = shadows.start(world.tariq, row.id, hours)
    Shadow.objects.filter(pk=shadow.pk).update(started_at=mandate_now() - timedelta(hours=1))
    return row, shadow


def turn(row: ChangeRequest) -> tuple[Shadow, Counts]:
    shadows.run_all(Past())
    found = shadows.newest(row)
    assert found is not None
    return found, shadows.tally_of(found).whole


def test_it_counts_what_comes_in_once_and_shows_samples(world: World) -> None:
    record(world.tenant, 3, stream=True)
    row, shadow = begun(world)
    (told,) = entries(row.subject, "shadow.started")
    assert (told["actor"], told["data"]["base"], told["data"]["digest"]) == (
        world.tariq.actor,
        shadow.base,
        row.digest,
    )
    calls = [record(world.tenant, hours, stream=hours < 0.4) for hours in (0.3, 0.5, 0.2)]
    record(world.other, 0.3, stream=True)
    record(world.tenant, 0.001, stream=True)
    _, counts = turn(row)
    assert (counts.calls, counts.denied, counts.unchanged) == (3, 2, 1)
    found, counts = turn(row)
    assert counts.calls == 3
    tally = shadows.tally_of(found)
    assert list(tally.tenants) == [world.tenant]
    assert sorted(one.call for one in tally.samples) == sorted(
        call.bytes for call in (calls[0], calls[2])
    )
    record(world.tenant, 0.1, stream=True)
    assert turn(row)[1].denied == 3


def test_callers_and_the_bundle_in_force_do_not_notice(world: World) -> None:
    row, _ = begun(world)
    record(world.tenant, 0.3, stream=True)
    before = (control(), Decision.objects.count(), row.state, row.digest)
    turn(row)
    row.refresh_from_db()
    assert (control(), Decision.objects.count(), row.state, row.digest) == before
    assert publishing.approve(world.cleo, row.id).state == "published"


def test_two_jobs_over_the_same_calls_count_them_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, _ = begun(world)
    record(world.tenant, 0.3, stream=True)
    real = shadows._looked

    def other_first(*args: object) -> object:
        monkeypatch.setattr(shadows, "_looked", real)
        shadows.run_all(Past())
        return real(*args)  # type: ignore[arg-type] # what the other was given

    monkeypatch.setattr(shadows, "_looked", other_first)
    found, counts = turn(row)
    assert (counts.calls, found.steps) == (1, 1)


def test_it_ends_by_itself_when_its_time_is_over(world: World) -> None:
    row, shadow = begun(world)
    record(world.tenant, 0.3, stream=True)
    Shadow.objects.filter(pk=shadow.pk).update(until=mandate_now() - timedelta(minutes=10))
    record(world.tenant, 0.1, stream=True)
    found, counts = turn(row)
    assert (found.running, found.told, counts.calls) == (False, "its time is over", 1)
    (told,) = entries(row.subject, "shadow.ended")
    assert (told["actor"], told["data"]) == (
        "job:shadow",
        {"reason": "its time is over", "calls": 1, "changed": 1, "undecidable": 0},
    )
    assert shadows.run_all(Past()) == 0


def test_an_edit_and_the_end_of_the_change_end_it(world: World) -> None:
    row, _ = begun(world)
    commands.put_texts(world.tariq, row.id, permission("more", world.tenant))
    assert turn(row)[0].told == "the draft was edited"
    again = shadows.start(world.cleo, row.id, 1)
    commands.withdraw(world.tariq, row.id)
    assert turn(row)[0].told == "the change request is withdrawn"
    assert again.actor == world.cleo.actor


def test_it_follows_the_bundle_in_force_until_others_change_the_same(world: World) -> None:
    row, shadow = begun(world)
    moved = force(permission("elsewhere", world.other))
    record(world.tenant, 0.3, stream=True)
    found, counts = turn(row)
    assert (found.base, counts.denied, found.running) == (moved, 1, True)
    assert shadow.base < moved
    force(no_streams(world.tenant).replace("request.stream", "true"))
    found, _ = turn(row)
    assert found.told.startswith("others changed Permission")


def test_who_starts_and_stops_it(world: World) -> None:
    row, _ = begun(world)
    with pytest.raises(Conflict, match="runs already"):
        shadows.start(world.cleo, row.id, 1)
    for who, error in ((world.finn, Forbidden), (world.mallory, NotFound)):
        with pytest.raises(error):
            shadows.stop(who, row.id)
    ended = shadows.stop(world.cleo, row.id)
    assert (ended.running, ended.told) == (False, "stopped")
    assert entries(row.subject)[-1]["kind"] == "shadow.ended"
    with pytest.raises(NotFound, match="no shadow"):
        shadows.stop(world.cleo, row.id)


@pytest.mark.parametrize("hours", [0, 73])
def test_what_cannot_be_shadowed(world: World, hours: int) -> None:
    row = opened(world.tariq, no_streams(world.tenant), of=world.tenant)
    with pytest.raises(InvalidRequest, match="1 to 72 hours"):
        shadows.start(world.tariq, row.id, hours)
    broken = opened(world.tariq, permission("x", world.tenant, "nothing.here"), of=world.tenant)
    with pytest.raises(InvalidRequest, match="does not pass its checks"):
        shadows.start(world.tariq, broken.id, 1)
    commands.withdraw(world.tariq, row.id)
    with pytest.raises(MandateError, match="is withdrawn"):
        shadows.start(world.tariq, row.id, 1)
    assert Shadow.objects.filter(change__in=[row, broken]).count() == 0


def test_a_sample_is_for_who_may_open_the_call(world: World) -> None:
    row, _ = begun(world)
    record(world.tenant, 0.3, stream=True)
    found, _ = turn(row)
    sales = Principal(
        kind="member",
        id="sally@acme.example",
        name="Sally",
        roles={world.tenant: frozenset({"developer"})},
        teams=frozenset({(world.tenant, "sales")}),
    )

    def seen(who: Principal) -> tuple[int, list[str]]:
        part = shadows.seen(who, found)
        return part.counts.denied, [one.team for one in part.samples]

    assert seen(world.tariq) == (1, ["claims"])
    assert seen(world.cleo) == (1, ["claims"])
    assert seen(sales) == (1, [])
    assert seen(world.mallory) == (0, [])
