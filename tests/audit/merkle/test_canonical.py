import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from audit.merkle.canonical import MAX_INTEGER, NotCanonical, dumps, transform
from tests.conformance import jcs

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5)
)


@given(VALUES)
def test_the_fast_path_writes_the_bytes_of_the_reference(value: Any) -> None:
    assert dumps(value) == rfc8785.dumps(value)


@given(VALUES)
def test_what_is_written_reads_back_and_is_its_own_canonical_form(value: Any) -> None:
    text = dumps(value)
    assert json.loads(text) == value
    assert transform(text) == text


def test_names_are_ordered_by_utf16_units_not_by_code_points() -> None:
    assert dumps({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()
    assert dumps([{"a": {"\ufb33": 1, "\U0001f600": 2}}, 3]) == (
        '[{"a":{"\U0001f600":2,"\ufb33":1}},3]'.encode()
    )


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        2**53,
        -(2**53),
        b"bytes",
        {1: "a"},
        {"a": {None: 1}},
        "\ud800",
        {"\udfff": 1},
        {"é": [1, {"b": 2.5}]},
        [{"é": 1}, 0.5],
        {1, 2},
        object(),
    ],
    ids=repr,
)
def test_what_readers_could_understand_differently_is_refused(value: Any) -> None:
    with pytest.raises(NotCanonical):
        dumps(value)


def test_endless_nesting_is_refused() -> None:
    nested: list[Any] = []
    nested.append(nested)
    with pytest.raises(NotCanonical):
        dumps(nested)


def test_tuples_are_written_as_lists_and_booleans_are_no_integers() -> None:
    assert dumps((1, True, None, ())) == b"[1,true,null,[]]"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (b'{"b": 1e21, "a": 333333333.33333329}', b'{"a":333333333.3333333,"b":1e+21}'),
        (b"[1E400]", None),
        (b"[NaN]", None),
        (b'{"a":1,"a":2}', None),
        (b"\xff", None),
        (b"[-0, -0.0, 1.50, 9007199254740993]", b"[0,0,1.5,9007199254740992]"),
    ],
)
def test_transform_takes_json_of_any_origin(text: bytes, canonical: bytes | None) -> None:
    if canonical is None:
        with pytest.raises(NotCanonical):
            transform(text)
    else:
        assert transform(text) == canonical


@pytest.mark.needs_shared
def test_every_vector_of_rfc_8785(shared: Path) -> None:
    results = dict(jcs.run(shared / "vectors" / "jcs"))
    assert len(results) >= 3
    assert {name: wrong for name, wrong in results.items() if wrong} == {}
