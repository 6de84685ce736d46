"""The published folder: exact files, safe after every failure, and refused where the log went back or another way."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.log.running import connect
from audit.merkle.bundle import pack, unpack
from audit.merkle.checkpoint import Checkpoint
from audit.merkle.note import open_note, sign_note
from audit.merkle.proof import BadProof, verify_consistency
from audit.merkle.tree import leaf_hash, split
from audit.publication import fsck
from audit.publication.folder import Altered, Folder
from audit.publication.publish import Published, Publisher, Refused
from audit.publication.reading import Missing, tiles_between
from audit.register.base import Registered
from audit.register.file import FileRegister
from tests.audit.conftest import LogDatabase, copy_of


def publish(log: LogDatabase, folder: Folder, register: FileRegister | None = None) -> Published:
    registered = Registered(register, log.key.known) if register else None
    with connect(log.app_dsn) as db, db.cursor() as cursor:
        done = Publisher(folder, log.key.known, registered).publish(cursor)
    assert done is not None
    return done


def grow(log: LogDatabase, count: int) -> None:
    log.append(count)
    log.sequence()


def files(folder: Folder) -> list[str]:
    return sorted(
        str(path.relative_to(folder.root)) for path in folder.root.rglob("*") if path.is_file()
    )


def whole(log: LogDatabase, folder: Folder) -> int:
    """The size of a folder that holds from its entries to its signature."""
    found = fsck.check(folder, log.key.known)
    assert found.wrong == ()
    return found.size


def test_an_unsigned_log_is_not_published(log_db: LogDatabase, tmp_path: Path) -> None:
    log_db.append(3)
    with connect(log_db.app_dsn) as db, db.cursor() as cursor:
        assert Publisher(Folder(tmp_path), log_db.key.known).publish(cursor) is None
    assert list(tmp_path.iterdir()) == []


def test_the_files_are_those_of_c2sp(log_db: LogDatabase, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "log")
    grow(log_db, 5)
    first = publish(log_db, folder)
    assert first.size == 5
    assert files(folder) == ["checkpoint", "tile/0/000.p/5", "tile/entries/000.p/5"]
    entries = unpack((folder.root / "tile/entries/000.p/5").read_bytes())
    hashes = split((folder.root / "tile/0/000.p/5").read_bytes())
    assert [leaf_hash(entry) for entry in entries] == hashes
    with log_db.app() as db:
        rows = db.execute(
            "SELECT body FROM audit_entry e JOIN audit_leaf l ON l.entry = e.id ORDER BY index"
        ).fetchall()
    assert entries == [bytes(row[0]) for row in rows]
    grow(log_db, 255)
    assert publish(log_db, folder).size == 260
    assert files(folder) == [
        *("checkpoint", "tile/0/000", "tile/0/001.p/4", "tile/1/000.p/1"),
        *("tile/entries/000", "tile/entries/001.p/4"),
    ]
    assert (folder.root / "tile/0/000").stat().st_size == 8192
    note = (folder.root / "checkpoint").read_text(encoding="utf-8")
    assert (
        Checkpoint.parse(open_note(note, log_db.key.known).text).size
        == whole(log_db, folder)
        == 260
    )


def test_nothing_new_writes_nothing(log_db: LogDatabase, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    grow(log_db, 3)
    publish(log_db, folder)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    publish(log_db, folder)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_which_tiles_are_new() -> None:
    assert list(tiles_between(0, 5)) == [(0, 0, 5)]
    assert list(tiles_between(5, 260)) == [(0, 0, 256), (0, 1, 4), (1, 0, 1)]
    assert list(tiles_between(256, 256)) == [(1, 0, 1)]
    seventy = list(tiles_between(0, 70_000))
    assert len([each for each in seventy if each[0] == 0 and each[2] == 256]) == 273
    assert [each for each in seventy if each[2] < 256] == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]


class Failing(Folder):
    """Fails at one kind of file, having written it or not."""

    at, after = "", False

    def keep(self, name: str, data: bytes) -> None:
        self._maybe(
            "entries" if "entries" in name else "tile", lambda: Folder.keep(self, name, data)
        )

    def point(self, note: str) -> None:
        self._maybe("checkpoint", lambda: Folder.point(self, note))

    def _maybe(self, kind: str, write: Callable[[], None]) -> None:
        due = kind == self.at
        if not due or self.after:
            write()
        if due:
            self.at = ""
            raise OSError(5, "Input/output error")


class FailingRegister(FileRegister):
    """Fails when it is looked at."""

    fail = True

    def load(self, origin: str) -> str | None:
        if self.fail:
            self.fail = False
            raise OSError(5, "Input/output error")
        return super().load(origin)


@pytest.mark.parametrize("more", [0, 3], ids=["same", "other batch"])
@pytest.mark.parametrize("after", [False, True], ids=["failed", "failed but persisted"])
def test_what_fails_is_made_good(
    log_db: LogDatabase, tmp_path: Path, after: bool, more: int
) -> None:
    """Sunlight's table: {register, checkpoint, tile, entries} fails once or twice, having written or not."""
    for kind in ("checkpoint", "tile", "entries", "register"):
        folder = Failing(tmp_path / kind)
        register = FailingRegister(tmp_path / "register")
        register.fail = False
        before = log_db.one("SELECT size FROM audit_tree_state")
        if before:
            publish(log_db, folder, register)
        grow(log_db, 7)
        for _ in range(2):
            folder.after = after
            folder.at, register.fail = ("" if kind == "register" else kind), kind == "register"
            if kind == "checkpoint" and after and whole_or_none(log_db, folder) == before + 7:
                break  # it was persisted: nothing is left to fail
            with pytest.raises(OSError, match="Input/output error"):
                publish(log_db, folder, register)
        folder.at = ""
        if more:
            grow(log_db, more)
        assert publish(log_db, folder, register).size == before + 7 + more
        assert whole(log_db, folder) == before + 7 + more


