"""Who keeps a document: Git or the console; neither goes over the other in silence."""

import json
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from controlplane.kernel.errors import Conflict, Forbidden, NotFound
from policies.bundles.models import Document
from policies.bundles.ownership import OwnedByConsole, OwnedByGit, place_of
from policies.bundles.owning import take_over
from policies.changes import commands, publishing
from policies.changes.commands import NewChange
from policies.changes.models import ChangeRequest
from policies.changes.seen import ANYTHING
from policies.folders.patch import patch
from policies.order.lock import control
from tests.policies.changes.conftest import alone, world
from tests.policies.changes.world import World, opened
from tests.policies.folders.test_folder import git
from tests.policies.management.running import run
from tests.policies.management.test_server import at
from tests.policies.people import entries
from tests.policies.texts import permission, tenant

pytestmark = pytest.mark.usefixtures("application_role")
__all__ = ["alone", "world"]


@pytest.fixture
def repository(alone: World, tmp_path: Path) -> Path:
    """A repository whose `policy/rules.yaml` has two rules of the tenant, applied."""
    folder = tmp_path / "repo" / "policy"
    folder.mkdir(parents=True)
    (folder / "rules.yaml").write_text(
        f"# the rules\n{permission('p', alone.tenant)}---\n{permission('q', alone.tenant)}",
        encoding="utf-8",
    )
    git(folder.parent, "init", "-q")
    git(folder.parent, "remote", "add", "origin", "https://github.com/acme/policies.git")
    commit(folder)
    done = run("policy", "apply", str(folder))
    assert done.code == 0, done.complained
    return folder


def commit(folder: Path) -> str:
    git(folder.parent, "add", ".")
    git(folder.parent, "commit", "-qm", "change")
    return git(folder.parent, "rev-parse", "HEAD")


def head(world: World, name: str) -> Document:
    return Document.objects.get(kind="Permission", tenant=world.tenant, name=name)


def test_git_keeps_what_a_folder_in_a_repository_brought(alone: World, repository: Path) -> None:
    row = head(alone, "q")
    place = place_of(row.place)
    assert row.origin == "git"
    assert (place.repository, place.commit, place.path, place.line) == (
        "https://github.com/acme/policies.git",
        git(repository, "rev-parse", "HEAD"),
        "policy/rules.yaml",
        10,
    )
    change = ChangeRequest.objects.order_by("-id")[0]
    told = json.loads(run("policy", "plan", str(repository), "--json").said)
    assert change.source == told["sourceDigest"]


def test_the_console_may_not_write_what_git_keeps(alone: World, repository: Path) -> None:
    before, text = control(), permission("p", alone.tenant, "request.stream")
    row = commands.draft(alone.cleo, NewChange(title="Mine"))
    identity = ("Permission", alone.tenant, "p")
    place = place_of(head(alone, "p").place)
    for write in (
        lambda: commands.put_texts(alone.cleo, row.id, text),
        lambda: commands.put_text(alone.cleo, row.id, identity, text, ANYTHING),
        lambda: commands.delete_document(alone.cleo, row.id, identity),
    ):
        with pytest.raises(OwnedByGit) as raised:
            write()
        assert raised.value.message == (
            f"Permission {alone.tenant}/p is kept in Git, policy/rules.yaml:2 at {place.commit[:10]} of "
            "https://github.com/acme/policies.git: change it there, or take it over first"
        )
    assert (row.edits.count(), control()) == (0, before)


def test_taking_over_is_an_entry_and_an_authors_or_admins(alone: World, repository: Path) -> None:
    identity = ("Permission", alone.tenant, "p")
    for who, error in (
        (alone.finn, Forbidden),
        (alone.tariq, Forbidden),
        (alone.mallory, NotFound),
    ):
        with pytest.raises(error):
            take_over(who, identity)
    assert head(alone, "p").origin == "git"
    take_over(alone.ada, identity)
    row = head(alone, "p")
    assert (row.origin, place_of(row.place).taken) == ("console", True)
    (entry,) = entries(f"document:Permission {alone.tenant}/p")
    assert (entry["kind"], entry["actor"], entry["data"]["path"]) == (
        "document.taken-over",
        alone.ada.actor,
        "policy/rules.yaml",
    )
    with pytest.raises(Conflict):
        take_over(alone.ada, identity)
    assert len(entries(f"document:Permission {alone.tenant}/p")) == 1


