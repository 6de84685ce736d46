"""`python -m tests.access`: the table as it is observed now, for a person to judge before it is committed.

It starts what it needs, as the tests do. Addresses without a row are listed at the end.
"""

import sys
import tempfile
from pathlib import Path

from tests import services


def main() -> None:
    """Print both files anew."""
    services.pytest_addoption(None)  # type: ignore[arg-type] # it takes the parser and does not look at it
    try:
        from tests.access.observe import observed
        from tests.access.table import FILES, rows, written

        with tempfile.TemporaryDirectory() as home:
            report = observed(Path(home))
        lines = []
        for file in FILES:
            lines.append(f"\n{file}")
            for row in (row for row in rows() if row.file == file):
                letters = report["outcomes"][row.name]
                mark = " " if letters == row.outcomes else "!"
                lines.append(f"{mark}{written(row, letters)}")
        for name in ("missing", "leaks", "broken"):
            lines += [f"\n{name}", *report[name]]
        sys.stdout.write("\n".join(lines) + "\n")
    finally:
        services.pytest_unconfigure()


if __name__ == "__main__":
    main()
