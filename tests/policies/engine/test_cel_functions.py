"""Every operator, function and macro of CEL by value: with types the checker knew, and again with types known only at run time."""

import math
from pathlib import Path
from typing import Any

import pytest

from policies.engine.functions import FUNCTIONS
from policies.engine.values import Erred, Moment, Span, TypeName, UInt
from tests.policies.engine.test_cel import run

# ruff: noqa: E501  # one case a line reads better than a short one

SECOND = 10**9
OVERFLOW = Erred("integer overflow")
UNSIGNED = Erred("unsigned integer overflow")


def none(operator: str) -> Erred:
    return Erred(f"no such overload: {operator}".rstrip(": "))


def alike(got: Any, wanted: Any) -> bool:
    if isinstance(wanted, float) and math.isnan(wanted):
        return isinstance(got, float) and math.isnan(got)
    return type(got) is type(wanted) and bool(got == wanted)


@pytest.mark.parametrize(
    ("left", "operator", "right", "value"),
    [
        ("1", "+", "2", 3),
        ("9223372036854775807", "+", "1", OVERFLOW),
        ("-9223372036854775807", "+", "-2", OVERFLOW),
        ("18446744073709551615u", "+", "1u", UNSIGNED),
        ("1u", "+", "2u", UInt(3)),
        ("0.5", "+", "0.25", 0.75),
        ("'a'", "+", "'b'", "ab"),
        ("b'a'", "+", "b'b'", b"ab"),
        ("[1]", "+", "[2]", (1, 2)),
        ("timestamp(10)", "+", "duration('5s')", Moment(15 * SECOND)),
        ("duration('5s')", "+", "timestamp(10)", Moment(15 * SECOND)),
        ("duration('5s')", "+", "duration('1s')", Span(6 * SECOND)),
        ("timestamp('9999-12-31T23:59:59Z')", "+", "duration('1s')", Erred("timestamp out of range")),
        ("5", "-", "7", -2),
        ("-9223372036854775807", "-", "2", OVERFLOW),
        ("5u", "-", "7u", UNSIGNED),
        ("0.5", "-", "0.25", 0.25),
        ("timestamp(10)", "-", "timestamp(4)", Span(6 * SECOND)),
        ("timestamp(10)", "-", "duration('4s')", Moment(6 * SECOND)),
        ("duration('1s')", "-", "duration('4s')", Span(-3 * SECOND)),
        ("3", "*", "-4", -12),
        ("4611686018427387904", "*", "2", OVERFLOW),
        ("3u", "*", "4u", UInt(12)),
        ("0.5", "*", "4.0", 2.0),
        ("7", "/", "-2", -3),
        ("-7", "/", "-2", 3),
        ("7u", "/", "2u", UInt(3)),
        ("7", "/", "0", Erred("division by zero")),
        ("7u", "/", "0u", Erred("division by zero")),
        ("(-9223372036854775807 - 1)", "/", "-1", OVERFLOW),
        ("7.0", "/", "2.0", 3.5),
        ("7.0", "/", "0.0", math.inf),
        ("-7.0", "/", "0.0", -math.inf),
        ("7.0", "/", "-0.0", -math.inf),
        ("0.0", "/", "0.0", math.nan),
        ("7", "%", "-2", 1),
        ("-7", "%", "-2", -1),
        ("7u", "%", "4u", UInt(3)),
        ("7", "%", "0", Erred("modulus by zero")),
        ("1", "==", "1", True),
        ("'a'", "==", "'b'", False),
        ("'a'", "!=", "'b'", True),
        ("[1, 2]", "==", "[1, 2]", True),
        ("[1, 2]", "==", "[2, 1]", False),
        ("[1]", "!=", "[1, 1]", True),
        ("{'a': 1}", "==", "{'a': 1}", True),
        ("{'a': 1}", "==", "{'a': 2}", False),
        ("{'a': 1}", "==", "{'b': 1}", False),
        ("null", "==", "null", True),
        ("timestamp(1)", "==", "timestamp('1970-01-01T00:00:01Z')", True),
        ("duration('60s')", "==", "duration('1m')", True),
        ("0.0 / 0.0", "==", "0.0 / 0.0", False),
        ("1", "<", "2", True),
        ("2", "<=", "2", True),
        ("'b'", ">", "'a'", True),
        ("'B'", ">=", "'a'", False),
        ("b'a'", "<", "b'b'", True),
        ("false", "<", "true", True),
        ("2.0", ">", "1.5", True),
        ("2u", ">=", "3u", False),
        ("timestamp(1)", "<", "timestamp(2)", True),
        ("duration('1s')", ">=", "duration('1000ms')", True),
        ("0.0 / 0.0", "<=", "1.0", False),
        ("0.0 / 0.0", ">=", "1.0", False),
        ("'a'", "in", "['a', 'b']", True),
        ("'c'", "in", "['a', 'b']", False),
        ("1", "in", "{1: 'x'}", True),
        ("true", "in", "{1: 'x'}", False),
        ("true", "in", "[true]", True),
        ("'x'", "in", "{'y': 1}", False),
    ],
)  # fmt: skip
def test_operators(left: str, operator: str, right: str, value: Any) -> None:
    # dyn keeps the checker from knowing types
    assert alike(run(f"dyn({left}) {operator} dyn({right})"), value)
    if left != "true" or operator != "in":
        assert alike(run(f"({left}) {operator} ({right})"), value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # numbers compare across their types, everything else does not
        ("dyn(1) == dyn(1u) && dyn(1u) == dyn(1.0) && dyn(1) != dyn(1.5)", True),
        ("dyn(1) < dyn(1.5) && dyn(2u) > dyn(1.5) && dyn(-1) < dyn(0u)", True),
        ("dyn(9007199254740993) == dyn(9007199254740992.0)", False),
        ("dyn(true) == dyn(1) || dyn('1') == dyn(1) || dyn(null) == dyn(0) || dyn([]) == dyn({})", False),
        ("dyn(1) + dyn(1u)", none("_+_")),
        ("dyn(1) + dyn('a')", none("_+_")),
        ("dyn('a') - dyn('a')", none("_-_")),
        ("dyn('a') * dyn(2)", none("_*_")),
        ("dyn(1) / dyn(2.0)", none("_/_")),
        ("dyn(1.0) % dyn(2.0)", none("_%_")),
        ("dyn(true) + dyn(true)", none("_+_")),
        ("dyn(1) < dyn('a')", Erred("no such overload")),
        ("dyn([1]) < dyn([2])", Erred("no such overload")),
        ("dyn('a') in dyn('abc')", Erred("no such overload")),
        ("dyn([1]) in dyn({'a': 1})", Erred("unsupported key type")),
        ("-dyn(5)", -5), ("-dyn(0.5)", -0.5), ("-dyn('a')", none("-_")), ("-(dyn(-9223372036854775807) - 1)", OVERFLOW),
        ("!dyn(true)", False), ("!dyn('a')", none("a condition must be a bool")),
        ("dyn('a') ? 1 : 2", none("a condition must be a bool")),
        ("dyn(b) ? 1 : 2", 1), ("!b ? 1 : 2", 2),
        # absorption: the winning value wins whichever side failed; a value that is no bool is an error too
        ("dyn('x') || b", True), ("b || dyn('x')", True), ("dyn('x') && !b", False), ("!b && dyn('x')", False),
        ("dyn('x') || !b", none("a condition must be a bool")), ("b && dyn('x')", none("a condition must be a bool")),
        ("(i / j == 1 || !b) && !b", False), ("(i / j == 1 && b) || b", True),
        ("i / j == 1 && (i % j == 1 || b)", Erred("division by zero")),
        # an error in what is not chosen does not count
        ("b ? i : i / j", 1), ("i / j == 1 ? i : i", Erred("division by zero")),
        # indexes and fields
        ("k[1]", 2), ("k[2]", Erred("index out of bounds")), ("k[-1]", Erred("index out of bounds")),
        ("dyn(k)[1.0]", 2), ("dyn(k)[0.5]", Erred("index out of bounds")), ("dyn(k)[1u]", 2), ("dyn(k)[b]", none("_[_]")), ("dyn(s)[0]", none("_[_]")),
        ("m['x']", "1"), ("m['q']", Erred('no such key: "q"')), ("dyn(m).x", "1"), ("dyn(s).x", Erred("no such field: not a map")),
        ("{1: 'a', 2: 'b'}[2]", "b"), ("dyn({1: 'a'})[1.0]", "a"), ("dyn({1: 'a'})[1u]", "a"), ("dyn({true: 'a', 1: 'b'})[true]", "a"),
        ("{'a': 1, 'a': 2}", Erred("duplicate or unsupported key")),
        ("has(m.x)", True), ("has(m.q)", False), ("has(dyn(m).q)", False), ("has(dyn(s).q)", Erred("no such field: not a map")),
        # macros
        ("k.all(x, x > 0)", True), ("k.all(x, x > 1)", False), ("[].all(x, x)", True), ("[].exists(x, x)", False),
        ("k.exists(x, x > 1)", True), ("k.exists(x, x > 2)", False), ("k.exists(x, x / j == 1)", Erred("division by zero")),
        ("[0, 1].all(x, 1 / x == 1)", Erred("division by zero")), ("[0, 1].exists(x, 1 / x == 1)", True), ("[1, 0].exists(x, 1 / x == 1)", True),
        ("k.exists_one(x, x == 1)", True), ("k.exists_one(x, x > 0)", False), ("[0, 1].exists_one(x, 1 / x == 1)", Erred("division by zero")),
        ("k.map(x, x * 2)", (2, 4)), ("k.map(x, x > 1, x * 2)", (4,)), ("k.map(x, x / j)", Erred("division by zero")),
        ("k.filter(x, x > 1)", (2,)), ("k.filter(x, x / j == 1)", Erred("division by zero")),
        ("m.all(key, key == 'x')", True), ("m.exists(key, m[key] == '1')", True), ("{true: 1}.exists(key, key)", True), ("m.map(key, key + '!')", ("x!",)),
        ("dyn(m).exists(key, key == 'x')", True), ("dyn(s).exists(x, true)", none("comprehension")),
        ("k.exists(x, k.exists(y, x + y == 4))", True), ("k.map(x, k.map(y, x * y))", ((1, 2), (2, 4))),
        # sizes and texts
        ("size('')", 0), ("size('añb')", 3), ("size(b'\\xff\\x00')", 2), ("size(k)", 2), ("m.size()", 1), ("dyn('ab').size()", 2), ("size(dyn(1))", none("size")),
        ("'abc'.contains('')", True), ("'abc'.contains('bc')", True), ("'abc'.startsWith('b')", False), ("'abc'.endsWith('c')", True), ("'ABC'.endsWith('c')", False),
        ("dyn('abc').contains('b')", True), ("dyn(1).startsWith('a')", none("startsWith")),
        ("'ab1'.matches('^[a-z]+[0-9]$')", True), ("'xab'.matches('ab')", True), ("'AB'.matches('ab')", False), ("'٣'.matches('^[0-9]$')", False), ("'é'.matches('^.$')", True),
        # types
        ("type(1) == int && type(1u) == uint && type(1.0) == double && type('') == string && type(b'') == bytes", True),
        ("type([]) == list && type({}) == map && type(null) == null_type && type(dyn(1)) != type(dyn(1.0))", True),
        ("type(timestamp(0)) == google.protobuf.Timestamp && type(duration('0s')) == google.protobuf.Duration", True),
        ("type(s)", TypeName("string")), ("type(int)", TypeName("type")),
    ],
)  # fmt: skip
def test_values_known_only_when_they_run(text: str, value: Any) -> None:
    assert alike(run(text), value), run(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("int('-12')", -12), ("int('12.5')", Erred("cannot convert string to int")), ("int('')", Erred("cannot convert string to int")), ("int('٣')", Erred("cannot convert string to int")),
        ("int('9223372036854775808')", OVERFLOW), ("int(2.9)", 2), ("int(-2.9)", -2), ("int(1e19)", Erred("double out of int range")), ("int(7u)", 7), ("int(18446744073709551615u)", OVERFLOW),
        ("int(timestamp('1969-12-31T23:59:59.5Z'))", -1), ("int(dyn(true))", none("int")), ("int(dyn(null))", none("int")),
        ("uint('12')", UInt(12)), ("uint(2.9)", UInt(2)), ("uint(-1)", UNSIGNED), ("uint('-1')", Erred("cannot convert to uint")), ("uint(3)", UInt(3)), ("uint(dyn(true))", Erred("cannot convert to uint")),
        ("double('1.5')", 1.5), ("double('-1e3')", -1000.0), ("double('inf')", math.inf), ("double('nan')", math.nan), ("double('1_0')", Erred("cannot convert string to double")), ("double('1.2.3')", Erred("cannot convert string to double")), ("double(3)", 3.0), ("double(3u)", 3.0), ("double(dyn(true))", none("double")),
        ("string(1)", "1"), ("string(1u)", "1"), ("string(1.0)", "1"), ("string(-0.5)", "-0.5"), ("string(true)", "true"), ("string('a')", "a"), ("string(b'abc')", "abc"), ("string(b'\\xff')", Erred("invalid UTF-8")), ("string(dyn([]))", none("string")), ("string(dyn(null))", none("string")),
        ("string(timestamp('2026-11-24T10:00:00.120Z'))", "2026-11-24T10:00:00.12Z"), ("string(timestamp('0099-01-01T00:00:00Z'))", "0099-01-01T00:00:00Z"), ("string(duration('1h1ns'))", "3600.000000001s"), ("string(duration('-1ns'))", "-0.000000001s"),
        ("string(1.0 / 0.0)", "inf"), ("string(-1.0 / 0.0)", "-inf"),
        ("bytes('é')", b"\xc3\xa9"), ("bytes(b'a')", b"a"), ("bytes(dyn(1))", none("bytes")),
        ("bool('t')", True), ("bool('FALSE')", False), ("bool('yes')", Erred("cannot convert to bool")), ("bool(dyn(true))", True), ("bool(dyn(1))", Erred("cannot convert to bool")),
        ("timestamp(10)", Moment(10 * SECOND)), ("timestamp(timestamp(1))", Moment(SECOND)), ("timestamp('2026-02-29T00:00:00Z')", Erred('"2026-02-29T00:00:00Z" is not a timestamp')), ("timestamp('2026-02-28')", Erred('"2026-02-28" is not a timestamp')), ("timestamp(253402300800)", Erred("timestamp out of range")), ("timestamp(dyn(1.5))", none("timestamp")),
        ("timestamp('2026-11-24T00:00:00-05:30')", Moment(1795498200 * SECOND)), ("timestamp('2026-11-24t00:00:00.123456789z')", Moment(1795478400 * SECOND + 123456789)),
        ("duration('1.5s')", Span(1500 * 10**6)), ("duration('1h2m3s4ms5us6ns')", Span(3723 * SECOND + 4005006)), ("duration('-1m')", Span(-60 * SECOND)), ("duration('+1m')", Span(60 * SECOND)), ("duration('0')", Span(0)),
        ("duration('1')", Erred('"1" is not a duration')), ("duration('')", Erred('"" is not a duration')), ("duration('-+1s')", Erred('"-+1s" is not a duration')), ("duration('1d')", Erred('"1d" is not a duration')), ("duration('999999999h')", Erred("duration out of range")), ("duration(dyn(1))", none("duration")),
        ("dyn(1)", 1),
    ],
)  # fmt: skip
def test_conversions(text: str, value: Any) -> None:
    assert alike(run(text), value), run(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # Tuesday 24 November 2026, the 328th day of its year
        ("getFullYear()", 2026), ("getMonth()", 10), ("getDate()", 24), ("getDayOfMonth()", 23), ("getDayOfWeek()", 2), ("getDayOfYear()", 327),
        ("getHours()", 23), ("getMinutes()", 30), ("getSeconds()", 5), ("getMilliseconds()", 999),
        # in Berlin it is already Wednesday
        ("getDate('Europe/Berlin')", 25), ("getDayOfWeek('Europe/Berlin')", 3), ("getHours('Europe/Berlin')", 0), ("getMinutes('Asia/Kathmandu')", 15),
        ("getHours('+02:00')", 1), ("getHours('-02:30')", 21), ("getMinutes('-02:30')", 0), ("getMilliseconds('Europe/Berlin')", 999),
        ("getHours('Europe/Atlantis')", Erred('"Europe/Atlantis" is not a time zone')), ("getHours('../../etc/passwd')", Erred('"../../etc/passwd" is not a time zone')), ("getMilliseconds('x')", Erred('"x" is not a time zone')),
    ],
)  # fmt: skip
def test_parts_of_a_timestamp(text: str, value: Any) -> None:
    # the last nanosecond of the second: no double could hold it
    got = run(f"timestamp('2026-11-24T23:30:05.999999999Z').{text}")
    assert alike(got, value), got


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("duration('3h50m7.25s').getHours()", 3), ("duration('3h50m7.25s').getMinutes()", 230), ("duration('3h50m7.25s').getSeconds()", 13807), ("duration('3h50m7.25s').getMilliseconds()", 250),
        ("duration('-90m').getHours()", -1), ("duration('-90s').getMinutes()", -1), ("duration('-1.5s').getSeconds()", -1), ("duration('-1.5s').getMilliseconds()", -500), ("duration('-1.0005s').getMilliseconds()", 0),
        ("timestamp('1969-12-31T23:59:59.999Z').getMilliseconds()", 999), ("timestamp('1969-12-31T23:59:59.999Z').getSeconds()", 59),
        ("timestamp('9999-12-31T23:59:59Z').getHours('Asia/Tokyo')", Erred("timestamp out of range in this zone")),
        ("dyn(duration('1s')).getFullYear()", none("a part of a timestamp")), ("dyn(1).getMilliseconds()", none("getMilliseconds")), ("dyn('x').getHours()", none("a part of a timestamp")),
    ],
)  # fmt: skip
def test_parts_of_durations_and_of_times_at_the_edges(text: str, value: Any) -> None:
    assert alike(run(text), value), run(text)