def whole_or_none(log: LogDatabase, folder: Folder) -> int | None:
    return whole(log, folder) if folder.checkpoint() is not None else None


def test_a_published_file_is_never_replaced(log_db: LogDatabase, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    grow(log_db, 4)
    publish(log_db, folder)
    tile = tmp_path / "tile/0/000.p/4"
    forged = bytes(tile.read_bytes()[:-1]) + b"!"
    tile.write_bytes(forged)
    with pytest.raises(Altered, match=r"tile/0/000\.p/4 was published with other bytes"):
        publish(log_db, folder)
    assert tile.read_bytes() == forged
    assert fsck.check(folder, log_db.key.known).wrong == (
        "tile/0/000.p/4 is missing or does not follow from the entries",
    )


def test_an_entry_that_does_not_fit_its_hash_is_not_published(
    log_db: LogDatabase, tmp_path: Path
) -> None:
    grow(log_db, 4)
    with log_db.owner() as owner:
        owner.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE audit_entry SET body = '{\"forged\":1}' WHERE id = (SELECT entry FROM audit_leaf WHERE index = 2)"
        )
    with pytest.raises(Missing, match="the entries from 0 to 3 do not fit their hashes"):
        publish(log_db, Folder(tmp_path))
    assert Folder(tmp_path).checkpoint() is None
    assert not (tmp_path / "tile/entries").exists()


def test_a_log_that_went_back_is_not_shown(
    log_db: LogDatabase, backup: LogDatabase, tmp_path: Path
) -> None:
    folder = Folder(tmp_path)
    grow(log_db, 4)
    copy_of(log_db, backup)
    grow(log_db, 4)
    publish(log_db, folder)
    shown = folder.checkpoint()
    with pytest.raises(Refused, match="size 8 was signed before, the database would have 4"):
        publish(backup, folder)
    assert (folder.checkpoint(), whole(log_db, folder)) == (shown, 8)