def test_taking_over_from_the_command_line_and_at_a_server(
    alone: World, repository: Path, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = f"Permission/{alone.tenant}/p"
    refused = at(live_server, monkeypatch, alone.tariq, "take-over", document)
    assert (refused.code, head(alone, "p").origin) == (1, "git")
    done = at(live_server, monkeypatch, alone.ada, "take-over", document, "--json")
    assert json.loads(done.said)["origin"] == head(alone, "p").origin == "console"
    (entry,) = entries(f"document:Permission {alone.tenant}/p")
    assert (entry["kind"], entry["actor"]) == ("document.taken-over", alone.ada.actor)
    again = at(live_server, monkeypatch, alone.ada, "take-over", document)
    assert (again.code, "is the console's already" in again.complained) == (1, True)
    here = run("policy", "take-over", f"Permission/{alone.tenant}/q")
    assert (here.code, head(alone, "q").origin) == (0, "console")
    assert run("policy", "take-over", "Permission/q").code == 1


def test_a_folder_does_not_go_over_the_console_in_silence(alone: World, repository: Path) -> None:
    take_over(alone.ada, ("Permission", alone.tenant, "p"))
    row = opened(alone.cleo, permission("p", alone.tenant, "request.stream"))
    publishing.approve(alone.cleo, row.id)
    assert (head(alone, "p").origin, head(alone, "q").origin) == ("console", "git")
    drift = run("policy", "diff", str(repository), "--tenant", alone.tenant, "--exit-code")
    assert drift.code == 2
    place = place_of(head(alone, "p").place)
    assert (
        f"! Permission {alone.tenant}/p: differs from Git at policy/rules.yaml:2 of {place.commit}"
        in drift.said.splitlines()
    )
    assert (
        f"    published was changed since Git had it at {place.short}"
        in run("policy", "plan", str(repository)).said.splitlines()
    )
    # once the folder says the same, nothing drifted, whatever was noted at the last apply
    path = repository / "rules.yaml"
    behind = path.read_text(encoding="utf-8")
    path.write_text(behind.replace("'true'", "'request.stream'", 1), encoding="utf-8")
    level = run("policy", "diff", str(repository), "--tenant", alone.tenant, "--exit-code")
    assert (level.code, "no difference" in level.said, "! " in level.said) == (0, True, False)
    path.write_text(behind, encoding="utf-8")
    before, changes = control(), ChangeRequest.objects.count()
    refused = run("policy", "apply", str(repository))
    assert (refused.code, refused.complained) == (
        1,
        f"the console wrote Permission {alone.tenant}/p: look at `policy diff`, bring it into the folder, or say --take",
    )
    assert (control(), ChangeRequest.objects.count()) == (before, changes)
    assert (
        "    the console wrote it: apply needs --take"
        in run("policy", "plan", str(repository)).said.splitlines()
    )
    taken = run("policy", "apply", str(repository), "--take")
    assert (taken.code, head(alone, "p").origin) == (0, "git")
    assert place_of(head(alone, "p").place).take is False
    assert "no difference" in run("policy", "diff", str(repository), "--tenant", alone.tenant).said


def test_what_was_taken_over_while_a_change_waited_is_not_overwritten(
    world: World, tmp_path: Path
) -> None:
    folder = tmp_path / "repo" / "policy"
    folder.mkdir(parents=True)
    path = folder / "p.yaml"
    git(folder.parent, "init", "-q")
    path.write_text(permission("p", world.tenant), encoding="utf-8")
    commit(folder)
    run("policy", "apply", str(folder))
    publishing.approve(world.cleo, ChangeRequest.objects.order_by("-id")[0].id)
    path.write_text(permission("p", world.tenant, "request.stream"), encoding="utf-8")
    run("policy", "apply", str(folder))
    waiting = ChangeRequest.objects.order_by("-id")[0]
    take_over(world.ada, ("Permission", world.tenant, "p"))
    before = control()
    with pytest.raises(OwnedByConsole):
        publishing.approve(world.cleo, waiting.id)
    assert (control(), waiting.approvals.count()) == (before, 0)
    assert head(world, "p").source == permission("p", world.tenant)


def test_what_is_exported_and_committed_is_handed_over(alone: World, tmp_path: Path) -> None:
    row = opened(alone.cleo, permission("made", alone.tenant))
    publishing.approve(alone.cleo, row.id)
    folder = tmp_path / "repo" / "policy"
    run("policy", "export", str(folder), "--tenant", alone.tenant)
    git(folder.parent, "init", "-q")
    commit(folder)
    before = control()
    plain = run("policy", "apply", str(folder), "--tenant", alone.tenant)
    assert (plain.code, head(alone, "made").origin) == (0, "console")
    done = run("policy", "apply", str(folder), "--tenant", alone.tenant, "--take")
    assert f"Git keeps Permission {alone.tenant}/made now" in done.said.splitlines()
    made = head(alone, "made")
    assert (made.origin, place_of(made.place).path, control()) == (
        "git",
        f"policy/{alone.tenant}/Permission/made.yaml",
        before,
    )
    (entry,) = entries(f"document:Permission {alone.tenant}/made")
    assert entry["kind"] == "document.handed-over"


def test_a_rollback_goes_back_and_shows_as_drift(alone: World, repository: Path) -> None:
    first = control().revision
    path = repository / "rules.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("'true'", "'request.stream'"), encoding="utf-8")
    commit(repository)
    run("policy", "apply", str(repository))
    back = publishing.rollback(alone.cleo, first)
    publishing.approve(alone.cleo, back.id)
    assert (head(alone, "p").origin, head(alone, "p").source) == (
        "git",
        permission("p", alone.tenant),
    )
    done = run("policy", "diff", str(repository), "--tenant", alone.tenant)
    assert sum(line.startswith("! ") for line in done.said.splitlines()) == 2


def test_an_edit_is_a_patch_that_git_applies(alone: World, repository: Path) -> None:
    row = head(alone, "p")
    after = permission("p", alone.tenant, "request.stream")
    made = patch(place_of(row.place), row.source, after)
    assert made.startswith("--- a/policy/rules.yaml\n+++ b/policy/rules.yaml\n@@ -5,7 +5,7 @@\n")
    file = repository.parent / "x.patch"
    file.write_text(made, encoding="utf-8")
    git(repository.parent, "apply", "x.patch")
    assert (repository / "rules.yaml").read_text(encoding="utf-8") == (
        f"# the rules\n{after}---\n{permission('q', alone.tenant)}"
    )
    assert patch(place_of(row.place), row.source, row.source) == ""


def test_a_patch_has_placeholders_and_not_their_values(alone: World, tmp_path: Path) -> None:
    folder = tmp_path / "repo" / "policy"
    folder.mkdir(parents=True)
    raw = permission("v", alone.tenant, 'team.name == "$(team)"')
    (folder / "v.yaml").write_text(raw, encoding="utf-8")
    values = tmp_path / "prod.yaml"
    values.write_text("team: claims\n", encoding="utf-8")
    git(folder.parent, "init", "-q")
    commit(folder)
    run("policy", "apply", str(folder), "--values", str(values))
    row = head(alone, "v")
    after = row.source.replace("effect: permit", "effect: forbid")
    file = folder.parent / "x.patch"
    file.write_text(patch(place_of(row.place), row.source, after), encoding="utf-8")
    git(folder.parent, "apply", "x.patch")
    assert (folder / "v.yaml").read_text(encoding="utf-8") == raw.replace("permit", "forbid")


def test_a_folder_outside_git_locks_nothing(alone: World, tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "t.yaml").write_text(tenant(alone.tenant, "claims", "more"), encoding="utf-8")
    run("policy", "apply", str(folder))
    row = opened(alone.cleo, tenant(alone.tenant, "claims"))
    assert row.state == "published"
    found = Document.objects.get(kind="Tenant", name=alone.tenant)
    assert (found.origin, place_of(found.place).change) == ("console", row.id.hex)
