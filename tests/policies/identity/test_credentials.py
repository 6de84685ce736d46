"""Keys and tokens: their shape, what is kept, and that nothing else opens."""

from pathlib import Path

import pytest

from policies.identity import credentials

PEPPER = bytes(32)


def test_a_key_has_its_shape_and_is_found_by_its_id() -> None:
    made = credentials.new_credential("mdt")
    head, public, secret = made.shown.split("_", 2)
    assert (head, public, len(public), len(secret)) == ("mdt", made.id, 8, 43)
    assert credentials.public_id(made.shown, "mdt") == made.id
    assert credentials.public_id(made.shown, "mdp") is None


def test_two_keys_share_nothing() -> None:
    made = [credentials.new_credential("mdt") for _ in range(50)]
    assert len({m.id for m in made}) == 50
    assert len({m.shown[13:] for m in made}) == 50


def test_a_key_does_not_stand_in_its_repr() -> None:
    made = credentials.new_credential("mdt")
    assert made.shown not in repr(made)


def test_what_is_kept_is_an_hmac_under_the_pepper() -> None:
    shown = "mdt_abcdefgh_" + "x" * 43
    kept = credentials.digest(PEPPER, shown)
    assert kept.hex() == "e312e72722f324657a15d1984ee61c7f3ce35c4250d1c39f42efbe86ed8fed51"
    assert credentials.matches(PEPPER, shown, kept)
    assert not credentials.matches(PEPPER, shown[:-1] + "y", kept)
    assert not credentials.matches(b"other", shown, kept)


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "mdt_",
        "mdt_abcdefgh",
        "mdt_abcdefgh_" + "x" * 42,
        "mdt_abcdefgh_" + "x" * 44,
        "mdt_abcdefgh-" + "x" * 43,
        "mdt_abcdefgh_" + "x" * 42 + "é",
        "sk-" + "x" * 53,
    ],
)
def test_what_cannot_be_a_key_is_not_looked_up(shown: str) -> None:
    assert credentials.public_id(shown, "mdt") is None


def test_the_pepper_is_read_from_the_keys_folder(tmp_path: Path) -> None:
    (tmp_path / "pepper").write_text("00ff\n", encoding="ascii")
    assert credentials.read_pepper(tmp_path) == b"\x00\xff"
    with pytest.raises(FileNotFoundError):
        credentials.read_pepper(tmp_path / "nowhere")