@pytest.mark.parametrize("where", ["register", "published"])
def test_a_second_history_leaves_its_evidence(
    log_db: LogDatabase, backup: LogDatabase, tmp_path: Path, where: str
) -> None:
    """Two notes of one key that cannot both be true, and the proof that fails between them: for anybody to check."""
    folder, register = Folder(tmp_path / "log"), FileRegister(tmp_path / "register")
    grow(log_db, 4)
    copy_of(log_db, backup)
    grow(log_db, 4)
    grow(backup, 6)
    note = log_db.one("SELECT note FROM audit_checkpoint ORDER BY seq DESC LIMIT 1")
    if where == "register":
        register.swap(log_db.key.verifier.name, None, note)
    else:
        publish(log_db, folder)
    shown = folder.checkpoint()
    with pytest.raises(Refused, match=r"this is a second history.*\(evidence: forks/8-10-"):
        publish(backup, folder, register)
    with pytest.raises(Refused):
        publish(backup, folder, register)
    assert folder.checkpoint() == shown
    (path,) = (folder.root / "forks").iterdir()
    said = json.loads(path.read_text(encoding="utf-8"))
    assert (said["where"], said["held"]) == (where, note)
    held, offered = (
        Checkpoint.parse(open_note(said[name], log_db.key.known).text)
        for name in ("held", "offered")
    )
    assert (held.size, offered.size, held.origin) == (8, 10, offered.origin)
    proof = [bytes.fromhex(value) for value in said["proof"]]
    with pytest.raises(BadProof, match="other roots"):
        verify_consistency(held.size, offered.size, proof, held.root, offered.root)


def test_a_folder_of_another_log_is_left_alone(log_db: LogDatabase, tmp_path: Path) -> None:
    grow(log_db, 1)
    folder = Folder(tmp_path)
    folder.point(sign_note("log.example/other\n1\n" + "A" * 43 + "=\n", log_db.key))
    shown = folder.checkpoint()
    with pytest.raises(Refused, match=r'the folder shows "log\.example/other"'):
        publish(log_db, folder)
    assert (folder.checkpoint(), files(folder)) == (shown, ["checkpoint"])


def test_every_byte_of_the_folder_counts(log_db: LogDatabase, tmp_path: Path) -> None:
    """One bit of each byte: tiles, bundles, checkpoint. Text in front of a signature line counts too."""
    folder = Folder(tmp_path)
    grow(log_db, 3)
    publish(log_db, folder)
    tried = 0
    for path in [tmp_path / name for name in files(folder)]:
        data = path.read_bytes()
        for at in range(len(data)):
            path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            assert fsck.check(folder, log_db.key.known).wrong, f"{path.name} byte {at}"
            tried += 1
        path.write_bytes(data)
    assert whole(log_db, folder) == 3
    assert tried > 800


def test_what_is_missing_is_named(log_db: LogDatabase, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert fsck.check(folder, log_db.key.known).wrong == ("there is no checkpoint",)
    grow(log_db, 300)
    publish(log_db, folder)
    bundle = tmp_path / "tile/entries/000"
    data = bundle.read_bytes()
    bundle.unlink()
    assert fsck.check(folder, log_db.key.known).wrong == ("tile/entries/000 is missing",)
    assert fsck.check(folder, log_db.key.known, minimum=256).wrong == ()
    bundle.write_bytes(pack(unpack(data)[:-1]))
    assert fsck.check(folder, log_db.key.known).wrong == (
        "tile/entries/000 holds 255 entries, not 256",
    )
    bundle.write_bytes(data[:-1])
    assert fsck.check(folder, log_db.key.known).wrong == ("the bundle ends within entry 255",)
    bundle.write_bytes(data)
    (tmp_path / "tile/1/000.p/1").unlink()
    assert fsck.check(folder, log_db.key.known).wrong == (
        "tile/1/000.p/1 is missing or does not follow from the entries",
    )
