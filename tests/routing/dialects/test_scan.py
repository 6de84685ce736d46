import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.dialects.scan import (
    PLAIN,
    STRICT,
    NotReadable,
    deeper_than,
    scan_object,
    without_member,
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=6), VALUES, max_size=6)


@given(OBJECTS, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_values_and_places_agree_with_json(
    value: dict[str, object], indent: object, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)  # type: ignore[arg-type]  # both kinds are fine
    scanned = scan_object(text, STRICT)
    assert scanned.values == value
    for name, place in scanned.places.items():
        assert json.loads(text[place.start : place.end]) == value[name]
        assert json.JSONDecoder().raw_decode(text, place.key)[0] == name


@given(OBJECTS.filter(bool), st.data())
def test_a_member_is_cut_out_cleanly(value: dict[str, object], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(value)))
    text = json.dumps(value, indent=data.draw(st.sampled_from([None, 2])))
    start, end = without_member(text, scan_object(text, PLAIN).places[name])
    assert json.loads(text[:start] + text[end:]) == {k: v for k, v in value.items() if k != name}


@pytest.mark.parametrize(
    ("text", "reason", "place"),
    [
        ("", "a JSON object is expected", 0),
        ("[1]", "a JSON object is expected", 0),
        ('{"a":1', '"," or "}" is expected', 6),
        ('{"a" 1}', '":" is expected', None),
        ('{"a":}', "a value is expected", 5),
        ('{"a":1,}', "a member's name in double quotes is expected", 7),
        ('{"a":1} x', "something follows the JSON object", 7),
        ('{"a":"\n"}', "invalid control character at", 6),
        ('{"a":1,"a":2}', '"a" stands twice in one object; write it once', 7),
        ('{"t":{"a":1,"a":2}}', '"a" stands twice in one object; write it once', 5),
        ('{"a":NaN}', "NaN is not a JSON number", 5),
        ('{"a":' + "9" * 5000 + "}", "a number in it has too many digits", 5),
        ('{"a":' + "[" * 5000 + "]" * 5000 + "}", "it is nested deeper than 64 levels", 5),
    ],
)
def test_what_is_refused_says_why_and_where(text: str, reason: str, place: int | None) -> None:
    with pytest.raises(NotReadable) as caught:
        scan_object(text, STRICT)
    assert caught.value.reason == reason
    if place is not None:
        assert caught.value.place == place


def test_an_escaped_key_is_the_same_key() -> None:
    with pytest.raises(NotReadable, match="stands twice"):
        scan_object('{"model":"a","mod\\u0065l":"b"}', STRICT)


def nested(levels: int) -> dict[str, object]:
    value: object = 1
    for _ in range(levels - 1):
        value = [value]
    return {"a": value}


def test_depth_counts_the_object_itself() -> None:
    assert not deeper_than(nested(64), 64)
    assert deeper_than(nested(65), 64)
