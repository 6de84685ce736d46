"""Change requests from the command line: an account on the machine never passes for two people."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from policies.bundles.models import Document
from policies.changes.models import ChangeRequest
from policies.identity.commands import create_token
from policies.identity.models import User
from policies.management import proposing
from policies.order.lock import control
from tests.policies.changes.world import World, force
from tests.policies.changes.world import world as made
from tests.policies.management.running import Ran, run
from tests.policies.people import entries
from tests.policies.texts import ORGANISATION, permission

pytestmark = pytest.mark.usefixtures("application_role")


@pytest.fixture
def world() -> Iterator[World]:
    with made() as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path, world: World) -> Path:
    """One rule of the tenant."""
    found = tmp_path / "policy"
    found.mkdir()
    (found / "p.yaml").write_text(permission("p", world.tenant), encoding="utf-8")
    return found


def token(world: World, name: str) -> str:
    who = world.people[name]
    return create_token(who, User.objects.get(email=who.id), name="cli").shown


def only() -> ChangeRequest:
    found = ChangeRequest.objects.order_by("-id").first()
    assert found is not None
    return found


def test_apply_in_four_eyes_hands_in_a_change_request_and_says_so(
    folder: Path, world: World
) -> None:
    before = control()
    done = run("policy", "apply", str(folder))
    row = only()
    assert (done.code, done.complained) == (0, "")
    assert done.said.splitlines() == [
        "handed in as a change request, not published",
        f"+ Permission {world.tenant}/p",
        f"change request {row.id} waits for approval: 1 more with the role approver for Permission",
        f"/change-requests/{row.id}/",
    ]
    assert control() == before
    assert (row.author, row.origin, row.state, row.title) == (
        "cli:tess",
        "git",
        "approval",
        "policy apply policy",
    )
    again = run("policy", "apply", str(folder), "--json")
    assert json.loads(again.said)["id"] == str(row.id)
    assert ChangeRequest.objects.filter(digest=row.digest).count() == 1
    assert not Document.objects.filter(tenant=world.tenant, name="p").exists()


def test_apply_of_what_is_published_changes_nothing(folder: Path, world: World) -> None:
    revision = force(permission("p", world.tenant))
    assert run("policy", "apply", str(folder)).said.splitlines()[-1] == (
        f"nothing to change: revision {revision} is in force"
    )
    told = json.loads(run("policy", "apply", str(folder), "--json").said)
    assert told == {"revision": revision, "created": 0, "changed": 0, "deleted": 0}


def test_the_operator_approves_nothing_in_four_eyes(
    folder: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = control()
    run("policy", "propose", str(folder), "--title", "More", "--as", world.tariq.id)
    row = only()
    refused = run("policy", "approve", str(row.id))
    assert refused.code == 1
    assert "a member approves, not an account on the machine" in refused.complained
    monkeypatch.setenv("MANDATE_TOKEN", token(world, "ada"))
    assert "Ada does not hold it here" in run("policy", "approve", str(row.id)).complained
    assert control() == before
    monkeypatch.setenv("MANDATE_TOKEN", token(world, "cleo"))
    done = run("policy", "approve", str(row.id), "--reason", "fine", "--json")
    assert json.loads(done.said) == {
        "id": str(row.id),
        "title": "More",
        "tenant": "",
        "state": "published",
        "author": world.tariq.actor,
        "base": before.revision,
        "revision": before.revision + 1,
        "flagged": False,
        "createdAt": json.loads(done.said)["createdAt"],
        "digest": control().digest.hex(),
        "missing": "",
        "failed": [],
    }
    assert entries(row.subject, "change.approved")[0]["actor"] == world.cleo.actor
    opened = entries(row.subject, "change.opened")[0]
    assert (opened["actor"], opened["data"]["author"]) == ("cli:tess", world.tariq.actor)


def test_who_is_named_as_the_author_may_not_approve(
    folder: Path, world: World, tmp_path: Path
) -> None:
    run("policy", "propose", str(folder), "--title", "Mine", "--as", world.cleo.id.upper())
    file = tmp_path / "token"
    file.write_text(token(world, "cleo"), encoding="ascii")
    refused = run("policy", "approve", str(only().id), "--token-file", str(file))
    assert "you wrote or last edited this" in refused.complained
    missing = run("policy", "approve", str(only().id), "--token-file", str(tmp_path / "none"))
    assert "cannot be read as a token" in missing.complained
    unknown = run("policy", "propose", str(folder), "--title", "x", "--as", "no@acme.example")
    assert 'there is no member "no@acme.example"' in unknown.complained


def test_what_the_machine_wrote_for_nobody_is_not_approved_from_a_shell(
    folder: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("policy", "apply", str(folder))
    before = control()
    monkeypatch.setenv("MANDATE_TOKEN", token(world, "cleo"))
    refused = run("policy", "approve", str(only().id))
    assert (refused.code, control()) == (1, before)
    assert "cli:tess wrote this without saying for whom" in refused.complained


def test_requests_are_listed(folder: Path, world: World) -> None:
    run("policy", "propose", str(folder), "--title", "Listed", "--tenant", world.tenant)
    row = only()
    assert (
        f"{row.id}  approval   {world.tenant}  Listed"
        in run("policy", "requests").said.splitlines()
    )
    found = [json.loads(text) for text in run("policy", "requests", "--json").said.splitlines()]
    assert found[0]["id"] == str(row.id)
    ChangeRequest.objects.filter(pk=row.pk).update(state="withdrawn")
    assert str(row.id) not in run("policy", "requests").said
    assert str(row.id) in run("policy", "requests", "--state", "all").said


def test_a_wrong_folder_says_where(folder: Path, world: World) -> None:
    (folder / "p.yaml").write_text(
        permission("p", world.tenant, "request.nothing"), encoding="utf-8"
    )
    done = run("policy", "propose", str(folder), "--title", "Wrong")
    _, failed, problem, state = done.said.splitlines()
    assert failed == "does not pass: whole"
    assert problem.startswith(f"  {world.tenant}/Permission/p.yaml:7:17 spec.when: ")
    assert state == f"change request {only().id} is in state checks"


def test_prune_deletes_in_the_change_request_too(folder: Path, world: World) -> None:
    force(permission("old", world.tenant), origin="git")
    # what applies of other tests of this database brought is kept by being there
    for row in Document.objects.filter(origin="git").exclude(tenant=world.tenant):
        file = folder / f"{row.kind}-{row.tenant}-{row.name}.yaml"
        file.write_text(row.source, encoding="utf-8")
    said = run("policy", "propose", str(folder), "--title", "Prune", "--prune").said
    assert said.splitlines()[:2] == [
        f"- Permission {world.tenant}/old",
        f"+ Permission {world.tenant}/p",
    ]


def test_rollback_hands_in_the_old_documents(world: World, folder: Path) -> None:
    first = force(permission("p", world.tenant))
    force(permission("p", world.tenant, "request.stream"))
    done = run("policy", "rollback", str(first), "--as", world.cleo.id)
    row = only()
    assert done.said.splitlines()[0] == f"~ Permission {world.tenant}/p"
    assert (row.rollback_of, row.author, row.state) == (first, world.cleo.actor, "approval")


def test_in_single_operator_mode_the_operator_approves_flagged(world: World, folder: Path) -> None:
    force(ORGANISATION)
    done = run("policy", "propose", str(folder), "--title", "Alone")
    row = only()
    assert "waits for approval: 1 more with the role approver" in done.said.splitlines()[-1]
    assert run("policy", "approve", str(row.id)).said.splitlines()[-1] == (
        f"revision {control().revision} is in force, by change request {row.id}, "
        "flagged: one person published alone"
    )
    row.refresh_from_db()
    assert (row.state, row.flagged) == ("published", True)


def test_the_three_at_a_server_do_what_they_do_here(
    folder: Path, world: World, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def there(who: str, *words: str) -> Ran:
        monkeypatch.setenv("MANDATE_TOKEN", token(world, who))
        return run("policy", *words, "--server", live_server.url)

    propose = ("propose", str(folder), "--title", "Far", "--tenant", world.tenant)
    done = there("tariq", *propose)
    row = only()
    assert (row.author, row.state, row.origin) == (world.tariq.actor, "approval", "git")
    waits = (
        f"change request {row.id} waits for approval: 1 more with the role approver for Permission"
    )
    assert done.said.splitlines() == [f"+ Permission {world.tenant}/p", waits]
    told = json.loads(there("tariq", *propose, "--json").said)
    assert told == proposing.facts(row)
    # the whole list, page by page, and nothing of another tenant
    listed = there("tariq", "requests").said.splitlines()
    assert f"{row.id}  approval   {world.tenant}  Far" in listed
    assert str(row.id) not in there("mallory", "requests", "--state", "all").said
    named = there("tariq", *propose, "--as", world.cleo.id)
    assert (named.code, "the token says who writes" in named.complained) == (1, True)
    assert only() == row


def test_a_rollback_at_a_server(
    world: World, folder: Path, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = force(permission("p", world.tenant))
    monkeypatch.setenv("MANDATE_TOKEN", token(world, "ada"))
    at = ("--server", live_server.url)
    same = run("policy", "propose", str(folder), "--title", "Same", *at)
    assert same.said.splitlines() == [f"nothing to change: revision {first} is in force"]
    force(permission("p", world.tenant, "request.stream"))
    done = run("policy", "rollback", str(first), "--reason", "enough", *at)
    row = only()
    assert done.said.splitlines()[0] == f"~ Permission {world.tenant}/p"
    assert (row.rollback_of, row.author, row.reason) == (first, world.ada.actor, "enough")
    (folder / "p.yaml").write_text(
        permission("p", world.tenant, "request.nothing"), encoding="utf-8"
    )
    wrong = run("policy", "propose", str(folder), "--title", "Wrong", *at).said.splitlines()
    assert (wrong[1], wrong[-1]) == (
        "does not pass: whole",
        f"change request {only().id} is in state checks",
    )
    assert wrong[2].startswith(f"  {world.tenant}/Permission/p.yaml:7:17 spec.when: ")
