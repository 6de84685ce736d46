"""The witness by itself: every status of C2SP tlog-witness, its memory, and what it does when that fails."""

import base64
import threading
from pathlib import Path

import pytest

from audit.merkle.checkpoint import Checkpoint
from audit.merkle.cosignature import Cosigner
from audit.merkle.note import BadKey, BadNote, SignerKey, VerifierKey, sign_note
from audit.merkle.proof import consistency
from audit.merkle.tiles import Nodes
from audit.merkle.tree import leaf_hash, root_of
from audit.witness.answering import SIZE, Answer, Witness
from audit.witness.request import AddCheckpoint, BadRequest
from audit.witness.state import Remembered, State

NOW = 1_795_485_868
LOG = SignerKey.generate("log.example/1")
KEY = Cosigner.generate("witness.example/w1")
LEAVES = [leaf_hash(bytes([n])) for n in range(40)]
OTHER = [leaf_hash(bytes([n, n])) for n in range(40)]


def head(size: int, leaves: list[bytes] = LEAVES, origin: str = LOG.verifier.name) -> Checkpoint:
    return Checkpoint(origin, size, root_of(leaves[:size]))


def proof(old: int, new: int, leaves: list[bytes] = LEAVES) -> tuple[bytes, ...]:
    nodes = Nodes(lambda level, _index: b"".join(leaves[:new]) if level == 0 else b"")
    return tuple(consistency(nodes, old, new))


def body(old: int, new: int, leaves: list[bytes] = LEAVES, key: SignerKey = LOG) -> bytes:
    note = sign_note(head(new, leaves).text(), key)
    return str(AddCheckpoint(old, proof(old, new, leaves), note)).encode()


def witness(folder: Path) -> Witness:
    return Witness(KEY, State(folder), [LOG.verifier], lambda: NOW + 0.9)


def cosigned(answer: Answer, size: int) -> bool:
    found = KEY.verifier.check(head(size).text(), answer.body)
    return answer.status == 200 and found is not None and found.timestamp == NOW


def test_what_grows_is_cosigned(tmp_path: Path) -> None:
    made = witness(tmp_path)
    assert cosigned(made.add_checkpoint(body(0, 5)), 5)
    assert cosigned(made.add_checkpoint(body(5, 5)), 5)
    assert cosigned(made.add_checkpoint(body(5, 33)), 33)
    # another process, after a restart
    assert cosigned(witness(tmp_path).add_checkpoint(body(33, 40)), 40)


def test_another_old_size_is_answered_with_what_it_remembers(tmp_path: Path) -> None:
    made = witness(tmp_path)
    assert made.add_checkpoint(body(3, 5)) == Answer(409, "0\n", SIZE)
    made.add_checkpoint(body(0, 20))
    for old, new in ((0, 30), (5, 30), (21, 30), (5, 20), (0, 5)):
        assert made.add_checkpoint(body(old, new)) == Answer(409, "20\n", SIZE)
    assert cosigned(made.add_checkpoint(body(20, 30)), 30)


def test_another_history_is_refused_and_kept_as_evidence(tmp_path: Path) -> None:
    made = witness(tmp_path)
    made.add_checkpoint(body(0, 20))
    answer = made.add_checkpoint(body(20, 30, OTHER))
    assert (answer.status, answer.body) == (422, "the proof leads to other roots\n")
    assert made.add_checkpoint(body(20, 20, OTHER)) == Answer(409, "20\n", SIZE)
    evidence = sorted((tmp_path / "forks").iterdir())
    assert len(evidence) == 2
    for path in evidence:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(sign_note(head(20).text(), LOG))
        assert "\n=== offered ===\nold 20\n" in text
    assert cosigned(made.add_checkpoint(body(20, 30)), 30)


def test_proofs_that_are_too_long_too_short_or_forged_are_refused(tmp_path: Path) -> None:
    made = witness(tmp_path)
    made.add_checkpoint(body(0, 20))
    note = sign_note(head(30).text(), LOG)
    right = proof(20, 30)
    for wrong in (right[:-1], (*right, right[0]), (b"x" * 32, *right[1:]), ()):
        answer = made.add_checkpoint(str(AddCheckpoint(20, wrong, note)).encode())
        assert answer.status == 422
    first = made.add_checkpoint(
        str(AddCheckpoint(20, (LEAVES[0],), sign_note(head(20).text(), LOG))).encode()
    )
    assert first.status == 422
    assert cosigned(made.add_checkpoint(body(20, 30)), 30)


def test_a_first_request_has_an_empty_proof(tmp_path: Path) -> None:
    request = AddCheckpoint(0, (LEAVES[0],), sign_note(head(5).text(), LOG))
    assert witness(tmp_path).add_checkpoint(str(request).encode()).status == 422
    forged = sign_note(Checkpoint(LOG.verifier.name, 0, b"x" * 32).text(), LOG)
    assert (
        witness(tmp_path).add_checkpoint(str(AddCheckpoint(0, (), forged)).encode()).status == 409
    )


def test_unknown_logs_and_keys_are_refused(tmp_path: Path) -> None:
    made = witness(tmp_path)
    stranger = SignerKey.generate("log.example/2")
    note = sign_note(head(5, origin="log.example/2").text(), stranger)
    assert made.add_checkpoint(str(AddCheckpoint(0, (), note)).encode()).status == 404
    twin = SignerKey.generate(LOG.verifier.name)
    assert made.add_checkpoint(body(0, 5, key=twin)).status == 403
    # a known key's wrong signature beside a right one is no signature of the log
    right = sign_note(head(5).text(), LOG)
    swapped = right.replace(head(5).text(), head(6).text())
    assert made.add_checkpoint(str(AddCheckpoint(0, (), swapped)).encode()).status == 403
    assert made.add_checkpoint(body(0, 5)).status == 200


