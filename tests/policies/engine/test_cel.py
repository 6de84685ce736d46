"""CEL compiled to Python: its own rules of errors, and the same answer as cel-cpp on generated expressions.

cel-cpp evaluates in a process of its own: on CPython 3.11 it drops a reference to None for every null.
"""

# the table of expressions

import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cel_expr_python import cel as native
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.engine import wire
from policies.engine.cel import Program, Variable, compile_expression
from policies.engine.values import Erred, Moment, Span, UInt

T = native.Type
TYPES = {
    "i": T.INT, "j": T.INT, "d": T.DOUBLE, "s": T.STRING, "t": T.STRING, "b": T.BOOL,
    "l": T.List(T.STRING), "k": T.List(T.INT), "m": T.Map(T.STRING, T.STRING), "y": T.DYN,
}  # fmt: skip
SLOTS = {name: Variable(f"c[{i}]") for i, name in enumerate(TYPES)}


def program(text: str) -> Program:
    return compile_expression(
        wire.read(bytes(native.NewEnv(variables=TYPES).compile(text).serialize())), SLOTS, "c"
    )


def run(text: str, **values: Any) -> Any:
    defaults = {
        "i": 1,
        "j": 0,
        "d": 0.5,
        "s": "a",
        "t": "ab",
        "b": True,
        "l": ("a", "b"),
        "k": (1, 2),
        "m": {"x": "1"},
        "y": 1.0,
    }
    return program(text).evaluate([{**defaults, **values}[name] for name in TYPES])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("i / j == 1 || b", True),
        ("b || i / j == 1", True),
        ("i / j == 1 && !b", False),
        ("i / j == 1 || !b", Erred("division by zero")),
        ("i / j == 1 || i % j == 1", Erred("modulus by zero")),
        ("i / j == 1 && i / j == 2", Erred("division by zero")),
        ("[1, 2].exists(x, x / j == 1 || x == 2)", True),
        ("[1, 2].all(x, x / j == 1)", Erred("division by zero")),
        ("[2, 1].all(x, x / (x - 1) == 3)", False),
        ("[1, 2, 1].exists_one(x, x == 1)", False),
        ("k.map(x, x > 1, x * 10)", (20,)),
        ("l.filter(x, x != s)", ("b",)),
        ("9223372036854775807 + i", Erred("integer overflow")),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("7.0 / 0.0 > 1.0", True),
        ("m.z", Erred('no such key: "z"')),
        ("has(m.x) && m.x == '1'", True),
        ("b ? i / j : i", Erred("division by zero")),
        ("y == 1 && y == 1u && y == 1.0", True),
        ("y == '1'", False),
        ("y + 1.0", 2.0),
        ("y + 1", Erred("no such overload: _+_")),
        ("y || b", True),
        ("size('πέντε')", 5),
        ("timestamp('2026-11-24T01:00:00+01:00')", Moment(1795478400 * 10**9)),
        ("timestamp('2026-03-29T01:30:00Z').getHours('Europe/Berlin')", 3),
        ("duration('1h30m') - duration('30m')", Span(3600 * 10**9)),
        ("string(timestamp(0)) + string(duration('-1.5s'))", "1970-01-01T00:00:00Z-1.5s"),
        ("timestamp('2026-13-01T00:00:00Z')", Erred('"2026-13-01T00:00:00Z" is not a timestamp')),
        ("uint(3) + 4u", UInt(7)),
        ("uint('x')", Erred("cannot convert to uint")),
        ("{'a': 1}['a'] + {true: 2, 1: 3}[1]", 4),
        ("s.matches('^a$')", True),
        ("l == ['a', 'b'] && 'a' in l && 'x' in m", True),
        ("l.exists(x, x in ['b', 'z']) && l.all(x, x in ['a', 'b'])", True),
        ("type(i) == int && type(b) == bool && type(type(s)) == type", True),
    ],
)  # fmt: skip
def test_values_and_errors(text: str, value: Any) -> None:
    got = run(text)
    assert got == value
    assert type(got) is type(value)


def test_a_dollar_is_the_end_of_the_text_and_not_of_a_line() -> None:
    assert run("s.matches('^a$')", s="a\n") is False


def test_code_that_cannot_fail_has_no_guard() -> None:
    assert (
        program("s == 'a' && l.exists(x, x == 'b') && size(l) > 1 && !(t in l)").fallible is False
    )
    assert program("i + 1 > 2").fallible is True


def test_no_text_of_a_condition_becomes_code() -> None:
    hostile = "');import os;('"
    assert run('s == "' + hostile + '"', s=hostile) is True
    assert run(f'm["{hostile}"]', m={hostile: "1"}) == "1"


LEAVES = [
    "b", "s == t", "s < t", "i < j", "i == j", "d > 0.5", "d == d", "t.startsWith(s)", "t.contains(s)", "s in l", "i in k",
    "l.exists(x, x == s)", "l.all(x, x in ['a', 'b'])", "k.exists(x, x > i)", "k.exists_one(x, x == i)", "'x' in m",
    "has(m.x)", "m.x == s", "m['y'] == t", "size(l) == i", "size(s) < j", "k[0] == i", "k[i] == j", "l[j] == s",
    "i / j == 1", "i % j == 0", "i + j > 0", "i * 4611686018427387904 == j", "-i < j", "d / 0.0 > 1.0", "string(i) == s",
    "int(s) == 1", "k.map(x, x + i) == k", "l.filter(x, x != s) == l", "k.all(x, x / j == 0)", "y == i", "dyn(i) == dyn(d)",
    "dyn(s) < dyn(t)", "(i > j ? s : t) == 'a'", "string(b) == s", "double(i) < d", "uint(i) == 1u", "l + l == l",
]  # fmt: skip
STRINGS = ["a", "b", "ab", "", "ä"]
REFERENCE = Path(__file__).with_name("reference_cel.py")


def expression(random: Random, depth: int) -> str:
    if depth == 0 or random.random() < 0.2:
        return random.choice([*LEAVES, f"'{random.choice(STRINGS)}' == '{random.choice(STRINGS)}'"])
    parts = [expression(random, depth - 1) for _ in range(3)]
    form = random.choice(
        ["!({0})", "({0} && {1})", "({0} || {1})", "({0} ? {1} : {2})", "(({0}) == ({1}))"]
    )
    return form.format(*parts)


def context(random: Random) -> dict[str, Any]:
    def some(values: list[Any]) -> list[Any]:
        return random.choices(values, k=random.randrange(4))

    return {
        "i": random.randrange(-2, 4), "j": random.randrange(-2, 4), "d": random.choice([0.0, 0.5, 1.0, -1.5]),
        "s": random.choice(STRINGS), "t": random.choice(STRINGS), "b": random.random() < 0.5,
        "l": some(STRINGS), "k": some([-1, 0, 1, 2, 3]), "m": {key: random.choice(STRINGS) for key in some(["x", "y"])},
        "y": random.choice([0, 1, 2, True, False, *STRINGS]),
    }  # fmt: skip


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_the_same_answers_as_the_reference(seed: int) -> None:
    random = Random(seed)  # noqa: S311  # test cases, not secrets
    cases = [(expression(random, 3), context(random)) for _ in range(400)]
    done = subprocess.run(
        [sys.executable, str(REFERENCE)], input=json.dumps(cases), capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    for (text, bound), wanted in zip(cases, json.loads(done.stdout), strict=True):
        values = [tuple(v) if isinstance(v, list) else v for v in (bound[n] for n in TYPES)]
        got = program(text).evaluate(values)
        assert ("error" if isinstance(got, Erred) else got) == wanted, (text, bound, got)
