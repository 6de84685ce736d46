"""A rotated key hands over to the next of its log, and nobody else does."""

import pytest

from audit.merkle.handover import handover, heir
from audit.merkle.note import SignerKey

OLD, NEW = SignerKey.generate("log.example/1"), SignerKey.generate("log.example/1")
ANOTHER, ELSEWHERE = SignerKey.generate("log.example/1"), SignerKey.generate("log.example/2")
LINE = handover(OLD, NEW.verifier)


def test_who_knows_the_old_key_knows_the_new_one() -> None:
    assert heir(LINE, [ANOTHER.verifier, OLD.verifier]) == NEW.verifier


def test_who_does_not_know_the_old_key_learns_nothing() -> None:
    assert heir(LINE, []) is None
    assert heir(LINE, [ANOTHER.verifier, NEW.verifier]) is None


def test_a_key_hands_over_in_its_own_log_alone() -> None:
    assert heir(handover(OLD, ELSEWHERE.verifier), [OLD.verifier]) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "a b",
        "a b c",
        LINE.replace(str(NEW.verifier), str(ANOTHER.verifier)),
        handover(ANOTHER, NEW.verifier).replace(str(ANOTHER.verifier), str(OLD.verifier)),
        LINE + " ",
        LINE[:-4],
        LINE[:-1] + "é",
        LINE.rpartition(" ")[0] + " " + "A" * 86 + "==",
    ],
)
def test_what_the_old_key_did_not_sign_is_no_handover(line: str) -> None:
    assert heir(line, [OLD.verifier]) is None
