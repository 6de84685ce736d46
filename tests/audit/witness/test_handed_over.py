"""A witness follows a log to the key that the old one handed over to, while it runs, and to no other."""

from collections.abc import Iterable
from pathlib import Path

from audit.merkle.handover import handover
from audit.merkle.note import SignerKey
from audit.witness.answering import Witness
from audit.witness.running import _lines
from audit.witness.state import State
from tests.audit.witness.test_witness import KEY, LOG, NOW, body, cosigned

NEXT, LAST, THIEF = (SignerKey.generate(LOG.verifier.name) for _ in range(3))


class Told:
    """The lines that lie there by now, and how often somebody looked."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.looks = 0

    def __call__(self) -> Iterable[str]:
        self.looks += 1
        return self.lines


def made(folder: Path, told: Told) -> Witness:
    return Witness(KEY, State(folder), [LOG.verifier], lambda: NOW + 0.9, told)


def test_it_cosigns_for_the_key_that_the_old_one_named(tmp_path: Path) -> None:
    told = Told()
    witness = made(tmp_path, told)
    assert cosigned(witness.add_checkpoint(body(0, 5)), 5)
    assert told.looks == 0
    assert witness.add_checkpoint(body(5, 9, key=NEXT)).status == 403
    told.lines = [handover(LOG, NEXT.verifier)]
    assert cosigned(witness.add_checkpoint(body(5, 9, key=NEXT)), 9)
    assert cosigned(witness.add_checkpoint(body(9, 11, key=NEXT)), 11)
    assert told.looks == 2
    # its memory is the log's, whoever signs
    assert witness.add_checkpoint(body(5, 12, key=NEXT)).status == 409


def test_two_rotations_are_followed_one_after_the_other(tmp_path: Path) -> None:
    told = Told()
    told.lines = [handover(LOG, NEXT.verifier), handover(NEXT, LAST.verifier)]
    assert cosigned(made(tmp_path, told).add_checkpoint(body(0, 5, key=LAST)), 5)


def test_it_trusts_no_key_that_no_known_key_signed_for(tmp_path: Path) -> None:
    told = Told()
    unsigned = f"{LOG.verifier} {THIEF.verifier} {'A' * 86}=="
    told.lines = [unsigned, handover(THIEF, THIEF.verifier), handover(NEXT, THIEF.verifier)]
    witness = made(tmp_path, told)
    assert witness.add_checkpoint(body(0, 5, key=THIEF)).status == 403
    # nor did it remember anything
    assert cosigned(witness.add_checkpoint(body(0, 3)), 3)


def test_a_file_that_is_not_there_or_no_text_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log_handovers"
    assert _lines(None) == _lines(path) == []
    path.write_bytes(b"\xff\xfe")
    assert _lines(path) == []
    path.write_text("one\ntwo\n", encoding="utf-8")
    assert _lines(path) == ["one", "two"]
