"""PURE: three texts to one, line by line, where two sides changed different lines."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

_Run = tuple[int, int, int]
"""Where a run of lines that all three have starts in each text: was, theirs, mine."""


def woven(was: str, theirs: str, mine: str) -> str | None:
    """Both sides' changes in one text; None where they changed the same lines."""
    old, left, right = (text.splitlines(keepends=True) for text in (was, theirs, mine))
    made: list[str] = []
    at = (0, 0, 0)
    for run, length in _shared(old, left, right):
        part = _between(old[at[0] : run[0]], left[at[1] : run[1]], right[at[2] : run[2]])
        if part is None:
            return None
        made += [*part, *old[run[0] : run[0] + length]]
        at = (run[0] + length, run[1] + length, run[2] + length)
    return "".join(made)


def _between(old: Sequence[str], left: Sequence[str], right: Sequence[str]) -> Sequence[str] | None:
    if left in (old, right):
        return right
    return left if right == old else None


def _shared(
    old: Sequence[str], left: Sequence[str], right: Sequence[str]
) -> Iterator[tuple[_Run, int]]:
    """The runs of lines that stand in all three texts, in order; the last is the end of each."""
    places = [_places(old, other) for other in (left, right)]
    number = 0
    while number < len(old):
        first = places[0].get(number), places[1].get(number)
        if first[0] is None or first[1] is None:
            number += 1
            continue
        length = 1
        while (
            places[0].get(number + length) == first[0] + length
            and places[1].get(number + length) == first[1] + length
        ):
            length += 1
        yield (number, first[0], first[1]), length
        number += length
    yield (len(old), len(left), len(right)), 0


def _places(old: Sequence[str], other: Sequence[str]) -> dict[int, int]:
    """Where each line of the old text that was kept stands in the other."""
    matcher = SequenceMatcher(None, old, other, autojunk=False)
    return {a + n: b + n for a, b, size in matcher.get_matching_blocks() for n in range(size)}
