"""`manage.py subjects list|export|erase`: what a user's id, as callers send it, touches in one tenant."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from audit.retention.commands import ask_erasure, confirm_erasure
from policies.bundles.published import published
from policies.management.cli import Command as Base
from policies.management.cli import operator
from routing.reports.content import store
from routing.retention import subjects


class Command(Base):
    help = "List, take along or erase what is stored about one data subject."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        for name, words in (
            ("list", "how many calls, entries and review cases there are"),
            ("export", "all of it as JSON lines, content included"),
            ("erase", "ask for the destruction of the key of this user's content"),
        ):
            action = actions.add_parser(name, help=words)
            action.add_argument("--tenant", required=True)
            action.add_argument("--user", required=True, help="as callers send it")
            if name == "export":
                action.add_argument("--reason", required=True, help="stands in the log")
                action.add_argument("--out", type=Path, help="a new file; else it is printed")
            if name == "erase":
                action.add_argument("--basis", required=True, help="the legal basis, for the log")

    def handle(self, *, action: str, tenant: str, user: str, **options: Any) -> None:
        if action == "export":
            self._export(subjects.export(operator(), tenant, user, options["reason"]), options)
            return
        found = subjects.find(operator(), tenant, user)
        if action == "list":
            self.say_json(found.as_dict())
            return
        asked = ask_erasure(operator(), subjects.wanted(found, options["basis"]), store())
        if not published().single_operator:
            self.stdout.write(f"asked; another confirms it: manage.py retention confirm {asked.id}")
            return
        confirm_erasure(operator(), asked.id, store(), single_operator=True)
        self.stdout.write(f"erased: the content of {found.calls} calls cannot be read again")

    def _export(self, lines: Any, options: dict[str, Any]) -> None:
        out = options["out"]
        with out.open("x", encoding="utf-8") if out else sys.stdout as file:
            for line in lines:
                file.write(line.decode())
