"""One run of a command over a folder: what it was told, where it acts, and how it speaks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controlplane.kernel.errors import InvalidRequest
from policies.documents.problems import InvalidDocuments
from policies.folders.folder import Local, read_folder
from policies.folders.junit import Case, junit
from policies.folders.planning import Wanted
from policies.folders.repository import repository_of
from policies.folders.values import Values, read_values
from policies.management.cli import Command, operator
from policies.management.targets import Json, Target, target_of


@dataclass(frozen=True, slots=True)
class Work:
    """One run of one of the seven."""

    command: Command
    options: dict[str, Any]

    @property
    def json(self) -> bool:
        """Whether a program reads it."""
        return bool(self.options["json"])

    @property
    def target(self) -> Target:
        """Where it acts."""
        return target_of(operator(), self.options)

    @property
    def wanted(self) -> Wanted:
        """How the folder is laid over what is published."""
        return Wanted(
            tenant=self.options.get("tenant", ""),
            prune=bool(self.options.get("prune")),
            take=bool(self.options.get("take")),
        )

    def local(self) -> Local:
        """The folder with its values. Raises InvalidDocuments."""
        folder: Path = self.options["dir"]
        file: Path | None = self.options["values"]
        repository = repository_of(folder, self.options["repository"], self.options["commit"])
        return read_folder(folder, repository, _values(file) if file else None)

    def planned(self) -> tuple[Local, Json]:
        """The folder and its plan. Raises InvalidDocuments in names of this machine."""
        local = self.local()
        try:
            return local, self.target.plan(local.folder, self.wanted)
        except InvalidDocuments as error:
            raise local.placed(error) from error

    def say(self, line: str = "") -> None:
        """One line for a person."""
        if not self.json:
            self.command.stdout.write(line)

    def complain(self, line: str) -> None:
        """One line of what is wrong."""
        if not self.json:
            self.command.stderr.write(line)

    def say_json(self, facts: Json) -> None:
        """The whole answer for a program."""
        if self.json:
            self.command.say_json(facts)

    def report(self, suite: str, cases: list[Case]) -> None:
        """As JUnit, where that is asked."""
        file: Path | None = self.options["junit"]
        if file is not None:
            file.write_text(junit(suite, cases), encoding="utf-8")


def read_file(file: Path, what: str) -> str:
    """A file's text. Raises InvalidRequest."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f'"{file}" cannot be read as {what}: {error}') from error


def _values(file: Path) -> Values:
    return read_values(read_file(file, "values"), str(file))
