"""The log asks real witnesses over HTTP, and says what they said."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from audit.log.running import connect
from audit.merkle.cosignature import Cosigner
from audit.merkle.note import SignerKey
from audit.publication.folder import Folder
from audit.publication.publish import Publisher
from audit.publication.running import Outlet, Rounds
from audit.publication.telling import Told
from audit.publication.witnesses import BadWitness, Place, Response, Witnesses, post, read_places
from audit.register.base import Registered
from audit.register.file import FileRegister
from audit.witness.answering import Witness
from audit.witness.server import Server
from audit.witness.state import State
from tests.audit.conftest import LogDatabase, copy_of

NOW = 1_795_485_868


class Running:
    """A witness behind HTTP, in a thread."""

    def __init__(self, name: str, folder: Path, log: LogDatabase) -> None:
        self.key = Cosigner.generate(name)
        witness = Witness(self.key, State(folder), [log.key.verifier], lambda: NOW)
        self.server = Server(("127.0.0.1", 0), witness)
        self.thread = threading.Thread(target=self.server.serve_forever, args=[0.05])
        self.thread.start()
        self.place = Place(f"http://127.0.0.1:{self.server.server_address[1]}/", self.key.verifier)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def two(log_db: LogDatabase, tmp_path: Path) -> Iterator[list[Running]]:
    made = [Running(f"w{n}.example", tmp_path / f"w{n}", log_db) for n in (1, 2)]
    yield made
    for each in made:
        each.stop()


def outlet(log: LogDatabase, folder: Path, witnesses: Witnesses) -> Outlet:
    register = Registered(FileRegister(folder / "register"), log.key.known)
    publisher = Publisher(Folder(folder / "log"), log.key.known, register)
    return Outlet(publisher, str(folder / "log"), register, witnesses)


def round_of(log: LogDatabase, made: Outlet) -> Told:
    with connect(log.app_dsn) as db:
        return Rounds(log.app_dsn, made, lambda _: None).once(db)


def shown(log: LogDatabase) -> tuple[int, int, str, list[dict[str, object]]]:
    with log.app() as db:
        row = db.execute(
            "SELECT size, cosigned_size, failure, witnesses FROM audit_publication"
        ).fetchone()
    assert row is not None
    size, cosigned, failure, witnesses = row
    return size, cosigned, failure, witnesses


def test_a_head_is_published_with_what_the_witnesses_gave(
    log_db: LogDatabase, tmp_path: Path, two: list[Running]
) -> None:
    made = outlet(log_db, tmp_path, Witnesses([each.place for each in two], 2, post))
    for size in (3, 300):
        log_db.append(size - int(log_db.one("SELECT size FROM audit_tree_state")))
        log_db.sequence()
        told = round_of(log_db, made)
        assert (told.size, told.met, told.failure) == (size, True, "")
        note = (tmp_path / "log" / "checkpoint").read_text(encoding="utf-8")
        text, _, lines = note.partition("\n\n")
        for each, line in zip(two, lines.splitlines()[1:], strict=True):
            found = each.key.verifier.check(f"{text}\n", line)
            assert found is not None
            assert found.timestamp == NOW
    size, cosigned, failure, witnesses = shown(log_db)
    assert (size, cosigned, failure) == (300, 300, "")
    assert witnesses == [
        {
            "name": each.key.verifier.name,
            "url": each.place.url,
            "size": 300,
            "at": "2026-11-24T02:04:28+00:00",
            "problem": "",
        }
        for each in two
    ]


def test_without_a_quorum_it_is_published_and_said(
    log_db: LogDatabase, tmp_path: Path, two: list[Running]
) -> None:
    away = Place("http://127.0.0.1:1/", Cosigner.generate("away.example").verifier)
    made = outlet(log_db, tmp_path, Witnesses([two[0].place, away], 2, post))
    log_db.append(4)
    log_db.sequence()
    told = round_of(log_db, made)
    assert (told.size, told.met) == (4, False)
    assert [each["problem"] for each in told.witnesses] == [
        "",
        "it does not answer: ConnectionRefusedError",
    ]
    assert shown(log_db)[:3] == (4, 0, "")
    assert len(told.checkpoint.splitlines()) == 6


def test_a_witness_convicts_a_restored_backup(
    log_db: LogDatabase, backup: LogDatabase, tmp_path: Path, two: list[Running]
) -> None:
    """Register and folder were restored with the database: only the outside remembers."""
    asked = Witnesses([two[0].place], 1, post)
    log_db.append(4)
    log_db.sequence()
    round_of(log_db, outlet(log_db, tmp_path / "a", asked))
    copy_of(log_db, backup)
    log_db.append(4)
    log_db.sequence()
    round_of(log_db, outlet(log_db, tmp_path / "a", asked))

    fresh = Witnesses([two[0].place], 1, post)
    told = round_of(backup, outlet(backup, tmp_path / "b", fresh))
    assert told.met is False
    assert told.witnesses[0]["problem"] == (
        "it has seen size 8, which is more than this log has: entries are gone"
    )
    backup.append(6)
    backup.sequence()
    fresh = Witnesses([two[0].place], 1, post)
    told = round_of(backup, outlet(backup, tmp_path / "b", fresh))
    assert told.met is False
    assert told.witnesses[0]["problem"] == (
        "it answered 422: what it has seen at size 8 is not the beginning of this log"
    )
    assert list((tmp_path / "w1" / "forks").iterdir())


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Response(404, ""), "it answered 404"),
        (Response(200, ""), "its answer holds no cosignature of its key"),
        (Response(200, "garbage\n"), "a signature line is malformed"),
        (Response(409, "nonsense"), "it answered 409: what it has seen at size 0 is not the"),
        (Response(500, "x" * 100), "it answered 500"),
    ],
)
def test_a_slippery_witness_changes_nothing(
    log_db: LogDatabase, tmp_path: Path, answer: Response, problem: str
) -> None:
    place = Place("http://w.example/", Cosigner.generate("w.example").verifier)
    log_db.append(2)
    log_db.sequence()
    made = outlet(log_db, tmp_path, Witnesses([place], 1, lambda _url, _body: answer))
    told = round_of(log_db, made)
    assert (told.size, told.met) == (2, False)
    assert str(told.witnesses[0]["problem"]).startswith(problem)
    assert told.checkpoint == log_db.one(
        "SELECT note FROM audit_checkpoint ORDER BY seq DESC LIMIT 1"
    )


def test_a_cosignature_of_another_key_or_head_is_not_taken(
    log_db: LogDatabase, tmp_path: Path
) -> None:
    key = Cosigner.generate("w.example")
    log_db.append(2)
    log_db.sequence()
    for line in (
        Cosigner.generate("w.example").cosign(f"{log_db.key.verifier.name}\n2\n", NOW),
        key.cosign("another text\n", NOW),
    ):
        place = Place("http://w.example/", key.verifier)
        made = outlet(log_db, tmp_path, Witnesses([place], 1, lambda *_, x=line: Response(200, x)))
        assert round_of(log_db, made).met is False


def test_a_witness_is_asked_once_for_each_head(log_db: LogDatabase, tmp_path: Path) -> None:
    asked: list[bytes] = []
    key = Cosigner.generate("w.example")

    def answer(_url: str, body: bytes) -> Response:
        asked.append(body)
        text = body.decode().partition("\n\n")[2].partition("\n\n")[0]
        return Response(200, key.cosign(f"{text}\n", NOW))

    made = outlet(log_db, tmp_path, Witnesses([Place("http://w/", key.verifier)], 1, answer))
    log_db.append(2)
    log_db.sequence()
    assert [round_of(log_db, made).met for _ in range(3)] == [True, True, True]
    assert len(asked) == 1
    log_db.append(1)
    log_db.sequence()
    assert round_of(log_db, made).met is True
    assert [body.partition(b"\n")[0] for body in asked] == [b"old 0", b"old 2"]


def test_a_failure_is_told_and_what_was_shown_stays(log_db: LogDatabase, tmp_path: Path) -> None:
    said: list[str] = []
    made = outlet(log_db, tmp_path, Witnesses([], 0, post))
    rounds = Rounds(log_db.app_dsn, made, said.append)
    log_db.append(2)
    log_db.sequence()
    with connect(log_db.app_dsn) as db:
        rounds.once(db)
        (tmp_path / "log" / "tile/0/000.p/2").write_bytes(b"x")
        for _ in range(2):
            rounds.once(db)
    assert shown(log_db)[:2] == (2, 0)
    assert "was published with other bytes" in shown(log_db)[2]
    assert [line.partition(":")[0] for line in said] == ["not published"]
    assert log_db.one("SELECT failures FROM audit_publication") == 2


def test_the_file_of_witnesses_is_read_strictly(tmp_path: Path) -> None:
    key = Cosigner.generate("w.example").verifier
    path = tmp_path / "witnesses"
    path.write_text(f"# ours\n\nhttps://w.example/ {key}\n", encoding="utf-8")
    assert read_places(path) == (Place("https://w.example/", key),)
    for line in (
        f"ftp://w.example/ {key}",
        f"w.example {key}",
        "https://w.example/",
        f"https://w.example/ {SignerKey.generate('w').verifier}",
    ):
        path.write_text(f"{line}\n", encoding="utf-8")
        with pytest.raises(BadWitness):
            read_places(path)


@pytest.mark.parametrize("module", ["manage.py", "-m audit.witness"])
def test_the_witness_runs_as_a_process_and_remembers(
    log_db: LogDatabase, tmp_path: Path, module: str
) -> None:
    """Killed and started again it goes on where it was; without a database."""
    logs, state = tmp_path / "logs", tmp_path / "state"
    logs.write_text(f"# the log of Acme\n{log_db.key.verifier}\n", encoding="utf-8")
    program = ["manage.py", "witness"] if module == "manage.py" else module.split()
    command = [
        *(sys.executable, *program, "--state", str(state), "--name", "w.example/1"),
        *("--logs", str(logs), "--port", "0"),
    ]
    environment = {**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    for number, end in ((1, signal.SIGKILL), (2, signal.SIGTERM)):
        with subprocess.Popen(
            command, cwd=settings.BASE_DIR, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                _, url, key = process.stdout.readline().split()
                (tmp_path / "witnesses").write_text(f"{url} {key}\n", encoding="utf-8")
                log_db.append(3)
                log_db.sequence()
                asked = Witnesses(read_places(tmp_path / "witnesses"), 1, post)
                told = round_of(log_db, outlet(log_db, tmp_path, asked))
                assert (told.size, told.met) == (3 * number, True)
            finally:
                process.send_signal(end)
            assert process.stdout.read() == ("" if number == 1 else "witness: stopped\n")
    assert process.returncode == 0
    assert sorted(path.name for path in state.iterdir()) == ["logs", "witness_key"]
    assert json.dumps(log_db.key.secret_text()) not in (state / "witness_key").read_text("utf-8")
