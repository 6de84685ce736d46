"""Facts are recorded as canonical bytes and read back the same."""

from hashlib import sha256

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from audit.merkle.canonical import dumps
from controlplane.kernel.errors import InvalidRequest, TooLarge
from policies.engine.decide import decide
from policies.engine.decision import encode as encode_decision
from policies.engine.facts import Facts, KeyFacts, decode, draw_of, encode
from tests.policies.engine.world import facts, world

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(TEXT, TEXT, max_size=8), TEXT)
def test_facts_are_canonical_and_survive(labels: dict[str, str], language: str) -> None:
    given_facts = facts(
        {"labels": labels, "language": language}, key=KeyFacts(id="k", labels=labels)
    )
    text = encode(given_facts)
    assert decode(text) == given_facts
    assert text == rfc8785.dumps(msgspec.json.decode(text))


def test_the_bytes_are_camel_case_and_sorted() -> None:
    assert encode(facts()).startswith(b'{"breakersOpen":[],"budgets":[],"call":"0193590f')
    assert (
        b'"request":{"dataClasses":[],"dialect":"openai.chat","inputTokensEstimate":900,'
        in encode(facts())
    )


def test_too_many_facts_are_refused() -> None:
    with pytest.raises(TooLarge, match="at most 16384 are recorded"):
        encode(facts({"labels": {str(i): "x" * 500 for i in range(40)}}))


@pytest.mark.parametrize("text", [b"", b"{}", b'{"surprise":1}', b"\xff"])
def test_other_bytes_are_not_facts(text: bytes) -> None:
    with pytest.raises(InvalidRequest, match="these are not facts"):
        decode(text)


def test_the_draw_is_64_bits_of_the_digest() -> None:
    digest = sha256(b"call").digest()
    assert draw_of(digest) == str(int.from_bytes(digest[:8], "big"))
    assert 0 <= int(draw_of(digest)) < 2**64


@given(st.integers(0, 2**64 - 1), TEXT, st.sampled_from(["claims-triage", "writing", "none"]))
def test_a_decision_is_canonical_json_and_its_digest_is_of_it(
    draw: int, label: str, route: str
) -> None:
    given_facts: Facts = facts({"labels": {"purpose": label}}, draw=str(draw), route=route)
    decision = decide(world(), given_facts)
    text = encode_decision(decision)
    assert text == dumps(msgspec.json.decode(text))
    assert decision.digest == sha256(text).digest()


def labelled(size: int) -> Facts:
    """Facts of exactly `size` canonical bytes."""
    empty = len(encode(facts({"labels": {"x": ""}})))
    return facts({"labels": {"x": "y" * (size - empty)}})


def test_sixteen_kibibytes_are_recorded_and_not_one_byte_more() -> None:
    most = encode(labelled(16 * 1024))
    assert len(most) == 16_384
    assert decode(most) == labelled(16 * 1024)
    with pytest.raises(TooLarge) as refused:
        encode(labelled(16 * 1024 + 1))
    assert str(refused.value) == (
        "the facts of this call take 16385 bytes, at most 16384 are recorded; send fewer labels or tools"
    )


def test_the_limit_counts_bytes_and_not_characters() -> None:
    empty = len(encode(facts({"labels": {"x": ""}})))
    room = 16 * 1024 - empty
    assert len(encode(facts({"labels": {"x": "é" * (room // 2)}}))) <= 16_384
    with pytest.raises(TooLarge):
        encode(facts({"labels": {"x": "é" * (room // 2 + 1)}}))


def test_keys_outside_ascii_stand_in_the_order_of_utf_16() -> None:
    # U+FF5E sorts before U+1F98A by code point, and after it by UTF-16 units
    text = encode(facts({"labels": {"～": "1", "🦊": "2"}})).decode()
    assert text.index("🦊") < text.index("～")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("now", 5),
        ("draw", 7),
        ("stops", [{"kind": "model", "why": "?"}]),
        ("request", {"dialect": "openai.chat", "prompt": "content has no place here"}),
        ("key", {"id": "k", "secret": "nor has this"}),
        ("user", {"name": "nor a person's name"}),
        ("budgets", [{"name": "b", "spent": "1"}]),
        ("exclude", "gpt-mini"),
    ],
)
def test_what_has_no_place_in_facts(field: str, value: object) -> None:
    whole = msgspec.json.decode(encode(facts()))
    with pytest.raises(InvalidRequest, match="these are not facts"):
        decode(msgspec.json.encode(whole | {field: value}))


def test_a_decision_looks_at_nothing_that_is_not_in_its_facts() -> None:
    given_facts = facts(route="writing", draw=str(2**63))
    again = decode(encode(given_facts))
    assert again == given_facts
    assert decide(world(), again) == decide(world(), given_facts)
