"""PURE: what changed in a text, line by line, and within a line."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, unified_diff
from itertools import groupby, zip_longest
from typing import Final

CONTEXT: Final = 3
_WORDS: Final = re.compile(r"\w+|\s+|[^\w\s]")
_ALIKE: Final = 0.5
"""Below that likeness a pair of lines is shown as two lines, with nothing marked in them."""


@dataclass(frozen=True, slots=True)
class Part:
    """A run of characters of a line; `changed` where it differs from the line that it replaces."""

    text: str
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `mark` is " ", "+", "-", or "…" for lines left out. Numbers count in the two texts."""

    mark: str
    old: int | None
    new: int | None
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The whole line."""
        return "".join(part.text for part in self.parts)


def lines(before: str | None, after: str | None, context: int = CONTEXT) -> list[Line]:
    """The difference with some lines around it; None is a text that does not exist."""
    old, new = (before or "").splitlines(), (after or "").splitlines()
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    found: list[Line] = []
    told = 0
    for group in matcher.get_grouped_opcodes(context):
        if group[0][1] > told:
            found.append(_gap(group[0][1] - told))
        for tag, i1, i2, j1, j2 in group:
            found += (
                _same(old, i1, i2, j1)
                if tag == "equal"
                else _replaced(old[i1:i2], new[j1:j2], i1, j1)
            )
        told = group[-1][2]
    if found and told < len(old):
        found.append(_gap(len(old) - told))
    return found


def pairs(found: Sequence[Line]) -> list[tuple[Line | None, Line | None]]:
    """The same side by side: what stood left, what stands right; lines left out stand on both sides."""
    made: list[tuple[Line | None, Line | None]] = []
    for changed, run in groupby(found, key=lambda line: line.mark in ("-", "+")):
        part = list(run)
        if changed:
            left, right = ([one for one in part if one.mark == mark] for mark in ("-", "+"))
            made += [(old, new) for old, new in zip_longest(left, right)]
        else:
            made += [(line, line) for line in part]
    return made


def text(before: str | None, after: str | None, name: str) -> str:
    """The same as one unified diff, for programs."""
    return "".join(
        line if line.endswith("\n") else f"{line}\n"
        for line in unified_diff(
            (before or "").splitlines(keepends=True),
            (after or "").splitlines(keepends=True),
            f"a/{name}" if before is not None else "/dev/null",
            f"b/{name}" if after is not None else "/dev/null",
        )
    )


def _gap(count: int) -> Line:
    words = f"{count} line{'s' if count != 1 else ''} as before"
    return Line("…", None, None, (Part(words),))


def _same(old: Sequence[str], i1: int, i2: int, j1: int) -> list[Line]:
    return [
        Line(" ", i + 1, j1 + i - i1 + 1, (Part(line),)) for i, line in enumerate(old[i1:i2], i1)
    ]


def _replaced(gone: Sequence[str], come: Sequence[str], i1: int, j1: int) -> list[Line]:
    taken, put = [], []
    for number, (was, now) in enumerate(zip_longest(gone, come)):
        left, right = _within(was, now)
        if was is not None:
            taken.append(Line("-", i1 + number + 1, None, left))
        if now is not None:
            put.append(Line("+", None, j1 + number + 1, right))
    return taken + put


def _within(was: str | None, now: str | None) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """What differs within a pair of lines, word by word."""
    if was is None or now is None:
        return (Part(was or ""),), (Part(now or ""),)
    left, right = _WORDS.findall(was), _WORDS.findall(now)
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return (Part(was),), (Part(now),)
    codes = matcher.get_opcodes()
    return (
        _joined((word, tag != "equal") for tag, a, b, _, _ in codes for word in left[a:b]),
        _joined((word, tag != "equal") for tag, _, _, a, b in codes for word in right[a:b]),
    )


def _joined(words: Iterator[tuple[str, bool]]) -> tuple[Part, ...]:
    return tuple(
        Part("".join(word for word, _ in run), changed)
        for changed, run in groupby(words, key=lambda pair: pair[1])
    )
