"""Folders: short, ours, private."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import places
from controlplane.places import NoPlace, reachable, readable_copy, socket_folder, write_private
from tests.controlplane.machines import folder


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with folder("/tmp") as root:
        monkeypatch.setattr(places, "temporary_roots", lambda: [root])
        yield root


def test_the_socket_path_is_short_for_any_home_and_its_own_for_each(temporary: Path) -> None:
    one, two = socket_folder(Path("/" + "x" * 150)), socket_folder(Path("/" + "y" * 150))
    assert one != two
    assert socket_folder(Path("/" + "x" * 150)) == one
    assert len(str(one)) + len("/.s.PGSQL.5432.lock") <= 107
    assert one.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_somebody_else_is_not_used(temporary: Path) -> None:
    taken = socket_folder(Path("/home"))
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(taken, 4711, 4711)
    with pytest.raises(NoPlace, match="is not ours"):
        socket_folder(Path("/home"))


def test_a_link_in_its_place_is_not_followed(temporary: Path) -> None:
    taken = socket_folder(Path("/home"))
    taken.rmdir()
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    taken.symlink_to(elsewhere)
    with pytest.raises(NoPlace):
        socket_folder(Path("/home"))
    assert elsewhere.stat().st_mode & 0o777 == 0o755


def test_a_temporary_folder_with_a_comma_is_passed_over(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    awkward, plain = temporary / "a,b", temporary / "plain"
    awkward.mkdir()
    plain.mkdir()
    monkeypatch.setattr(places, "temporary_roots", lambda: [awkward, plain])
    assert socket_folder(Path("/home")).parent == plain


def test_private_files_are_private_and_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"
    write_private(path, "one")
    path.chmod(0o644)
    write_private(path, "two")
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [item.name for item in path.parent.iterdir()] == ["secret"]


def test_programs_behind_a_closed_folder_are_copied_once(temporary: Path) -> None:
    closed = temporary / "closed"
    closed.mkdir(mode=0o700)
    tree = closed / "tree"
    (tree / "bin").mkdir(parents=True)
    program = tree / "bin" / "server"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o700)
    assert not reachable(tree)
    copy = readable_copy(tree, Path("/home"))
    assert copy.parent == temporary
    assert (copy / "bin" / "server").read_text() == "#!/bin/sh\necho hello\n"
    assert (copy / "bin" / "server").stat().st_mode & 0o777 == 0o755
    made = (copy / ".complete").stat().st_mtime_ns
    assert readable_copy(tree, Path("/home")) == copy
    assert (copy / ".complete").stat().st_mtime_ns == made


def test_programs_that_anybody_can_read_stay_where_they_are() -> None:
    assert readable_copy(Path("/usr"), Path("/home")) == Path("/usr")
