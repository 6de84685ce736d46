"""What the commands share: who types, how errors are shown, and one line of JSON."""

import getpass
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from controlplane.kernel.errors import MandateError, Unauthenticated, Unavailable
from controlplane.kernel.principal import ORGANISATION, ROLES, Principal
from policies.documents.problems import InvalidDocuments, Problem

UNREACHABLE = 3
"""The exit code where nothing could be asked: no database, no server, no valid token."""


def operator() -> Principal:
    """Whoever runs the command: `cli:<user>`. An account on the machine that has the keys may do everything."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return Principal(kind="cli", id=user, name=user, roles={ORGANISATION: frozenset(ROLES)})


class Command(BaseCommand):
    """The base of ours: a refusal is a message on stderr and exit code 1, never a traceback."""

    requires_system_checks = []

    def execute(self, *args: Any, **options: Any) -> str | None:  # noqa: ANN401 - Django's own signature
        """Run; errors of the house become CommandError."""
        try:
            return super().execute(*args, **options)
        except InvalidDocuments as error:
            for problem in error.problems:
                self.stderr.write(with_caret(problem))
            count = len(error.problems)
            raise CommandError(
                f"{count} problem{'s' if count != 1 else ''}; nothing was published"
            ) from error
        except MandateError as error:
            unreachable = isinstance(error, Unavailable | Unauthenticated)
            raise CommandError(
                error.message, returncode=UNREACHABLE if unreachable else 1
            ) from error
        except OperationalError as error:
            raise CommandError(
                f"the database could not be reached: {error}", returncode=UNREACHABLE
            ) from error

    def say_json(self, facts: Mapping[str, object]) -> None:
        """One object on one line."""
        self.stdout.write(json.dumps(facts, ensure_ascii=False))


def with_caret(problem: Problem) -> str:
    """`file:line:column path: message`, and below it the line with a caret, where the file can be read."""
    try:
        lines = Path(problem.file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    if not 0 < problem.line <= len(lines):
        return str(problem)
    line = lines[problem.line - 1]
    # tabs stay tabs, so that the caret stands below its place
    lead = "".join("\t" if c == "\t" else " " for c in line[: problem.column - 1])
    return f"{problem}\n    {line}\n    {lead}^"
