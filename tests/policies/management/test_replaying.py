"""`policy plan` says what a folder would have done to the calls of the last days, to who planned it alone."""

import json
from pathlib import Path
from uuid import UUID

import pytest
from pytest_django.live_server_helper import LiveServer

from controlplane.kernel.errors import NotFound
from controlplane.kernel.principal import Principal
from policies.changes.models import ChangeRequest
from policies.folders import replaying as folders
from policies.folders.folder import Folder, read_folder
from policies.folders.planning import Wanted
from policies.folders.repository import repository_of
from policies.management import replaying
from policies.order.lock import control
from policies.replay.job import run_next
from policies.replay.models import Replay
from tests.policies.changes.conftest import world
from tests.policies.changes.world import World, force
from tests.policies.management.running import run
from tests.policies.management.test_server import at
from tests.policies.people import entries
from tests.policies.replay.world import Past, documents, record
from tests.policies.texts import permission

pytestmark = pytest.mark.usefixtures("application_role")
__all__ = ["world"]
DENIES = "1 of 3 calls would fare otherwise: 1 denied."


@pytest.fixture
def folder(tmp_path: Path, world: World) -> Path:
    """A rule that would deny streams; three calls came in, one of them streamed."""
    force(*documents(world.tenant))
    for stream in (True, False, False):
        record(world.tenant, stream=stream)
    found = tmp_path / "policy"
    found.mkdir()
    text = permission("n", world.tenant, "request.stream", "forbid")
    (found / "n.yaml").write_text(text, encoding="utf-8")
    return found


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the command waits, a jobs worker does what is queued."""
    monkeypatch.setattr(replaying, "QUEUED_SECONDS", 30.0)
    monkeypatch.setattr(replaying, "sleep", lambda _: run_next(Past()))


def local(folder: Path) -> Folder:
    return read_folder(folder, repository_of(folder), None).folder


def seen(who: Principal, replay: UUID) -> bool:
    """Whether it exists for somebody."""
    try:
        return bool(folders.facts(who, replay))
    except NotFound:
        return False


@pytest.mark.usefixtures("worker")
def test_a_plan_ends_with_what_it_would_have_done(folder: Path, world: World) -> None:
    before = (control(), ChangeRequest.objects.count())
    done = run("policy", "plan", str(folder), "--tenant", world.tenant)
    row = Replay.objects.get(what="plan", tenant=world.tenant)
    said = done.said.splitlines()
    at = said.index("replay of the last 7 days:")
    assert said[at + 1] == f"    {DENIES}"
    assert said[-1] == f"    digest {row.digest}"
    assert done.complained == "replay: 0 % of 7 days, 0 calls\n"
    assert (control(), ChangeRequest.objects.count()) == before
    assert [entry["kind"] for entry in entries(f"plan:{row.id.hex}")] == [
        "replay.started",
        "replay.finished",
    ]


def test_without_a_worker_or_a_wish_the_plan_stands_alone(folder: Path, world: World) -> None:
    of = ("plan", str(folder), "--tenant", world.tenant)
    waiting = run("policy", *of)
    assert (waiting.code, waiting.said.splitlines()[-1]) == (
        0,
        "replay: no jobs worker took it yet; it waits for one",
    )
    told = json.loads(run("policy", *of, "--no-replay", "--json").said)
    assert told["replay"] is None
    assert Replay.objects.filter(what="plan", tenant=world.tenant).count() == 1
    other = (folder / "n.yaml").read_text(encoding="utf-8").replace("stream", "inputTokensMax > 9")
    (folder / "n.yaml").write_text(other, encoding="utf-8")
    run("policy", *of)
    states = Replay.objects.filter(what="plan", tenant=world.tenant).order_by("id")
    assert list(states.values_list("state", flat=True)) == ["cancelled", "queued"]


@pytest.mark.usefixtures("worker")
def test_the_same_at_a_server_and_for_nobody_else(
    folder: Path, world: World, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = ("plan", str(folder), "--tenant", world.tenant, "--json")
    told = json.loads(at(live_server, monkeypatch, world.tariq, *of).said)["replay"]
    assert (told["state"], told["says"][0], told["found"]["sentence"]) == ("done", DENIES, DENIES)
    assert (told["found"]["whole"], told["found"]["counts"]["denied"]) == (True, 1)
    row = Replay.objects.get(what="plan", tenant=world.tenant)
    assert (row.actor, row.digest) == (world.tariq.actor, told["digest"])
    others = (world.cleo, world.mallory, Principal(kind="cli", id="tess", name="tess"))
    assert [seen(who, row.id) for who in (world.tariq, *others)] == [True, False, False, False]


def test_who_may_not_write_there_begins_nothing(folder: Path, world: World) -> None:
    with pytest.raises(NotFound):
        folders.begin(world.mallory, local(folder), Wanted(tenant=world.tenant))
    assert not Replay.objects.filter(tenant=world.tenant).exists()
