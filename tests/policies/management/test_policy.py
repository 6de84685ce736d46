"""`manage.py policy`: over what is published, all or nothing, and every error at its place."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane.env import ROOT
from policies.bundles.models import Document
from policies.order.lock import control
from tests.policies.changes.world import force
from tests.policies.management.running import run
from tests.policies.people import entries
from tests.policies.texts import fresh, permission, tenant

pytestmark = pytest.mark.usefixtures("application_role")


@pytest.fixture
def name() -> str:
    return fresh("t")


@pytest.fixture
def folder(tmp_path: Path, name: str) -> Path:
    """A tenant with one rule, in two files."""
    found = tmp_path / "policy"
    (found / "rules").mkdir(parents=True)
    (found / "tenant.yaml").write_text(tenant(name, "x"), encoding="utf-8")
    (found / "rules" / "p.yml").write_text(permission("p", name), encoding="utf-8")
    return found


def test_apply_creates_and_the_same_folder_again_changes_nothing(folder: Path, name: str) -> None:
    before = control()
    first = run("policy", "apply", str(folder))
    assert (first.code, first.complained) == (0, "")
    assert first.said.splitlines() == [
        f"+ Permission {name}/p",
        f"+ Tenant {name}",
        (
            f"revision {before.revision + 1} is in force, digest {control().digest.hex()}, "
            "flagged: one person published alone"
        ),
    ]
    after, log = control(), len(entries(kind="bundle.activated"))
    second = run("policy", "apply", str(folder))
    assert (second.code, second.said) == (
        0,
        f"nothing to change: revision {after.revision} is in force\n",
    )
    assert (control(), len(entries(kind="bundle.activated"))) == (after, log)
    assert entries(kind="bundle.activated")[-1]["actor"] == "cli:tess"


def test_apply_leaves_what_the_folder_does_not_name(folder: Path, name: str) -> None:
    run("policy", "apply", str(folder))
    (folder / "rules" / "p.yml").unlink()
    (folder / "rules" / "q.yml").write_text(permission("q", name), encoding="utf-8")
    assert run("policy", "apply", str(folder)).said.splitlines()[:-1] == [f"+ Permission {name}/q"]
    assert Document.objects.filter(tenant=name).count() == 2


def test_prune_deletes_what_an_earlier_apply_brought_and_nothing_else(
    folder: Path, name: str
) -> None:
    # the console has the rule already: the folder says the same
    force(tenant(name, "x"), permission("p", name))
    (folder / "rules" / "q.yml").write_text(permission("q", name), encoding="utf-8")
    run("policy", "apply", str(folder))
    (folder / "rules" / "p.yml").unlink()
    (folder / "rules" / "q.yml").unlink()
    # other tests of this database applied documents too
    kept = {(d.kind, d.tenant, d.name) for d in Document.objects.filter(origin="git")}
    for kind, of, called in kept - {("Permission", name, "q")}:
        row = Document.objects.get(kind=kind, tenant=of, name=called)
        (folder / f"{kind}-{of}-{called}.yaml").write_text(row.source, encoding="utf-8")
    (folder / "tenant.yaml").unlink()
    done = run("policy", "apply", str(folder), "--prune", "--json")
    assert done.complained == ""
    facts = json.loads(done.said)
    assert (facts["created"], facts["changed"], facts["deleted"]) == (0, 0, 1)
    assert list(Document.objects.filter(tenant=name).values_list("name", flat=True)) == ["p"]
    assert Document.objects.filter(kind="Organisation").count() == 1


def test_export_then_apply_changes_nothing(folder: Path, name: str, tmp_path: Path) -> None:
    commented = permission("p", name).replace("on: call", "on: call      # every one")
    (folder / "rules" / "p.yml").write_text(commented, encoding="utf-8")
    run("policy", "apply", str(folder))
    out = tmp_path / "out"
    said = run("policy", "export", str(out)).said
    assert (
        said == f"{Document.objects.count()} documents of revision {control().revision} written\n"
    )
    assert (out / name / "Permission" / "p.yaml").read_text(encoding="utf-8") == commented
    assert (out / "Tenant" / f"{name}.yaml").is_file()
    assert run("policy", "apply", str(out)).said.startswith("nothing to change")


def test_an_error_has_file_line_column_and_a_caret_and_publishes_nothing(
    folder: Path, name: str
) -> None:
    path = folder / "rules" / "p.yml"
    path.write_text(permission("p", name, 'team.name == "x" && 1'), encoding="utf-8")
    (folder / "tenant.yaml").write_text(
        tenant(name, "x").replace("teams", "teems"), encoding="utf-8"
    )
    before = control()
    for action in ("validate", "apply"):
        ran = run("policy", action, str(folder))
        assert ran.code == 1
        lines = ran.complained.splitlines()
        assert lines[0].startswith(f"{folder / 'tenant.yaml'}:4:8 spec.teems: ")
        assert lines[1:3] == ["    spec: {teems: [x]}", "           ^"]
        assert lines[-1] == "1 problem; nothing was published"
    (folder / "tenant.yaml").write_text(tenant(name, "x"), encoding="utf-8")
    ran = run("policy", "apply", str(folder))
    assert ran.code == 1
    assert ran.complained.splitlines()[0].startswith(f"{path}:7:")
    assert ran.complained.splitlines()[1] == """      when: 'team.name == "x" && 1'"""
    assert (control(), ran.said) == (before, "")


def test_apply_refuses_and_names_what_is_not_yet_executed_and_validate_tells(
    folder: Path, name: str
) -> None:
    path = folder / "provider.yaml"
    path.write_text(
        "apiVersion: mandate/v1\nkind: Provider\n"
        f"metadata: {{name: p, tenant: {name}}}\nspec: {{type: gemini}}\n",
        encoding="utf-8",
    )
    said = f'{path}:4:8 spec.type: not yet executed: the provider type "gemini"'
    validated = run("policy", "validate", str(folder))
    assert (validated.code, validated.said) == (0, "3 documents are right\n")
    assert f"apply would refuse: {said}" in validated.complained
    before = control()
    applied = run("policy", "apply", str(folder))
    assert applied.code == 1
    assert said in applied.complained
    assert control() == before


def test_a_second_organisation_counts_the_bundle(folder: Path) -> None:
    (folder / "other.yaml").write_text(
        "apiVersion: mandate/v1\nkind: Organisation\nmetadata: {name: other}\n"
        "spec: {currency: EUR, mode: single-operator}\n",
        encoding="utf-8",
    )
    ran = run("policy", "apply", str(folder))
    assert ran.code == 1
    assert "a second Organisation" in ran.complained


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    ran = run("policy", "apply", str(tmp_path / "nowhere"))
    assert ran.code == 1
    assert "is not a folder" in ran.complained


def test_exit_codes_and_streams_of_the_real_command(
    folder: Path, service_environment: dict[str, str]
) -> None:
    def shell(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env={**os.environ, **service_environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    applied = shell("policy", "apply", str(folder))
    assert (applied.returncode, applied.stderr) == (0, "")
    (folder / "tenant.yaml").write_text("kind: Nonsense\n", encoding="utf-8")
    refused = shell("policy", "apply", str(folder))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Traceback" not in refused.stderr
    assert shell("policy", "dance").returncode == 3
