"""PURE: an edit of a document that Git keeps, as a unified diff against its file: what `git apply` takes."""

from difflib import SequenceMatcher, unified_diff

from policies.bundles.ownership import Place


def patch(place: Place, before: str, after: str) -> str:
    """The diff from the published text to another; nothing where they say the same. Values go back to their placeholders."""
    old = (place.raw or before).splitlines()
    new = _with_placeholders(before.splitlines(), after.splitlines(), old)
    first = place.line - len(place.above)
    lines = unified_diff(
        [*place.above, *old, *place.below],
        [*place.above, *new, *place.below],
        f"a/{place.path}",
        f"b/{place.path}",
        lineterm="",
    )
    return "".join(f"{_moved(line, first - 1)}\n" for line in lines)


def _with_placeholders(before: list[str], after: list[str], raw: list[str]) -> list[str]:
    """The new text in the words of the file: no value has more than one line, so each line has its own there."""
    if len(raw) != len(before):
        return after
    made: list[str] = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        made += raw[i1:i2] if tag == "equal" else after[j1:j2]
    return made


def _moved(line: str, by: int) -> str:
    """A line of the diff, counted from the first line of the file."""
    if not line.startswith("@@ "):
        return line
    _, old, new, *rest = line.split(" ")
    return " ".join(["@@", _counted(old, by), _counted(new, by), *rest])


def _counted(span: str, by: int) -> str:
    start, comma, count = span[1:].partition(",")
    return f"{span[0]}{int(start) + by}{comma}{count}"
