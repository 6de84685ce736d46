"""`python -m tests.conformance SUITE FOLDER`: runs a suite of vectors, lists each miss, ends in `N passed, M failed`.

FOLDER is laid out as the vectors beside the checkout: it has a folder SUITE, or is that folder itself.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.conformance import cel, jcs, merkle

SUITES: dict[str, Callable[[Path], Iterator[tuple[str, str]]]] = {
    "cel": cel.run,
    "jcs": jcs.run,
    "merkle": merkle.run,
}
"""Each yields (case, what is wrong with our answer); nothing wrong is an empty string."""


def main(arguments: list[str]) -> int:
    """Exit status: 0 if every case passed, 1 if one did not or there was none, 2 for wrong arguments."""
    if len(arguments) != 2 or arguments[0] not in SUITES:
        sys.stderr.write(f"usage: python -m tests.conformance {'|'.join(SUITES)} FOLDER\n")
        return 2
    suite, folder = arguments[0], Path(arguments[1])
    inner = folder / suite
    passed = failed = 0
    for name, wrong in SUITES[suite](inner if inner.is_dir() else folder):
        if wrong:
            failed += 1
            sys.stdout.write(f"MISS {name}: {wrong}\n")
        else:
            passed += 1
    sys.stdout.write(f"{passed} passed, {failed} failed\n")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
