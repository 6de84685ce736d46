"""What each detector finds and leaves, the same again on its own output, and never in more than linear time."""

import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.documents.rules import DETECTORS as NAMED
from routing.dialects.detectors import DETECTORS, redacted

ALL = tuple(DETECTORS)
FOUND = [
    ("pay 4111 1111 1111 1111 for 2 apples", "pay [card] for 2 apples"),
    ("1 5500-0000-0000-0004.", "1 [card]."),
    ("378282246310005", "[card]"),
    ("4111\u00a01111\u00a01111\u00a01111", "[card]"),
    ("4111111111111111 5500000000000004", "[card] [card]"),
    ("DE89 3704 0044 0532 0130 00 is mine", "[iban] is mine"),
    ("de89370400440532013000,", "[iban],"),
    ("GB82 WEST 1234 5698 7654 32", "[iban]"),
    ("NO93-8601-1117-947", "[iban]"),
    ("write to tariq.x+y@acme.example.", "write to [email]."),
    ("a@b.co,b@c.de", "[email],[email]"),
    ("<ada@xn--bcher-kva.example>", "<[email]>"),
    ("jürgen@bücher.example", "[email]"),
    ("call +49 (0)30 1234567 now", "call [phone] now"),
    ("0049 170 1234567", "[phone]"),
    ("+1-212-555-0123", "[phone]"),
]
LEFT = [
    "4111111111111112",  # fails Luhn
    "1234567890123452",  # begins with 1
    "at 1732838400000 ms",
    "id 41111111111111110000",  # 20 digits
    "x4111111111111111",  # something touches it
    "4111111111111111_",
    "DE88370400440532013000",  # fails modulo 97
    "DE893704004405320130",  # too short for the country
    "ZZ89370400440532013000",
    "user@localhost",
    "@acme.example",
    "030 1234567",  # no country code
    "+12",
    "call_0193590f00007000800000000000aa11",
    "",
]


@pytest.mark.parametrize(("text", "becomes"), FOUND)
def test_what_is_found(text: str, becomes: str) -> None:
    assert redacted(text, ALL)[0] == becomes


@pytest.mark.parametrize("text", LEFT)
def test_what_is_left(text: str) -> None:
    assert redacted(text, ALL) == (text, Counter())


def test_only_what_is_named_and_counted_by_its_name() -> None:
    text = "a@b.co 4111111111111111 c@d.co DE89370400440532013000"
    assert redacted(text, ["email"]) == (
        "[email] 4111111111111111 [email] DE89370400440532013000",
        Counter(email=2),
    )
    assert redacted(text, ALL)[1] == Counter(email=2, card=1, iban=1)


def test_documents_may_name_each_detector_and_no_other() -> None:
    assert sorted(DETECTORS) == sorted(NAMED)


pieces = st.sampled_from([t for t, _ in FOUND] + LEFT + [" ", "\n", "-", "1", "@", "+", "a.b"])


@settings(max_examples=60, deadline=None)
@given(st.lists(pieces | st.text(max_size=8), max_size=6))
def test_what_was_redacted_has_nothing_left_to_redact(parts: list[str]) -> None:
    once, _ = redacted("".join(parts), ALL)
    assert redacted(once, ALL) == (once, Counter())


def seconds(text: str) -> float:
    began = time.process_time()
    redacted(text, ALL)
    return time.process_time() - began


@pytest.mark.parametrize("unit", ["4", "4 ", "+1", "a@", "a", "DE89 ", "@a.", "00", "0(("])
def test_ten_times_the_text_takes_about_ten_times_as_long(unit: str) -> None:
    short = min(seconds(unit * 4_000) for _ in range(3))
    # a quadratic pattern would take a hundred times
    assert seconds(unit * 40_000) < max(40 * short, 0.05)
