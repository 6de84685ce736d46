"""The committed table: which asker gets what at which address."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controlplane.kernel.principal import ROLES

FOLDER = Path(__file__).resolve().parent
FILES = ("pages.txt", "operations.txt")
PLACES = ("organisation", "here", "there")
OTHERS = ("member", "key", "foreign-key", "nobody")
ASKERS = (*(f"{place}:{role}" for place in PLACES for role in ROLES), *OTHERS)
"""The columns: the seven roles in the organisation, in the objects' tenant, in another tenant; then those without."""
ALLOWED, FORBIDDEN, NOT_FOUND, SIGN_IN = "+", "f", "n", "s"
REFUSED, NO_METHOD, BROKEN = "r", ".", "5"
_OUTCOMES = {ALLOWED, FORBIDDEN, NOT_FOUND, SIGN_IN, REFUSED, NO_METHOD}


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `address` has {placeholders} for objects; `body` is sent as a form to pages and as JSON to the API."""

    file: str
    method: str
    address: str
    outcomes: str
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What tells one row from another."""
        return f"{self.method} {self.address}" + (f" {json.dumps(self.body)}" if self.body else "")

    def expected(self, asker: str) -> str:
        """The letter in the asker's column."""
        return self.outcomes[ASKERS.index(asker)]


def rows() -> list[Row]:
    """Every row of both files. Raises ValueError for a line that is no row."""
    return [row for file in FILES for row in _read(file)]


def _read(file: str) -> Iterator[Row]:
    lines = (FOLDER / file).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        told, _, body = line.partition(' {"')
        method, address, *groups = told.split()
        outcomes = "".join(groups)
        if len(outcomes) != len(ASKERS) or not set(outcomes) <= _OUTCOMES:
            raise ValueError(f"{file}:{number}: {len(ASKERS)} letters of +fnsr. are wanted")
        yield Row(file, method, address, outcomes, json.loads('{"' + body) if body else {})


def written(row: Row, outcomes: str) -> str:
    """A row as it stands in the file, with these outcomes."""
    count = len(ROLES)
    groups = [outcomes[at : at + count] for at in range(0, len(outcomes), count)]
    line = f"{row.method:<6} {row.address:<58} {' '.join(groups)}"
    return f"{line} {json.dumps(row.body, ensure_ascii=False)}" if row.body else line
