"""`manage.py policy`: documents from a folder and back, and change requests from the command line."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.core.management.base import CommandParser

from policies.documents.kinds import combined_schema
from policies.management import arguments, attesting, folders, importing, proposing, steps
from policies.management.cli import Command as Base
from policies.management.cli import operator
from policies.management.work import Work

_FOLDERS: Final[Mapping[str, Callable[[Work], None]]] = {
    "validate": folders.validate,
    "fmt": folders.fmt,
    "test": folders.test,
    "plan": folders.plan,
    "diff": folders.diff,
    "apply": folders.apply,
    "export": folders.export,
    "import": importing.bring,
    "attest": attesting.attest,
}
USAGE: Final = 3
_PARSERS_OWN: Final = 2


class Command(Base):
    help = "Check, test, plan and apply a folder of documents, and take change requests through their steps, here or at a server."
    _began = False

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        arguments.add_arguments(actions)
        proposing.add_arguments(actions)
        steps.add_arguments(actions)

    def run_from_argv(self, argv: list[str]) -> None:
        """Wrong usage is 3: 2 says that there are differences."""
        try:
            super().run_from_argv(argv)
        except SystemExit as ended:
            if ended.code == _PARSERS_OWN and not self._began:
                raise SystemExit(USAGE) from ended
            raise

    def handle(self, *, action: str, **options: Any) -> None:
        self._began = True
        work = _FOLDERS.get(action)
        if work is not None:
            work(Work(self, options))
        elif action in steps.NAMES:
            self._step(action, options)
        else:
            getattr(self, f"_{action.replace('-', '_')}")(options)

    def _schema(self, _: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(combined_schema(), indent=2))

    def _propose(self, options: dict[str, Any]) -> None:
        self._told(proposing.propose(operator(), options), options)

    def _requests(self, options: dict[str, Any]) -> None:
        for told in proposing.requests(operator(), options):
            self._told(told, options)

    def _step(self, name: str, options: dict[str, Any]) -> None:
        told = steps.take(operator(), name, options)
        if options["json"]:
            self.say_json(told)
        for line in () if options["json"] else steps.lines(told):
            self.stdout.write(line)

    def _take_over(self, options: dict[str, Any]) -> None:
        told = steps.take_over(operator(), options)
        if options["json"]:
            self.say_json(told)
        else:
            self.stdout.write("the console keeps it now; Git does not follow by itself")

    def _rollback(self, options: dict[str, Any]) -> None:
        self._told(proposing.rollback(operator(), options), options)

    def _told(self, told: proposing.Told, options: dict[str, Any]) -> None:
        if options["json"]:
            self.say_json(told.facts)
            return
        for line in told.lines:
            self.stdout.write(line)
