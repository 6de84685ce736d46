"""Run a command as the shell would, and see what it printed."""

import io
from dataclasses import dataclass

from django.core.management import CommandError, call_command


@dataclass(frozen=True, slots=True)
class Ran:
    """`code` is the exit code; `said` is stdout, `complained` stderr and the last message."""

    code: int
    said: str
    complained: str


def run(*words: str) -> Ran:
    """`run("policy", "apply", "folder")`."""
    said, complained = io.StringIO(), io.StringIO()
    try:
        call_command(*words, stdout=said, stderr=complained, no_color=True)
    except CommandError as error:
        return Ran(error.returncode, said.getvalue(), complained.getvalue() + str(error))
    return Ran(0, said.getvalue(), complained.getvalue())
