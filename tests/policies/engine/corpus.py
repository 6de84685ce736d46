"""The committed corpus: decisions that must have the same bytes for ever, on every Python.

`python -m tests.policies.engine.corpus` prints every miss; it needs only what the engine needs, on any Python.
`python -m tests.policies.engine.making` writes the worlds that are not there yet.
A change of any digest means that `ENGINE` must be raised, and the old engine kept (`policies.engine.older`).
"""

import base64
import json
import sys
from pathlib import Path
from typing import NamedTuple

from policies.engine.answer import output_of
from policies.engine.bundle import Bundle
from policies.engine.compile import load_bundle
from policies.engine.decide import decide
from policies.engine.facts import decode
from policies.engine.weigh import decode_facts, weigh

FOLDER = Path(__file__).with_name("corpus")


class Case(NamedTuple):
    """One decision: facts, and for an answer that was weighed what it was; the digest it always had."""

    effect: str
    digest: str
    facts: str
    answer: str = ""
    text: str = ""


def bundles() -> dict[str, tuple[Bundle, list[Case]]]:
    """Every world of the corpus as it was stored: its bundle (text and checked forms) and its cases."""
    worlds = {path.name.partition(".")[0]: path for path in sorted(FOLDER.glob("*.bundle.json"))}
    return {
        name: (stored_bundle(path), _cases(FOLDER / f"{name}.jsonl"))
        for name, path in worlds.items()
    }


def stored_bundle(path: Path) -> Bundle:
    """The bundle of a file: its text and its checked forms."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return load_bundle(1, stored["text"].encode(), stored_checked(path))


def stored_checked(path: Path) -> bytes:
    """The checked forms in a file."""
    return base64.b64decode(json.loads(path.read_text(encoding="utf-8"))["checked"])


def _cases(path: Path) -> list[Case]:
    return [Case(*json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def again(of: Bundle, case: Case) -> bytes:
    """The digest that a case has now."""
    facts = decode(case.facts.encode())
    if not case.answer:
        return decide(of, facts).digest
    return weigh(of, facts, decode_facts(case.answer.encode()), output_of(case.text)).digest


def misses() -> list[str]:
    """The cases whose decision has other bytes now."""
    return [
        f"{name} {number}: {case.effect}"
        for name, (compiled, cases) in bundles().items()
        for number, case in enumerate(cases)
        if again(compiled, case).hex() != case.digest
    ]


def main() -> int:
    """Print the misses and the count; ends with 1 where there is a miss."""
    wrong = misses()
    count = sum(len(cases) for _, cases in bundles().values())
    sys.stdout.write("".join(f"MISS {line}\n" for line in wrong))
    sys.stdout.write(
        f"Python {sys.version.split()[0]}: {count - len(wrong)} of {count} decisions\n"
    )
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
