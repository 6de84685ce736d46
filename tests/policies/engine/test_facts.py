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
