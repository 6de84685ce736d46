"""What the checker lets through and we do not: size, depth, cost, and regular expressions that are not linear in their text."""

import re
from collections.abc import Iterator
from typing import Final

from policies.documents.limits import (
    COMPREHENSIONS,
    CONDITION_COST,
    CONDITION_LEVELS,
    CONDITION_PARTS,
    LITERALS,
    PATTERN,
)
from policies.engine.cost import cost_of
from policies.engine.wire import Checked, Node, walk

_ATOM: Final = re.compile(
    r"\\[dDwWsS]|\\[.^$*+?()\[\]{}|\\/-]|\[\^?(?:\\[dws.^$*+?()\[\]{}|\\/-]|[^\[\]\\\x80-\U0010ffff])+\]|[^\\\[\](){}*+?|^$]",
    re.ASCII,
)
_SETS: Final = re.compile(r"--|&&|~~|\|\|")
_TIMES: Final = re.compile(r"\*|\+|\?|\{\d{1,3}(,\d{0,3})?\}", re.ASCII)
_ASCII: Final = [chr(code) for code in range(128)]


def lint(checked: Checked) -> Iterator[tuple[int, str]]:
    """(offset, message) of everything that is refused."""
    nodes = list(walk(checked.root))
    if len(nodes) > CONDITION_PARTS.most:
        yield (
            0,
            f"has {len(nodes)} parts, at most {CONDITION_PARTS.most}; split it into several rules",
        )
        return
    if _levels(checked.root) > CONDITION_LEVELS.most:
        yield 0, f"is nested deeper than {CONDITION_LEVELS.most} levels; split it"
    for node in nodes:
        if node.kind in ("list", "map") and len(node.parts) > LITERALS.most:
            yield (
                _start(checked, node),
                f"writes a list of {len(node.parts)} items, at most {LITERALS.most}",
            )
        if node.kind == "call" and node.name == "matches":
            wrong = _regex(node)
            if wrong:
                yield checked.positions.get(node.parts[-1].id, 0), wrong
    yield from _cost(checked, nodes)


def _cost(checked: Checked, nodes: list[Node]) -> Iterator[tuple[int, str]]:
    folds = [node for node in nodes if node.kind == "fold"]
    at = _start(checked, folds[0]) if folds else 0
    if _depth(checked.root) > COMPREHENSIONS.most:
        yield at, f"nests comprehensions deeper than {COMPREHENSIONS.most}"
        return
    cost = cost_of(checked)
    if cost > CONDITION_COST.most:
        yield (
            at,
            f"may cost {cost:,} units, at most {CONDITION_COST.most:,}; do not nest comprehensions over long lists",
        )


def _start(checked: Checked, node: Node) -> int:
    """Where a part begins."""
    found = [checked.positions[n.id] for n in walk(node) if n.id in checked.positions]
    return min(found, default=0)


def _levels(node: Node) -> int:
    return 1 + max(map(_levels, node.parts), default=0)


def _depth(node: Node) -> int:
    return (node.kind == "fold") + max(map(_depth, node.parts), default=0)


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
    if not pattern.isascii() or len(pattern) > PATTERN.most:
        return f"a regular expression is ASCII and has at most {PATTERN.most} characters"
    anchored = pattern.startswith("^")
    body = pattern[anchored:]
    body = body[:-1] if body.endswith("$") and not body.endswith("\\$") else body
    parts: list[tuple[frozenset[str], str]] = []
    while body:
        atom = _ATOM.match(body)
        if atom is None:
            return f'the regular expression may not have "{body[0]}" here: no groups, no alternatives; use several matches()'
        if _SETS.search(atom[0]):
            return (
                f'the regular expression may not have "{atom[0]}" here: Python may read it as sets'
            )
        body = body[atom.end() :]
        times = _TIMES.match(body)
        body = body[times.end() :] if times else body
        if body[:1] in ("?", "*", "+"):
            return "the regular expression repeats a repetition"
        try:
            parts.append((_characters(atom[0]), times[0] if times else ""))
        except re.error as error:
            return f"is no regular expression: {error}"
    return _divisible(parts, anchored=anchored) or _unreadable(pattern)


def _unreadable(pattern: str) -> str:
    try:
        re.compile(pattern, re.ASCII)
    except (re.error, OverflowError) as error:
        return f"is no regular expression: {error}"
    return ""


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
