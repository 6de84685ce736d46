"""The log's key changes: the old one's last head covers the entry that names the new one, and verify knows both."""

from pathlib import Path

import pytest

from audit.log import signing
from audit.log.running import connect
from audit.log.sequence import Refused, Sequencer
from audit.merkle.checkpoint import Checkpoint
from audit.merkle.handover import heir
from audit.merkle.note import SignerKey, VerifierKey, open_note
from audit.publication import rotating
from audit.publication.kept import compare
from audit.publication.rotating import Rotation, rotate
from audit.register.base import Registered
from audit.register.file import FileRegister
from audit.verify import Source, Verification, verify
from tests.audit.conftest import LogDatabase, copy_of


def asked(log: LogDatabase, folder: Path, origin: str = "") -> Rotation:
    register = FileRegister(folder / "register")
    return Rotation(log.app_dsn, folder / "keys", register, "cli:ops", origin)


def sequence(log: LogDatabase, made: Rotation, count: int) -> None:
    log.append(count)
    key = signing.signer(made.keys, "log.example/1")
    with connect(log.app_dsn) as db:
        sequencer = Sequencer(db, key, register=Registered(made.register, key.known))
        for _ in range(100):
            sequencer.tick()
            if not sequencer.lag_seconds():
                return


def verified(log: LogDatabase, *keys: VerifierKey) -> Verification:
    with log.app() as db, db.cursor() as cursor:
        return verify(source=Source(cursor, keys[-1], earlier=keys[:-1]))


def heads(log: LogDatabase, *keys: VerifierKey) -> list[tuple[int, VerifierKey]]:
    with log.app() as db:
        rows = db.execute("SELECT size, note FROM audit_checkpoint ORDER BY seq").fetchall()
    return [(size, open_note(note, keys).signed_by[0]) for size, note in rows]


def test_both_keys_are_known_and_the_old_one_commits_to_the_new(
    log_db: LogDatabase, tmp_path: Path
) -> None:
    made = asked(log_db, tmp_path)
    sequence(log_db, made, 3)
    old, new = rotate(made)
    sequence(log_db, made, 2)
    assert (old.name, new.name) == ("log.example/1", "log.example/1")
    assert signing.trusted_keys(made.keys) == (old, new)
    assert sorted(path.name for path in made.keys.iterdir()) == [
        *("log_handovers", "log_key", "log_vkey", "log_vkeys_before"),
    ]
    (line,) = (made.keys / "log_handovers").read_text(encoding="utf-8").splitlines()
    assert heir(line, [old]) == new
    signed = heads(log_db, old, new)
    assert [key for _, key in signed] == [old] * (len(signed) - 2) + [new] * 2
    last_of_old = max(size for size, key in signed if key == old)
    index = log_db.one(
        "SELECT index FROM audit_leaf l JOIN audit_entry e ON e.id = l.entry WHERE kind = 'log.key-rotated'"
    )
    assert (index, last_of_old) == (3, 4)
    found = verified(log_db, old, new)
    assert (found.findings, found.size) == ((), 6)
    assert [each.message.partition(":")[0] for each in verified(log_db, new).findings]
    assert made.register.load("log.example/1") == log_db.one(
        "SELECT note FROM audit_checkpoint ORDER BY seq DESC LIMIT 1"
    )


