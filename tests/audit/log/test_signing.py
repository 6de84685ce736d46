import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit.log import signing
from audit.merkle.note import BadKey, BadNote, SignerKey

AT = datetime(2026, 11, 24, 2, 4, 28, 43_999, tzinfo=UTC)
HEAD = signing.Head(1, 4, 600, 1582, AT, b"r" * 32, b"d" * 32)


def test_the_key_is_made_once_and_read_by_nobody_else(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    key = signing.signer(folder)
    again = signing.signer(folder, "another.example/log")
    assert again.verifier == key.verifier == signing.trusted_key(folder)
    assert key.verifier.name.startswith("mandate.invalid/")
    assert stat.S_IMODE((folder / "log_key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == ["log_key", "log_vkey"]
    assert key.secret_text() not in (folder / "log_vkey").read_text(encoding="utf-8")


def test_an_organisation_may_name_its_log(tmp_path: Path) -> None:
    assert signing.signer(tmp_path, "acme.example/mandate").verifier.name == "acme.example/mandate"


def test_those_who_race_for_the_first_key_get_the_same(tmp_path: Path) -> None:
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.append(str(signing.signer(tmp_path).verifier)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1


def test_without_a_key_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(signing.NoLogKey, match=r"manage\.py sequencer --once"):
        signing.trusted_key(tmp_path)
    (tmp_path / "log_key").write_text("garbage", encoding="utf-8")
    with pytest.raises(BadKey):
        signing.signer(tmp_path)


def test_note_and_seal_are_checked_together() -> None:
    key = SignerKey.generate("log.example/1")
    note, seal = signing.sign(HEAD, key)
    signing.check(HEAD, note, seal, key.verifier)
    for changed in (
        {"log": 2},
        {"seq": 5},
        {"size": 601},
        {"horizon": 1583},
        {"signed_at": AT + timedelta(microseconds=1)},
        {"root": b"s" * 32},
        {"rows": b"e" * 32},
    ):
        values = {name: getattr(HEAD, name) for name in HEAD.__slots__} | changed
        with pytest.raises(BadNote):
            signing.check(signing.Head(**values), note, seal, key.verifier)
    with pytest.raises(BadNote):
        signing.check(HEAD, note, seal, SignerKey.generate("log.example/1").verifier)


def test_what_is_sealed_is_one_text() -> None:
    assert HEAD.seal_text().decode() == (
        "mandate/checkpoint-seal/1\n1\n4\n600\n1582\n1795485868043999\n"
        "cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=\n" + "64" * 32 + "\n"
    )


def test_times_are_whole_microseconds() -> None:
    assert signing.micros(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert signing.micros(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1
    assert signing.micros(datetime(2999, 1, 1, 0, 0, 0, 1, tzinfo=UTC)) % 1_000_000 == 1
    assert signing.row_bytes(1, datetime(1970, 1, 1, tzinfo=UTC)) == bytes(7) + b"\x01" + bytes(8)
