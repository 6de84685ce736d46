"""RFC 8785 laid out as in cyberphone/json-canonicalization: `input/*.json`, `output/*.json`, `outhex/*.txt`."""

import json
from collections.abc import Iterator
from pathlib import Path

from audit.merkle.canonical import NotCanonical, dumps, transform


def run(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each case's name and what is wrong with our answer; nothing wrong is an empty string."""
    for path in sorted((folder / "input").glob("*.json")):
        yield path.name, _outcome(folder, path)


def _outcome(folder: Path, path: Path) -> str:
    text = path.read_bytes()
    wanted = (folder / "output" / path.name).read_bytes()
    try:
        made = transform(text)
    except NotCanonical as error:
        return f"refused: {error}"
    if made != wanted:
        return f"made {made[:80]!r}, wanted {wanted[:80]!r}"
    dump = folder / "outhex" / f"{path.stem}.txt"
    if dump.is_file() and made != bytes.fromhex(dump.read_text(encoding="ascii")):
        return "the bytes differ from the dump"
    return _fast(text, wanted)


def _fast(text: bytes, wanted: bytes) -> str:
    """The writer of entries must agree wherever it does not refuse (it refuses floats)."""
    try:
        made = dumps(json.loads(text))
    except NotCanonical:
        return ""
    return "" if made == wanted else f"dumps made {made[:80]!r}"