@pytest.mark.parametrize("step", ["_say", "_sign_over", "_swap", "_sign"])
def test_a_rotation_that_was_cut_off_goes_on(
    log_db: LogDatabase, tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = asked(log_db, tmp_path)
    sequence(log_db, made, 3)
    before = signing.trusted_key(made.keys)

    def die(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(rotating, step, die)
        with pytest.raises(OSError, match="Input/output error"):
            rotate(made)
    swapped = step == "_sign"
    if not swapped:
        old, _ = rotate(made)
        assert old == before
        assert log_db.one("SELECT count(*) FROM audit_entry WHERE kind = 'log.key-rotated'") == 1
    sequence(log_db, made, 2)
    keys = signing.trusted_keys(made.keys)
    assert (keys[0], len(keys)) == (before, 2)
    assert verified(log_db, *keys).findings == ()


def test_cut_off_between_the_private_and_the_public_key(
    log_db: LogDatabase, tmp_path: Path
) -> None:
    made = asked(log_db, tmp_path)
    sequence(log_db, made, 1)
    before = (made.keys / "log_vkey").read_bytes()
    rotate(made)
    (made.keys / "log_vkey").write_bytes(before)
    sequence(log_db, made, 1)
    assert verified(log_db, *signing.trusted_keys(made.keys)).findings == ()


def test_a_key_that_no_entry_names_is_a_finding(log_db: LogDatabase, tmp_path: Path) -> None:
    """Whoever slips a key among the trusted ones has still not been named by the old one."""
    made = asked(log_db, tmp_path)
    sequence(log_db, made, 2)
    old = signing.signer(made.keys)
    forged = SignerKey.generate("log.example/1")
    forged.earlier = (old.verifier,)
    log_db.append(2)
    log_db.key = forged
    log_db.sequence()
    found = verified(log_db, old.verifier, forged.verifier).findings
    assert [each.message for each in found][:1] == [
        'it is signed by a new key of "log.example/1" that no entry before it names'
    ]


def test_a_key_that_was_rotated_out_signs_no_more(log_db: LogDatabase, tmp_path: Path) -> None:
    made = asked(log_db, tmp_path)
    sequence(log_db, made, 2)
    old = signing.signer(made.keys)
    _, new = rotate(made)
    log_db.append(2)
    with connect(log_db.app_dsn) as db, pytest.raises(Refused, match="no known key signed"):
        Sequencer(db, old).tick()
    old.earlier = (new,)  # as if it did not care
    log_db.key = old
    log_db.sequence()
    (finding, *_) = verified(log_db, old.verifier, new).findings
    assert finding.message == 'it is signed by a key of "log.example/1" that was rotated out before'


def test_after_a_restore_the_log_goes_on_under_another_name(
    log_db: LogDatabase, backup: LogDatabase, tmp_path: Path
) -> None:
    """The register is ahead for ever; the old head stays with everybody, and convicts what claims to be the old log."""
    made = asked(log_db, tmp_path)
    sequence(log_db, made, 4)
    copy_of(log_db, backup)
    sequence(log_db, made, 3)
    kept = log_db.one("SELECT note FROM audit_checkpoint ORDER BY seq DESC LIMIT 1")

    lost = asked(backup, tmp_path)
    with pytest.raises(Refused, match="size 7 was signed before, the database would have 5"):
        rotate(lost)
    assert not (tmp_path / "keys" / "log_vkeys_before").exists()
    backup.append(1)
    old, new = rotate(asked(backup, tmp_path, "log.example/2"))
    assert (old.name, new.name) == ("log.example/1", "log.example/2")
    sequence(backup, lost, 2)
    assert verified(backup, old, new).findings == ()
    body = backup.one(
        "SELECT max(convert_from(body, 'UTF8')) FROM audit_entry WHERE convert_from(body, 'UTF8') LIKE %s",
        '%"restored":true%',
    )
    assert Checkpoint.parse(kept.partition("\n\n")[0] + "\n").text().split("\n")[2] in body
    with backup.app() as db, db.cursor() as cursor:
        wrong = compare(cursor, kept, (old, new))
    assert wrong.startswith("size 7 was signed before") or "another root" in wrong
    assert made.register.load("log.example/1") == kept
    assert (tmp_path / "keys" / "log_key").stat().st_mode & 0o777 == 0o600


def test_a_kept_checkpoint_convicts_who_rewrote_everything_with_the_real_key(
    log_db: LogDatabase, backup: LogDatabase
) -> None:
    log_db.append(5)
    log_db.sequence()
    kept = log_db.one("SELECT note FROM audit_checkpoint ORDER BY seq DESC LIMIT 1")
    backup.append(9)  # the owner's own version of what happened
    backup.sequence()
    assert backup.verify().findings == ()
    known = (backup.key.verifier,)
    with backup.app() as db, db.cursor() as cursor:
        assert compare(cursor, kept, known) == (
            "at size 5 another root was signed before than this database has:"
            " this is a second history; see docs/runbooks.md, fork"
        )
        assert compare(cursor, "no note", known).startswith(
            "the kept checkpoint is none of this log"
        )
    log_db.append(1)
    log_db.sequence()
    with log_db.app() as db, db.cursor() as cursor:
        assert compare(cursor, kept, known) == ""
