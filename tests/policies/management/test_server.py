"""`manage.py policy --server`: the same over a real socket, with a member's token; and nothing of another tenant."""

import json
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from controlplane.kernel.principal import Principal
from policies.bundles.models import Document
from policies.changes.models import ChangeRequest
from policies.changes.publishing import approve
from policies.identity.commands import create_token
from policies.identity.models import User
from policies.order.lock import control
from tests.policies.changes.conftest import alone, world
from tests.policies.changes.world import World, force
from tests.policies.management.running import Ran, run
from tests.policies.texts import permission

pytestmark = pytest.mark.usefixtures("application_role")
__all__ = ["alone", "world"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "policy"
    found.mkdir()
    return found


def token(who: Principal) -> str:
    return create_token(who, User.objects.get(email=who.id), name="ci").shown


def at(server: LiveServer, monkeypatch: pytest.MonkeyPatch, who: Principal, *words: str) -> Ran:
    monkeypatch.setenv("MANDATE_TOKEN", token(who))
    return run("policy", *words, "--server", server.url)


def test_a_pipeline_plans_and_applies_by_token(
    world: World, folder: Path, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "p.yaml").write_text(permission("p", world.tenant), encoding="utf-8")
    before = control()
    plan = ("plan", str(folder), "--json", "--no-replay")
    here = run("policy", *plan)
    there = at(live_server, monkeypatch, world.ada, *plan)
    assert (there.code, json.loads(there.said)) == (0, json.loads(here.said))
    words = ("--tenant", world.tenant, "--title", "From Git")
    done = at(live_server, monkeypatch, world.tariq, "apply", str(folder), *words)
    row = ChangeRequest.objects.order_by("-id")[0]
    assert (done.code, done.complained) == (0, "")
    assert done.said.splitlines()[-2:] == [
        f"change request {row.id} waits for approval: 1 more with the role approver for Permission",
        f"{live_server.url}/change-requests/{row.id}/",
    ]
    assert (row.author, row.origin, row.title, row.tenant) == (
        world.tariq.actor,
        "git",
        "From Git",
        world.tenant,
    )
    assert control() == before
    approve(world.cleo, row.id)
    again = at(live_server, monkeypatch, world.tariq, "diff", str(folder), *words[:2])
    assert again.said.splitlines() == [
        "1 document of the console is in no folder",
        f"no difference to revision {control().revision}",
    ]


def test_errors_have_their_place_over_the_wire(
    world: World, folder: Path, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "p.yaml"
    path.write_text(permission("p", world.tenant, "request.nothing"), encoding="utf-8")
    changes = ChangeRequest.objects.count()
    for action in ("validate", "apply", "plan"):
        ran = at(live_server, monkeypatch, world.ada, action, str(folder))
        assert ran.code == 1
        assert ran.complained.splitlines()[0].startswith(f"{path}:7:17 spec.when: ")
        assert ran.complained.splitlines()[1] == "      when: 'request.nothing'"
    assert ChangeRequest.objects.count() == changes


def test_export_and_single_operator(
    alone: World, folder: Path, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "p.yaml").write_text(permission("p", alone.tenant), encoding="utf-8")
    done = at(live_server, monkeypatch, alone.cleo, "apply", str(folder), "--json")
    told = json.loads(done.said)
    assert (told["state"], told["flagged"], told["revision"]) == (
        "published",
        True,
        control().revision,
    )
    assert told["digest"] == control().digest.hex()
    out = folder.parent / "out"
    at(live_server, monkeypatch, alone.cleo, "export", str(out), "--tenant", alone.tenant)
    assert [p.name for p in (out / alone.tenant / "Permission").iterdir()] == ["p.yaml"]
    # who may write and not approve leaves it to others, also in single-operator mode
    (folder / "q.yaml").write_text(permission("q", alone.tenant), encoding="utf-8")
    words = (str(folder), "--tenant", alone.tenant, "--json")
    waits = json.loads(at(live_server, monkeypatch, alone.tariq, "apply", *words).said)
    assert (waits["state"], waits["missing"]) == (
        "approval",
        "1 more with the role approver for Permission",
    )


def test_another_tenants_documents_stay_unseen(
    world: World, folder: Path, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(permission("hidden", world.tenant))
    (folder / "p.yaml").write_text(permission("p", world.other), encoding="utf-8")
    foreign = at(live_server, monkeypatch, world.mallory, "plan", str(folder))
    assert (foreign.code, "is written by its authors" in foreign.complained) == (1, True)
    words = (str(folder), "--tenant", world.tenant)
    unknown = at(live_server, monkeypatch, world.mallory, "plan", *words)
    assert unknown.complained == f'there is no tenant "{world.tenant}"'
    own = at(
        live_server,
        monkeypatch,
        world.mallory,
        "plan",
        str(folder),
        "--tenant",
        world.other,
        "--json",
    )
    assert world.tenant not in own.said
    out = folder.parent / "out"
    at(live_server, monkeypatch, world.mallory, "export", str(out))
    found = {str(p.relative_to(out)).split("/")[0] for p in out.rglob("*.yaml")}
    assert world.tenant not in found
    (folder / "p.yaml").write_text(permission("p", world.tenant), encoding="utf-8")
    stray = at(
        live_server, monkeypatch, world.mallory, "apply", str(folder), "--tenant", world.other
    )
    assert (stray.code, f'this is applied to tenant "{world.other}"' in stray.complained) == (
        1,
        True,
    )
    assert not Document.objects.filter(tenant=world.tenant, name="p").exists()


def test_a_token_that_is_none_is_three_and_never_shown(
    world: World, folder: Path, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANDATE_TOKEN", "mdp_wrong_secret")
    ran = run("policy", "plan", str(folder), "--server", live_server.url)
    assert ran.code == 3
    assert "mdp_wrong_secret" not in ran.said + ran.complained
    file = folder.parent / "token"
    file.write_text(token(world.ada), encoding="ascii")
    monkeypatch.delenv("MANDATE_TOKEN")
    done = run(
        "policy", "plan", str(folder), "--server", live_server.url, "--token-file", str(file)
    )
    assert (done.code, done.said.splitlines()[0].startswith("nothing to change")) == (0, True)


def test_waiting_ends_with_the_change(
    world: World, folder: Path, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("policies.management.folders._POLL_SECONDS", 0.01)
    (folder / "p.yaml").write_text(permission("p", world.tenant), encoding="utf-8")
    waits = at(
        live_server, monkeypatch, world.ada, "apply", str(folder), "--wait", "0.03", "--json"
    )
    assert (waits.code, json.loads(waits.said)["state"]) == (0, "approval")
    monkeypatch.setattr(
        "policies.management.folders.sleep",
        lambda _: approve(world.cleo, ChangeRequest.objects.order_by("-id")[0].id),
    )
    done = at(live_server, monkeypatch, world.ada, "apply", str(folder), "--wait", "1")
    assert done.said.splitlines()[-1] == (
        f"revision {control().revision} is in force, digest {control().digest.hex()}"
    )
