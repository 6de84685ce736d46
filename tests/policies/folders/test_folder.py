"""A folder as it is read: its files, what Git says of it, its digest without values, and results as JUnit."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from policies.documents.problems import InvalidDocuments, Problem
from policies.folders.folder import File, Folder, lines_around, read_folder
from policies.folders.junit import Case, junit
from policies.folders.repository import Repository, link, repository_of
from policies.folders.values import read_values
from tests.policies.texts import permission, tenant


def git(folder: Path, *words: str) -> str:
    """One Git command in a folder, as Ada."""
    done = subprocess.run(
        ["git", "-c", "user.name=Ada", "-c", "user.email=ada@acme.example", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit whose policies lie in `policy/`."""
    folder = tmp_path / "repo"
    (folder / "policy").mkdir(parents=True)
    (folder / "policy" / "t.yaml").write_text(tenant("t", "x"), encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "remote", "add", "origin", "https://ada:pass@git.example/acme/policies.git")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_git_says_where_a_folder_is_kept(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    found = repository_of(repository / "policy")
    assert found == Repository("https://git.example/acme/policies.git", commit, "policy/")
    assert found.path_of(repository / "policy" / "t.yaml", repository / "policy") == "policy/t.yaml"
    (repository / "policy" / "t.yaml").write_text(tenant("t", "y"), encoding="utf-8")
    assert repository_of(repository / "policy").commit == f"{commit}-dirty"
    given = repository_of(repository / "policy", "https://else.example/x", "abc")
    assert given == Repository("https://else.example/x", "abc", "policy/")


def test_a_folder_outside_git_has_no_origin(tmp_path: Path) -> None:
    assert repository_of(tmp_path) == Repository()
    assert repository_of(tmp_path / "none") == Repository()
    assert repository_of(tmp_path, "https://a:b@git.example/x", "abc") == Repository(
        "https://git.example/x", "abc"
    )


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b/blob/abc/p/x.yaml#L3"),
        ("git@github.com:a/b.git", "https://github.com/a/b/blob/abc/p/x.yaml#L3"),
        (
            "https://gitlab.acme.example/a/b",
            "https://gitlab.acme.example/a/b/-/blob/abc/p/x.yaml#L3",
        ),
        ("http://git.example/a", ""),
        ("javascript:alert(1)", ""),
        ("/srv/policies", ""),
        ("", ""),
    ],
)
def test_a_line_has_a_page_where_its_host_is_known(address: str, page: str) -> None:
    assert link(address, "abc-dirty", "p/x.yaml", 3) == page


def test_the_source_digest_is_the_same_in_every_environment(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(permission("p", "t", 'team.name == "$(team)"'), "utf-8")
    one, two = (
        read_folder(tmp_path, Repository(), read_values(f"team: {name}\n", f"{name}.yaml"))
        for name in ("claims", "legal")
    )
    assert one.folder.source_digest == two.folder.source_digest
    first, second = one.folder.documents()[0], two.folder.documents()[0]
    assert (first.spec["when"], second.spec["when"]) == (
        'team.name == "claims"',
        'team.name == "legal"',
    )
    assert one.folder.files[0].raw == permission("p", "t", 'team.name == "$(team)"')


def test_problems_are_told_in_names_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("kind: x\nmetadata: {name: $(a)}\n", "utf-8")
    with pytest.raises(InvalidDocuments) as raised:
        read_folder(tmp_path, Repository(prefix="policy/"), None)
    assert raised.value.problems[0].file == str(tmp_path / "p.yaml")
    (tmp_path / "p.yaml").write_text("kind: x\n", "utf-8")
    local = read_folder(tmp_path, Repository(prefix="policy/"), None)
    there = Problem("policy/p.yaml", 1, 7, "kind", "no")
    assert local.place(there).file == str(tmp_path / "p.yaml")
    with pytest.raises(InvalidDocuments):
        read_folder(tmp_path, Repository(), read_values("never: 1\n", "v.yaml"))


def test_the_lines_around_a_document() -> None:
    text = f"# one\n{tenant('a', 'x')}---\n{permission('p', 'a')}---\n{tenant('b', 'y')}"
    file = File("x.yaml", text)
    folder = Folder(files=(file,))
    documents = {d.name: d for d in folder.documents()}
    assert lines_around(file, documents["a"], 2) == (["# one"], ["---", "apiVersion: mandate/v1"])
    assert lines_around(file, documents["p"], 1) == (["---"], ["---"])
    assert lines_around(file, documents["b"], 1) == (["---"], [])


def test_junit_names_each_failure() -> None:
    wrong = Problem("a.yaml", 3, 7, "spec.when", 'no "x" & <y>\x00')
    found = ET.fromstring(  # noqa: S314 - our own text
        junit("policy test", [Case("g", "right"), Case("g", "wrong", [wrong])])
    )
    assert found.attrib == {"name": "policy test", "tests": "2", "failures": "1"}
    right, failed = found
    assert (right.attrib["name"], len(right)) == ("right", 0)
    assert (failed.attrib["file"], failed.attrib["line"]) == ("a.yaml", "3")
    assert failed[0].attrib["message"] == 'a.yaml:3:7 spec.when: no "x" & <y> '
