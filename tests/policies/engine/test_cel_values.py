"""The values of CEL against fractions and the calendar: arithmetic, order, equality, texts of times and numbers."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.engine.conversions import to_double, to_int, to_string, to_uint
from policies.engine.functions import FUNCTIONS, both, divide, either, every, exists, modulo, once
from policies.engine.values import (
    INT_MAX,
    INT_MIN,
    MOMENT_MAX,
    MOMENT_MIN,
    SPAN_MAX,
    UINT_MAX,
    CelError,
    Moment,
    Span,
    UInt,
    at_most,
    contains,
    equal,
    from_json,
    less,
    moment,
    moment_text,
    span,
    span_text,
    type_of,
)

INTS = st.integers(INT_MIN, INT_MAX) | st.integers(-5, 5)
UINTS = (st.integers(0, UINT_MAX) | st.integers(0, 5)).map(UInt)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.one_of(INTS, UINTS, FLOATS)
SECOND = 10**9


def outcome(call: Callable[[], Any]) -> Any:
    """The value, or None where it is an error."""
    try:
        return call()
    except CelError:
        return None


@given(INTS, INTS, st.sampled_from("+-*"))
def test_ints_are_exact_or_an_error(a: int, b: int, sign: str) -> None:
    exact = {"+": a + b, "-": a - b, "*": a * b}[sign]
    wanted = exact if INT_MIN <= exact <= INT_MAX else None
    assert outcome(lambda: FUNCTIONS[f"_{sign}_"](a, b)) == wanted


@given(UINTS, UINTS, st.sampled_from("+-*"))
def test_uints_are_exact_or_an_error(a: UInt, b: UInt, sign: str) -> None:
    exact = {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[sign]
    got = outcome(lambda: FUNCTIONS[f"_{sign}_"](a, b))
    assert got == (exact if 0 <= exact <= UINT_MAX else None)
    assert got is None or type(got) is UInt


@given(INTS, INTS)
def test_division_goes_toward_zero_and_the_rest_has_the_dividends_sign(a: int, b: int) -> None:
    if b == 0:
        assert outcome(lambda: divide(a, b)) is None
        assert outcome(lambda: modulo(a, b)) is None
        return
    whole = math.trunc(Fraction(a, b))
    assert outcome(lambda: divide(a, b)) == (whole if whole <= INT_MAX else None)
    assert modulo(a, b) == a - b * whole


@given(NUMBERS, NUMBERS)
def test_numbers_compare_by_their_exact_values(a: Any, b: Any) -> None:
    left, right = Fraction(a), Fraction(b)
    assert equal(a, b) is (left == right)
    assert less(a, b) is (left < right)
    assert at_most(a, b) is (left <= right)
    assert FUNCTIONS["_>_"](a, b) is (left > right)
    assert FUNCTIONS["_>=_"](a, b) is (left >= right)


@given(NUMBERS)
def test_nothing_compares_with_what_is_no_number(number: Any) -> None:
    nan = math.nan
    assert [equal(number, nan), less(number, nan), less(nan, number), at_most(nan, nan)] == [
        False
    ] * 4
    infinite = isinstance(number, float) and math.isinf(number)
    assert infinite or (less(number, math.inf) and less(-math.inf, number))


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), INTS, UINTS, FLOATS, st.text(max_size=3), st.binary(max_size=3)
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=5,
)  # fmt: skip


def plain(value: Any) -> Any:
    """A value told apart by kind, numbers by their exact value alone."""
    if isinstance(value, bool) or value is None or isinstance(value, str | bytes):
        return type(value).__name__, value
    if isinstance(value, int | float):
        return "number", Fraction(value)
    if isinstance(value, tuple):
        return "list", tuple(map(plain, value))
    return "map", {k: plain(v) for k, v in value.items()}


@given(VALUES, VALUES)
def test_equality_is_of_kind_and_value_all_the_way_down(a: Any, b: Any) -> None:
    assert equal(a, b) is (plain(a) == plain(b))
    assert equal(a, a) is True
    assert FUNCTIONS["_!=_"](a, b) is not equal(a, b)
    assert contains((b, a), a) is True
    assert contains((b,), a) is equal(a, b)


@given(VALUES, VALUES)
def test_only_like_things_have_an_order(a: Any, b: Any) -> None:
    got = outcome(lambda: less(a, b))
    (kind, left), (other, right) = plain(a), plain(b)
    ordered = kind == other and kind in ("bool", "number", "str", "bytes")
    assert got is ((left < right) if ordered else None)


@given(st.integers(MOMENT_MIN, MOMENT_MAX))
def test_a_timestamp_survives_its_text(ns: int) -> None:
    text = moment_text(Moment(ns))
    assert moment(text) == Moment(ns)
    whole = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ns // SECOND)
    assert text.startswith(f"{whole.year:04d}-{whole.month:02d}-{whole.day:02d}T{whole.hour:02d}:")
    assert text.endswith("Z")
    assert not text.endswith("0Z") or "." not in text


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001  # local times
def test_an_offset_is_taken_off(local: datetime, minutes: int) -> None:
    sign = "-" if minutes < 0 else "+"
    offset = f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    utc = (local - timedelta(minutes=minutes)).replace(tzinfo=UTC)
    microseconds = (utc - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    text = local.isoformat(timespec="microseconds") + offset
    assert moment(text).ns == microseconds * 1000


@given(st.integers(-SPAN_MAX, SPAN_MAX))
def test_a_duration_survives_its_text(ns: int) -> None:
    assert span(span_text(Span(ns))) == Span(ns)


UNITS = {"h": Fraction(3600), "m": Fraction(60), "s": Fraction(1)}
UNITS |= {"ms": Fraction(1, 1000), "us": Fraction(1, 10**6), "ns": Fraction(1, SECOND)}


@given(
    st.lists(st.tuples(st.from_regex(r"\A[0-9]{1,4}(\.[0-9]{1,3})?\Z"), st.sampled_from(list(UNITS))), min_size=1, max_size=4),
    st.sampled_from(["", "-", "+"]),
)  # fmt: skip
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[str, str]], sign: str) -> None:
    text = sign + "".join(number + unit for number, unit in parts)
    # each part is cut to whole nanoseconds
    total = sum(math.floor(Fraction(n) * UNITS[u] * SECOND) for n, u in parts)
    assert span(text).ns == (-total if sign == "-" else total)


@pytest.mark.parametrize(
    "text",
    ["", "1", "s", "1 s", "1s ", "--1s", "+-1s", "-+1s", "1h-1m", "1.2.3s", "٣s", "1S", "1d", "1e3s", ".s"],
)  # fmt: skip
def test_what_is_no_duration(text: str) -> None:
    assert outcome(lambda: span(text)) is None


@given(st.sampled_from([True, False, "error", "text"]), st.sampled_from([True, False, "error", "text"]))  # fmt: skip
def test_and_and_or_give_the_same_from_either_side(a: Any, b: Any) -> None:
    def part(value: Any) -> Callable[[], Any]:
        def give() -> Any:
            if value == "error":
                raise CelError("x")
            return value

        return give

    sides = (a, b)
    bad = any(not isinstance(v, bool) for v in sides)
    conjunction = False if False in sides else (None if bad else True)
    disjunction = True if True in sides else (None if bad else False)
    assert outcome(lambda: both(part(a), part(b))) is conjunction
    assert outcome(lambda: both(part(b), part(a))) is conjunction
    assert outcome(lambda: either(part(a), part(b))) is disjunction
    assert outcome(lambda: either(part(b), part(a))) is disjunction


@given(st.lists(st.sampled_from([True, False, None]), max_size=6))
def test_macros_over_lists_with_errors_in_them(values: list[bool | None]) -> None:
    def test(value: bool | None) -> bool:  # as a macro calls it
        if value is None:
            raise CelError("x")
        return value

    failed = None in values
    some = True if True in values else (None if failed else False)
    all_ = False if False in values else (None if failed else True)
    assert outcome(lambda: exists(values, test)) is some
    assert outcome(lambda: every(values, test)) is all_
    assert outcome(lambda: once(values, test)) is (None if failed else values.count(True) == 1)


@given(FLOATS)
def test_doubles_to_whole_numbers_and_texts(value: float) -> None:
    whole = math.trunc(value)
    assert outcome(lambda: to_int(value)) == (whole if -(2**63) < value < 2**63 else None)
    assert outcome(lambda: to_uint(value)) == (whole if -1 < value < 2**64 else None)
    assert to_double(to_string(value)) == value


@given(INTS)
def test_ints_survive_their_text(value: int) -> None:
    assert to_int(to_string(value)) == value
    assert outcome(lambda: to_uint(value)) == (value if value >= 0 else None)


@given(VALUES)
def test_json_has_no_whole_numbers(value: Any) -> None:
    found = from_json(value)
    assert not isinstance(found, int) or isinstance(found, bool)
    name = type_of(found).name
    assert name in ("null_type", "bool", "double", "string", "bytes", "list", "map")
    assert from_json(found) == found