def test_a_forged_cosignature_line_does_not_poison_the_memory(tmp_path: Path) -> None:
    made = witness(tmp_path)
    forged = KEY.cosign(head(9).text(), 1)
    note = sign_note(head(5).text(), LOG) + forged
    assert cosigned(made.add_checkpoint(str(AddCheckpoint(0, (), note)).encode()), 5)
    assert cosigned(witness(tmp_path).add_checkpoint(body(5, 9)), 9)


@pytest.mark.parametrize(
    "change",
    [
        (b"old 0", b"old 00"),
        (b"old 0", b"old -1"),
        (b"old 0", b"new 0"),
        (b"old 0\n", b"old 0\nnot base64!\n"),
        (b"old 0\n", b"old 0\nQQ==\n"),
        (b"\n\n", b"\n"),
        (b"log.example/1\n5", b"log.example/1\n05"),
        (b"old 0", b"old 6"),
        (b"old", b"\xff"),
    ],
)
def test_what_is_no_request_is_400(tmp_path: Path, change: tuple[bytes, bytes]) -> None:
    made = witness(tmp_path)
    asked = body(0, 5)
    assert asked.replace(*change, 1) != asked
    assert made.add_checkpoint(asked.replace(*change, 1)).status == 400
    assert cosigned(made.add_checkpoint(asked), 5)


def test_a_proof_has_at_most_63_lines() -> None:
    note = sign_note(head(5).text(), LOG)
    assert AddCheckpoint.parse(str(AddCheckpoint(1, (LEAVES[0],) * 63, note)).encode()).old == 1
    with pytest.raises(BadRequest, match="at most 63"):
        AddCheckpoint.parse(str(AddCheckpoint(1, (LEAVES[0],) * 64, note)).encode())


def test_nothing_is_cosigned_before_it_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails at the moment of remembering: no cosignature, and after a restart the old memory."""
    made = witness(tmp_path)
    made.add_checkpoint(body(0, 5))
    signed: list[str] = []
    really = KEY.cosign

    def cosign(text: str, timestamp: int) -> str:
        signed.append(text)
        return really(text, timestamp)

    monkeypatch.setattr(KEY, "cosign", cosign)

    def full(_self: Remembered, _note: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Remembered, "remember", full)
        with pytest.raises(OSError, match="No space left"):
            made.add_checkpoint(body(5, 9))
    assert signed == []
    assert witness(tmp_path).add_checkpoint(body(0, 9)) == Answer(409, "5\n", SIZE)


def test_of_many_at_once_each_size_is_cosigned_for_one_history(tmp_path: Path) -> None:
    """Two histories race from many threads and two witnesses on one memory: only one of them is ever signed."""
    witness(tmp_path).add_checkpoint(body(0, 1))
    shared = LEAVES[:1]
    histories = [LEAVES, shared + OTHER[1:]]
    won: list[int] = []

    def race(which: int) -> None:
        made = witness(tmp_path)
        for new in range(2, 12):
            asked = [body(old, new, histories[which]) for old in range(1, new)]
            won.extend(which for each in asked if made.add_checkpoint(each).status == 200)

    threads = [threading.Thread(target=race, args=[n % 2]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(won)) == 1


def test_keys_are_read_as_they_are_written() -> None:
    text = str(KEY.verifier)
    assert type(KEY.verifier).parse(text) == KEY.verifier
    assert Cosigner.parse(KEY.secret_text()).verifier == KEY.verifier
    with pytest.raises(BadKey):
        VerifierKey.parse(text)
    with pytest.raises(BadKey):
        type(KEY.verifier).parse(str(LOG.verifier))
    for at in range(len(text)):
        changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        with pytest.raises(BadKey):
            type(KEY.verifier).parse(changed)


def test_every_byte_of_a_cosignature_counts() -> None:
    line = KEY.cosign(head(5).text(), NOW)
    assert line.startswith("— witness.example/w1 ")
    found = KEY.verifier.check(head(5).text(), line)
    assert found is not None
    assert found.timestamp == NOW
    for at in range(len("— witness.example/w1 "), len(line) - 1):
        changed = line[:at] + ("A" if line[at] != "A" else "B") + line[at + 1 :]
        try:
            assert KEY.verifier.check(head(5).text(), changed) is None
        except BadNote:
            continue
    with pytest.raises(BadNote, match="is wrong"):
        KEY.verifier.check(head(6).text(), line)


def test_the_signed_text_is_that_of_c2sp() -> None:
    """`cosignature/v1`, the time, the whole checkpoint."""
    text = head(5).text()
    line = KEY.cosign(text, 1_679_315_147)
    plain = SignerKey.parse("PRIVATE+KEY+" + _as_signer())
    wanted = plain.sign(f"cosignature/v1\ntime 1679315147\n{text}".encode())
    assert line == KEY.cosign(text, 1_679_315_147)
    found = KEY.verifier.check(text, line)
    assert found is not None
    assert wanted in _decoded(line)
    assert _decoded(line)[4:12] == (1_679_315_147).to_bytes(8)


def _as_signer() -> str:
    """The witness's seed as a log's key, to sign a text of our own."""
    seed = KEY._private.private_bytes_raw()
    made = VerifierKey("w", KEY.verifier.public)
    return f"w+{made.id.hex()}+{base64.b64encode(bytes([1]) + seed).decode()}"


def _decoded(line: str) -> bytes:
    return base64.b64decode(line.rstrip("\n").rpartition(" ")[2])
