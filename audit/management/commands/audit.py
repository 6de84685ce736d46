"""`manage.py audit verify`: check the whole log; exit code 1 and the first bad index when something is wrong."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.log.signing import NoLogKey
from audit.merkle.note import BadKey
from audit.verify import Finding, Verification, verify


class Command(BaseCommand):
    help = "Check the audit log against its signatures."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        self.actions = actions = parser.add_subparsers(dest="action", required=True)
        check = actions.add_parser("verify", help="every entry, leaf, tile and checkpoint")
        check.add_argument(
            "--json", dest="as_json", action="store_true", help="one JSON object on one line"
        )
        check.add_argument(
            "--from-checkpoint",
            type=int,
            metavar="SEQ",
            help="only what was added after this checkpoint",
        )

    def handle(self, *, as_json: bool, from_checkpoint: int | None, **options: Any) -> None:
        try:
            found = verify(from_checkpoint, progress=None if as_json else self._progress)
        except (NoLogKey, BadKey) as error:
            raise CommandError(str(error)) from error
        if as_json:
            self.stdout.write(json.dumps(found.as_dict()))
        else:
            self._print(found)
        if not found.ok:
            sys.exit(1)

    def _print(self, found: Verification) -> None:
        for finding in found.findings:
            self.stderr.write(f"WRONG {_where(finding)}: {finding.message}")
        outcome = "nothing is wrong" if found.ok else f"{len(found.findings)} things are wrong"
        late = f", {found.late} of them late" if found.late else ""
        self.stdout.write(
            f"log {found.origin}: {found.size - found.first} entries{late}, {found.checkpoints} checkpoints,"
            f" root {found.root}, {found.seconds:.2f} s: {outcome}"
        )

    def _progress(self, done: int, of: int) -> None:
        self.stderr.write(f"{done} of {of} entries")


def _where(finding: Finding) -> str:
    return finding.what if finding.index is None else f"{finding.what} {finding.index}"
