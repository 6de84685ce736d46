"""A folder of documents as it is read, sent to a server, and handed in: its files, and what Git says of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from audit.merkle import canonical
from policies.documents.document import Document
from policies.documents.parse import parse_text, raise_if, twice, yaml_files
from policies.documents.problems import InvalidDocuments, Problem
from policies.folders.repository import Repository
from policies.folders.values import FilledText, Values, fill


@dataclass(frozen=True, slots=True)
class File:
    """One file: its path in the repository, its text with the values in it, and as it lies there (empty: the same)."""

    path: str
    content: str
    raw: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What is planned and applied. `source_digest` is of the files without values: the same in every environment."""

    files: tuple[File, ...]
    repository: str = ""
    commit: str = ""
    source_digest: str = ""

    def documents(self) -> list[Document]:
        """Every document, at its place in the repository. Raises InvalidDocuments with every problem."""
        found: list[Document] = []
        problems: list[Problem] = []
        for file in self.files:
            try:
                found += parse_text(file.content, file.path)
            except InvalidDocuments as error:
                problems += error.problems
        raise_if([*problems, *twice(found)])
        return found

    def file(self, path: str) -> File:
        """The file at a path. Raises KeyError."""
        return {file.path: file for file in self.files}[path]


@dataclass(frozen=True, slots=True)
class Local:
    """A folder on this machine: what is sent, and where its files lie, to show an error at its place."""

    folder: Folder
    shown: Mapping[str, str] = field(default_factory=dict)
    filled: Mapping[str, FilledText] = field(default_factory=dict)

    def place(self, problem: Problem) -> Problem:
        """A problem of a file of the repository, where it lies on this machine."""
        filled = self.filled.get(problem.file)
        found = filled.back(problem) if filled else problem
        return found._replace(file=self.shown.get(problem.file, problem.file))

    def placed(self, error: InvalidDocuments) -> InvalidDocuments:
        """The same for all problems of an error."""
        return InvalidDocuments(map(self.place, error.problems))


def read_folder(folder: Path, repository: Repository, values: Values | None) -> Local:
    """The folder as it lies there, its values filled in. Raises InvalidDocuments, in names of this machine."""
    files, shown, filled, problems = [], {}, {}, []
    for path, raw in yaml_files(folder):
        try:
            text = fill(raw, str(path), values)
        except InvalidDocuments as error:
            problems += error.problems
            continue
        name = repository.path_of(path, folder)
        files.append(File(name, text.content, "" if text.content == raw else raw))
        shown[name], filled[name] = str(path), text
    raise_if([*problems, *(values.unused() if values is not None and not problems else ())])
    whole = Folder(
        files=tuple(files),
        repository=repository.url,
        commit=repository.commit,
        source_digest=digest_of(files),
    )
    return Local(whole, shown, filled)


def digest_of(files: Sequence[File]) -> str:
    """SHA-256 (hex) of the files as they lie there, without values."""
    parts = sorted([file.path, file.raw or file.content] for file in files)
    return sha256(canonical.dumps(parts)).hexdigest()


def lines_around(file: File, document: Document, count: int) -> tuple[list[str], list[str]]:
    """The lines of the file above and below a document, at most so many: a patch needs them."""
    lines = (file.raw or file.content).split("\n")
    first = document.first_line - 1
    last = first + document.source.count("\n")
    below = lines[last : last + count]
    return lines[max(0, first - count) : first], list(_whole(below, len(lines) - last))


def _whole(lines: Sequence[str], left: int) -> Iterator[str]:
    """Without the empty text after the last line end of a file."""
    for number, line in enumerate(lines, 1):
        if line or number < left:
            yield line
