"""What is wrong with a document, and where."""

import difflib
from collections.abc import Iterable
from itertools import islice
from typing import Final, NamedTuple

from controlplane.kernel.errors import InvalidRequest

_LONGEST: Final = 100
_NEAREST: Final = 500
"""A near word is looked for among so many, of at most so many characters: comparing takes its time."""


class Problem(NamedTuple):
    """One error, in words. `line` and `column` start at 1; `path` is like `spec.prices[0].from`."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where} {self.path}: {self.message}" if self.path else f"{where} {self.message}"


class InvalidDocuments(InvalidRequest):
    """The documents cannot be used; `problems` lists every reason, in the order of the files."""

    code = "invalid_documents"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(map(str, self.problems)), problems=self.problems)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean "region"?` where one of the known words is near, else nothing."""
    if len(word) > _LONGEST:
        return ""
    near = difflib.get_close_matches(word, list(islice(known, _NEAREST)), n=1, cutoff=0.6)
    return f'; did you mean "{near[0]}"?' if near else ""