@pytest.mark.parametrize(
    ("zone", "utc", "hour"),
    [
        ("Europe/Berlin", "2026-03-29T00:59:59Z", 1),
        ("Europe/Berlin", "2026-03-29T01:00:00Z", 3),
        ("Europe/Berlin", "2026-10-25T00:59:59Z", 2),
        ("Europe/Berlin", "2026-10-25T01:00:00Z", 2),
        ("Europe/Berlin", "2026-10-25T02:00:00Z", 3),
        ("America/New_York", "2026-11-01T05:30:00Z", 1),
        ("America/New_York", "2026-11-01T06:30:00Z", 1),
        ("Australia/Lord_Howe", "2026-04-04T15:00:00Z", 1),
    ],
)  # fmt: skip
def test_hours_where_clocks_change(zone: str, utc: str, hour: int) -> None:
    assert run(f"timestamp('{utc}').getHours('{zone}')") == hour


def test_every_function_of_the_language_stands_in_a_test_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    operators = {
        "@in": " in ",
        "_[_]": "k[1]",
        "-_": "-dyn",
        "!_": "!dyn",
        "from_json": "from_json",
    }
    written = {
        name: operators.get(name, name.strip("_") if name.startswith("_") else f"{name}(")
        for name in FUNCTIONS
    }
    assert [name for name, part in written.items() if part not in text] == []
