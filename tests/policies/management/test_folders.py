"""`manage.py policy` for pipelines: exit codes, JSON, JUnit, plans in words, differences both ways, values."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from policies.bundles.models import Document
from policies.changes.models import ChangeRequest
from policies.order.lock import control
from tests.policies.folders.litellm import test_convert as convert_tests
from tests.policies.management.running import run
from tests.policies.texts import fresh, permission, put, tenant

pytestmark = pytest.mark.usefixtures("application_role")


@pytest.fixture
def name() -> str:
    return fresh("t")


@pytest.fixture
def folder(tmp_path: Path, name: str) -> Path:
    """A tenant with one rule, in two files."""
    found = tmp_path / "policy"
    found.mkdir()
    (found / "tenant.yaml").write_text(tenant(name, "x"), encoding="utf-8")
    (found / "p.yaml").write_text(permission("p", name), encoding="utf-8")
    return found


def policy_test(name: str, of: str, effect: str) -> str:
    return (
        f"apiVersion: mandate/v1\nkind: PolicyTest\nmetadata: {{name: {name}, tenant: {of}}}\n"
        f"spec:\n  given: {{tenant: {of}, team: x, route: none}}\n  expect: {{effect: {effect}}}\n"
    )


def test_validate_for_programs(folder: Path, tmp_path: Path) -> None:
    xml = tmp_path / "out.xml"
    done = run("policy", "validate", str(folder), "--json", "--junit", str(xml))
    assert (done.code, json.loads(done.said)) == (
        0,
        {"ok": True, "documents": 2, "problems": [], "refusals": []},
    )
    suite = ET.parse(xml).getroot()  # noqa: S314 - our own file
    assert suite.attrib == {"name": "policy validate", "tests": "2", "failures": "0"}
    (folder / "p.yaml").write_text("kind: Nothing\n", encoding="utf-8")
    done = run("policy", "validate", str(folder), "--json", "--junit", str(xml))
    told = json.loads(done.said)
    assert (done.code, told["ok"]) == (1, False)
    assert {(p["file"], p["line"]) for p in told["problems"]} == {(str(folder / "p.yaml"), 1)}
    suite = ET.parse(xml).getroot()  # noqa: S314 - our own file
    assert [case.attrib["name"] for case in suite if len(case)] == [str(folder / "p.yaml")]


def test_fmt_checks_then_writes_and_changes_nothing_it_says(folder: Path) -> None:
    path = folder / "p.yaml"
    neat = path.read_text(encoding="utf-8")
    path.write_text(neat.replace("  on: call", "  on:   call   # every one"), encoding="utf-8")
    asked = run("policy", "fmt", str(folder), "--check")
    assert (asked.code, "  on: call  # every one" in asked.said) == (2, True)
    assert asked.complained == "1 file is not laid out"
    assert "on:   call" in path.read_text(encoding="utf-8")
    done = run("policy", "fmt", str(folder), "--json")
    assert (done.code, json.loads(done.said)) == (0, {"changed": [str(path)]})
    assert "  on: call  # every one\n" in path.read_text(encoding="utf-8")
    assert run("policy", "fmt", str(folder), "--check").code == 0


def test_policy_tests_run_over_what_is_published(folder: Path, name: str, tmp_path: Path) -> None:
    before, changes = control(), ChangeRequest.objects.count()
    (folder / "tests.yaml").write_text(
        f"{policy_test('good', name, 'deny')}---\n{policy_test('bad', name, 'permit')}",
        encoding="utf-8",
    )
    xml = tmp_path / "out.xml"
    done = run("policy", "test", str(folder), "--junit", str(xml))
    assert done.code == 1
    assert f"passed  {name}/good" in done.said.splitlines()
    assert f"failed  {name}/bad" in done.said.splitlines()
    assert f"{folder / 'tests.yaml'}:13:3 spec.expect: expected permit" in done.complained
    assert done.complained.endswith("1 test failed")
    suite = ET.parse(xml).getroot()  # noqa: S314 - our own file
    failed = [case for case in suite if len(case)]
    assert [case.attrib["name"] for case in failed] == [f"{name}/bad"]
    refused = run("policy", "apply", str(folder))
    assert (refused.code, "the test fails" in refused.complained) == (1, True)
    assert (control(), ChangeRequest.objects.count()) == (before, changes)
    (folder / "tests.yaml").write_text(policy_test("good", name, "deny"), encoding="utf-8")
    done = run("policy", "test", str(folder), "--json")
    assert (done.code, json.loads(done.said)["failed"]) == (0, 0)


def test_a_plan_says_what_would_change_and_changes_nothing(folder: Path, name: str) -> None:
    run("policy", "apply", str(folder))
    before = control()
    (folder / "p.yaml").write_text(permission("p", name, "request.stream"), encoding="utf-8")
    (folder / "q.yaml").write_text(permission("q", name), encoding="utf-8")
    done = run("policy", "plan", str(folder))
    lines = done.said.splitlines()
    assert (done.code, done.complained) == (0, "")
    assert lines[:8] == [
        f"+ Permission {name}/q",
        "    Permits a call always.",
        f"    touches: Calls of tenant {name}",
        "    q.yaml:1",
        f"~ Permission {name}/p",
        "    The condition was true; it is request.stream now.",
        f"    touches: Calls of tenant {name}",
        "    p.yaml:1",
    ]
    assert (
        lines[8] == f"plan over revision {before.revision}: 1 to create, 1 to change, 0 to delete"
    )
    assert run("policy", "plan", str(folder), "--exit-code").code == 2
    told = json.loads(run("policy", "plan", str(folder), "--json").said)
    assert [(i["mark"], i["name"]) for i in told["items"]] == [("+", "q"), ("~", "p")]
    assert (len(told["digest"]), len(told["sourceDigest"])) == (64, 64)
    assert control() == before
    run("policy", "apply", str(folder))
    again = run("policy", "plan", str(folder), "--exit-code")
    assert (again.code, again.said.splitlines()[0]) == (
        0,
        f"nothing to change: revision {control().revision} is in force",
    )


def test_the_digest_of_a_plan_is_what_an_approval_binds(folder: Path) -> None:
    told = json.loads(run("policy", "plan", str(folder), "--json").said)
    done = json.loads(run("policy", "apply", str(folder), "--json").said)
    row = ChangeRequest.objects.get(pk=done["id"])
    assert (row.digest, done["content"]) == (told["digest"], told["digest"])
    assert (done["state"], done["flagged"], done["source"]) == (
        "published",
        True,
        told["sourceDigest"],
    )


def test_differences_are_told_both_ways(folder: Path, name: str) -> None:
    run("policy", "apply", str(folder))
    put(permission("console", name), origin="console")
    (folder / "p.yaml").write_text(permission("p", name, "request.stream"), encoding="utf-8")
    (folder / "tenant.yaml").unlink()
    done = run("policy", "diff", str(folder), "--tenant", name, "--exit-code")
    assert done.code == 2
    lines = done.said.splitlines()
    assert lines[0] == f"~ Permission {name}/p"
    assert "    -  when: 'true'" in lines
    assert "    +  when: 'request.stream'" in lines
    assert lines[-1] == "1 document of the console is in no folder"
    put(permission("gone", name), origin="git")
    done = run("policy", "diff", str(folder), "--tenant", name)
    assert (done.code, f"- Permission {name}/gone: published from Git" in done.said) == (0, True)
    told = json.loads(run("policy", "diff", str(folder), "--tenant", name, "--json").said)
    assert {(i["name"], i["origin"]) for i in told["onlyPublished"]} == {
        ("console", "console"),
        ("gone", "git"),
    }


def test_values_make_two_environments_of_one_folder(
    folder: Path, name: str, tmp_path: Path
) -> None:
    (folder / "p.yaml").write_text(
        permission("p", name, 'team.name == "$(team)"'), encoding="utf-8"
    )
    file = tmp_path / "prod.yaml"
    file.write_text("team: x\n", encoding="utf-8")
    bare = run("policy", "apply", str(folder))
    assert (bare.code, "needs a value: say --values FILE" in bare.complained) == (1, True)
    done = run("policy", "apply", str(folder), "--values", str(file), "--json")
    assert Document.objects.get(tenant=name, name="p").source == permission(
        "p", name, 'team.name == "x"'
    )
    file.write_text("team: y\n", encoding="utf-8")
    other = json.loads(run("policy", "plan", str(folder), "--values", str(file), "--json").said)
    assert other["sourceDigest"] == json.loads(done.said)["source"]
    file.write_text("team: request.nothing\n", encoding="utf-8")
    path = folder / "p.yaml"
    path.write_text(permission("p", name, "$(team)"), encoding="utf-8")
    wrong = run("policy", "validate", str(folder), "--values", str(file))
    assert wrong.complained.startswith(f"{path}:7:9 spec.when: ")
    missing = run("policy", "validate", str(folder), "--values", str(tmp_path / "none"))
    assert (missing.code, "cannot be read as values" in missing.complained) == (1, True)


def test_wrong_usage_and_no_server_are_three(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANDATE_TOKEN", "mdp_secret")
    away = run("policy", "plan", str(folder), "--server", "http://127.0.0.1:9")
    assert (away.code, "could not be reached" in away.complained) == (3, True)
    assert "mdp_secret" not in away.complained + away.said
    plain = run("policy", "plan", str(folder), "--server", "http://mandate.example")
    assert (plain.code, plain.complained) == (
        1,
        "a token is sent over https only, or to this machine",
    )
    monkeypatch.delenv("MANDATE_TOKEN")
    nobody = run("policy", "plan", str(folder), "--server", "https://mandate.example")
    assert "show a personal token" in nobody.complained


def test_a_plan_says_what_is_odd_and_what_no_test_decides(folder: Path, name: str) -> None:
    (folder / "use.yaml").write_text(
        "# what we use it for\napiVersion: mandate/v1\nkind: UseCase\n"
        f"metadata: {{name: triage, tenant: {name}}}\n"
        "spec: {owner: cleo@acme.example, purpose: Sort, riskClass: minimal, reviewOn: 2020-01-01}\n",
        encoding="utf-8",
    )
    told = json.loads(run("policy", "plan", str(folder), "--json").said)
    (found,) = (one for one in told["findings"] if "was due on" in one["message"])
    assert (found["sort"], found["document"], found["file"]) == (
        "use-case-review",
        f"UseCase {name}/triage",
        "use.yaml",
    )
    assert found["line"] == 2
    lines = run("policy", "plan", str(folder)).said.splitlines()
    assert f"look at use.yaml:2 {found['message']}" in lines
    assert f"Permission {name}/p" in told["uncovered"]
    tested = run("policy", "test", str(folder)).said.splitlines()
    assert f"no test decides Permission {name}/p" in tested


def test_a_litellm_configuration_becomes_a_folder_that_validates(tmp_path: Path) -> None:
    config = Path(convert_tests.__file__).with_name("config.yaml")
    out = tmp_path / "out"
    done = run("policy", "import", "--from", "litellm", str(config), "--out", str(out))
    assert (done.code, done.complained) == (0, "")
    count = len(list(out.rglob("*.yaml")))
    assert done.said.splitlines()[0] == f"{count} documents written to {out}"
    assert (out / "Route" / "gpt-mini.yaml").is_file()
    left = (out / "NOT-CARRIED-OVER.txt").read_text(encoding="utf-8")
    assert f"{config}:67 general_settings.master_key: a secret" in left
    assert "LITERAL" not in "".join(p.read_text("utf-8") for p in out.rglob("*") if p.is_file())
    checked = run("policy", "validate", str(out))
    assert (checked.code, checked.said) == (0, f"{count} documents are right\n")
    bare = run("policy", "import", "--from", "litellm", str(config))
    assert bare.said.startswith("apiVersion: mandate/v1\n")
    assert "general_settings.master_key: a secret" in bare.complained
    told = json.loads(run("policy", "import", "--from", "litellm", str(config), "--json").said)
    assert len(told["documents"]) == count
    missing = run("policy", "import", "--from", "litellm", str(tmp_path / "none"))
    assert (missing.code, "cannot be read" in missing.complained) == (1, True)
