import pytest

from audit.merkle.checkpoint import BadCheckpoint, Checkpoint
from audit.merkle.note import (
    BadKey,
    BadNote,
    SignerKey,
    VerifierKey,
    open_note,
    sign_note,
    split_note,
)

# the example of golang.org/x/mod/sumdb/note, which C2SP signed-note describes
EXAMPLE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpR"
    "Zb6KE6RyyBwJnAM=\n"
)


@pytest.fixture
def key() -> SignerKey:
    return SignerKey.generate("log.example/1")


def test_the_published_example_verifies() -> None:
    known = VerifierKey.parse(EXAMPLE_KEY)
    assert str(known) == EXAMPLE_KEY
    note = open_note(EXAMPLE, [known])
    assert note.text == EXAMPLE.partition("\n\n")[0] + "\n"
    assert note.signed_by == (known,)


def test_every_byte_of_a_note_counts(key: SignerKey) -> None:
    note = sign_note("some text\n\nwith an empty line\n", key).encode()
    for at in range(len(note)):
        changed = note[:at] + bytes([note[at] ^ 1]) + note[at + 1 :]
        with pytest.raises((BadNote, UnicodeDecodeError)):
            open_note(changed.decode(), [key.verifier])


def test_lines_of_unknown_keys_are_ignored_but_a_known_key_must_be_right(key: SignerKey) -> None:
    other, namesake = SignerKey.generate("witness.example"), SignerKey.generate("log.example/1")
    note = sign_note("text\n", other, key, namesake)
    assert open_note(note, [key.verifier]).signed_by == (key.verifier,)
    assert open_note(note, [other.verifier, key.verifier]).signed_by == (
        other.verifier,
        key.verifier,
    )
    text, lines = split_note(note)
    forged = f"{text}\n" + "\n".join([lines[0], lines[1][:-6] + "AAAA=="]) + "\n"
    with pytest.raises(BadNote):
        open_note(forged, [other.verifier, key.verifier])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\n— log.example/1 AAAA\n",
        "text\n\n— log.example/1\n",
        "text\n\n- log.example/1 AAAAAAAAAAA=\n",
        "text\n\n— log+example AAAAAAAAAAA=\n",
        "text\n\n— log.example/1 AAAAAAAAAAB=\n",
        "te\txt\n\n— log.example/1 AAAAAAAAAAA=\n",
        "text\n\n— log.example/1 AAAAAAAAAAA=",
        "text\r\n\n— log.example/1 AAAAAAAAAAA=\n",
        "text\n\n" + "— log.example/1 AAAAAAAAAAA=\n" * 101,
        "x" * 1_000_001 + "\n\n— log.example/1 AAAAAAAAAAA=\n",
    ],
)
def test_malformed_notes_are_refused(note: str) -> None:
    with pytest.raises(BadNote):
        open_note(note, [VerifierKey.parse(EXAMPLE_KEY)])


def test_sixteen_signatures_are_read_and_a_key_signs_once(key: SignerKey) -> None:
    others = [SignerKey.generate(f"witness.example/{number}") for number in range(15)]
    assert len(open_note(sign_note("t\n", key, *others), [key.verifier]).signed_by) == 1
    with pytest.raises(BadNote, match="twice"):
        open_note(sign_note("t\n", key, key), [key.verifier])


@pytest.mark.parametrize("text", ["no newline", "bell\a\n", "lone \ud800\n"])
def test_only_clean_text_is_signed(key: SignerKey, text: str) -> None:
    with pytest.raises(BadNote):
        sign_note(text, key)


def test_keys_are_read_back_and_every_change_of_them_is_refused(key: SignerKey) -> None:
    assert VerifierKey.parse(str(key.verifier)) == key.verifier
    assert SignerKey.parse(key.secret_text()).verifier == key.verifier
    assert str(key.verifier) not in key.secret_text()
    for text, parse in (
        (str(key.verifier), VerifierKey.parse),
        (key.secret_text(), SignerKey.parse),
    ):
        for at in range(len(text)):
            changed = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]
            with pytest.raises(BadKey):
                parse(changed)
        for cut in range(len(text)):
            with pytest.raises(BadKey):
                parse(text[:cut])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\n"])
def test_names_that_no_line_can_carry_are_refused(name: str) -> None:
    with pytest.raises(BadKey):
        SignerKey.generate(name)


def test_a_checkpoint_reads_back() -> None:
    head = Checkpoint("log.example/1", 20_852_163, b"r" * 32)
    assert (
        head.text()
        == "log.example/1\n20852163\n" + "cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=\n"
    )
    assert Checkpoint.parse(head.text()) == head
    assert Checkpoint.parse(head.text() + "extension\n") == head


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n1\n",
        "o\n01\ncnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=\n",
        "o\n-1\ncnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=\n",
        "o\n9223372036854775808\ncnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=\n",
        "o\n1\ncnI=\n",
        "o\n1\nnot base64\n",
        "\n1\ncnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=\n",
        "o\n1\ncnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=\n\n",
        "o\n1\ncnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=",
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(BadCheckpoint):
        Checkpoint.parse(text)
