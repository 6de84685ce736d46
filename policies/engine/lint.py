"""What the checker lets through and we do not: size, depth, and regular expressions that are not linear in their text."""

import re
from collections.abc import Iterator
from typing import Final

from policies.engine.wire import Checked, Node, walk

MAX_TEXT: Final = 4000
MAX_NODES: Final = 400
MAX_COMPREHENSIONS: Final = 2
MAX_STEPS: Final = 4096
_LENGTHS: Final = {"request.tools": 128}
_LENGTH: Final = 32
"""A list that is not listed has at most about so many items; texts and maps of facts are as small."""
_ATOM: Final = re.compile(
    r"\\[dDwWsS]|\\[.^$*+?()\[\]{}|\\/-]|\[\^?(?:\\[dws.^$*+?()\[\]{}|\\/-]|[^\[\]\\\x80-\U0010ffff])+\]|[^\\\[\](){}*+?|^$]",
    re.ASCII,
)
_TIMES: Final = re.compile(r"\*|\+|\?|\{\d{1,3}(,\d{0,3})?\}", re.ASCII)
_ASCII: Final = [chr(code) for code in range(128)]


def lint(checked: Checked) -> Iterator[tuple[int, str]]:
    """(offset, message) of everything that is refused."""
    nodes = list(walk(checked.root))
    if len(nodes) > MAX_NODES:
        yield 0, f"has {len(nodes)} parts, at most {MAX_NODES}; split it into several rules"
    if _depth(checked.root) > MAX_COMPREHENSIONS:
        yield 0, f"nests comprehensions deeper than {MAX_COMPREHENSIONS}"
    elif _steps(checked.root) > MAX_STEPS:
        yield 0, f"may take more than {MAX_STEPS} steps; do not nest comprehensions over long lists"
    for node in nodes:
        if node.kind == "call" and node.name == "matches":
            wrong = _regex(node)
            if wrong:
                yield checked.positions.get(node.parts[-1].id, 0), wrong


def _depth(node: Node) -> int:
    return (node.kind == "fold") + max(map(_depth, node.parts), default=0)


def _steps(node: Node) -> int:
    """How often the innermost part of nested comprehensions may run."""
    inner = max(map(_steps, node.parts), default=1)
    if node.kind != "fold":
        return inner
    source = node.parts[0]
    length = len(source.parts) if source.kind == "list" else _LENGTHS.get(source.name, _LENGTH)
    return max(length, 1) * inner


def _regex(node: Node) -> str:
    pattern = node.parts[-1]
    if pattern.kind != "const" or not isinstance(pattern.value, str):
        return "a regular expression must be written as a literal"
    return linear(pattern.value)


def linear(pattern: str) -> str:
    """Why a pattern is refused, or nothing.

    Allowed: ASCII characters, classes and escapes with `*`, `+`, `?`, `{m,n}`, and `^` and `$` at the ends. What
    follows a repetition must begin with a character that the repetition cannot take, so that no text can be divided
    in two ways: matching is linear.
    """
    if not pattern.isascii() or len(pattern) > 200:
        return "a regular expression is ASCII and has at most 200 characters"
    anchored = pattern.startswith("^")
    body = pattern[anchored:]
    body = body[:-1] if body.endswith("$") and not body.endswith("\\$") else body
    parts: list[tuple[frozenset[str], str]] = []
    while body:
        atom = _ATOM.match(body)
        if atom is None:
            return f'the regular expression may not have "{body[0]}" here: no groups, no alternatives; use several matches()'
        body = body[atom.end() :]
        times = _TIMES.match(body)
        body = body[times.end() :] if times else body
        if body[:1] in ("?", "*", "+"):
            return "the regular expression repeats a repetition"
        parts.append((_characters(atom[0]), times[0] if times else ""))
    return _divisible(parts, anchored=anchored)


def _characters(atom: str) -> frozenset[str]:
    test = re.compile(atom, re.ASCII)
    # everything outside ASCII counts as one more character, which only `.` and negated classes take
    return frozenset(c for c in [*_ASCII, "\u0100"] if test.fullmatch(c))


def _divisible(parts: list[tuple[frozenset[str], str]], *, anchored: bool) -> str:
    for i, (taken, times) in enumerate(parts):
        if not times or re.fullmatch(r"\{\d+\}", times):
            continue
        if not anchored and times != "?":
            return 'a regular expression with repetitions must begin with "^"'
        for after, again in parts[i + 1 :]:
            if taken & after:
                return "the regular expression can divide a text in two ways; what follows a repetition must differ from it"
            if again in ("", "+") or re.match(r"\{[1-9]", again):
                break
    return ""
