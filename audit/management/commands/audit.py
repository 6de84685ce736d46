"""`manage.py audit verify`: check the whole log; exit code 1 and the first bad index when something is wrong."""

import getpass
import json
import sys
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from audit.log.sequence import Refused
from audit.log.signing import NoLogKey, trusted_keys
from audit.merkle.note import BadKey
from audit.publication import fsck
from audit.publication.folder import Folder
from audit.publication.kept import compare
from audit.publication.rotating import Rotation, rotate
from audit.register import choose
from audit.register.base import RegisterError
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

        check.add_argument(
            "--since",
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help="also hold the log against a checkpoint that you kept; may be given again",
        )
        folder = actions.add_parser(
            "check-folder", help="the published files, without the database"
        )
        folder.add_argument("folder", type=Path, nargs="?", default=settings.MANDATE_LOG_DIR)
        folder.add_argument("--minimum", type=int, default=0, help="entries below may be pruned")
        rotate = actions.add_parser("rotate-key", help="a new key signs the log from now on")
        rotate.add_argument(
            "--after-restore",
            default="",
            metavar="NAME",
            help="only after a restore that lost signed entries: the log goes on under this name",
        )

    def handle(self, *, action: str, **options: Any) -> None:
        actions = {
            "verify": self._verify,
            "check-folder": self._check_folder,
            "rotate-key": self._rotate,
        }
        try:
            actions[action](options)
        except (NoLogKey, BadKey) as error:
            raise CommandError(str(error)) from error

    def _verify(self, options: dict[str, Any]) -> None:
        as_json = options["as_json"]
        found = verify(options["from_checkpoint"], progress=None if as_json else self._progress)
        found = replace(found, findings=(*found.findings, *self._kept(options["since"])))
        if as_json:
            self.stdout.write(json.dumps(found.as_dict()))
        else:
            self._print(found)
        if not found.ok:
            sys.exit(1)

    def _kept(self, files: list[Path]) -> list[Finding]:
        known = trusted_keys(settings.MANDATE_KEYS_DIR)
        with connection.cursor() as cursor:
            try:
                said = [(path, path.read_text(encoding="utf-8")) for path in files]
            except (OSError, UnicodeDecodeError) as error:
                raise CommandError(f"the kept checkpoint cannot be read: {error}") from error
            wrong = [(path, compare(cursor, note, known)) for path, note in said]
        return [Finding("kept", None, f"{path.name}: {why}") for path, why in wrong if why]

    def _check_folder(self, options: dict[str, Any]) -> None:
        known = trusted_keys(settings.MANDATE_KEYS_DIR)
        found = fsck.check(Folder(options["folder"]), known, minimum=options["minimum"])
        for wrong in found.wrong:
            self.stderr.write(f"WRONG {wrong}")
        outcome = f"{len(found.wrong)} things are wrong" if found.wrong else "nothing is wrong"
        self.stdout.write(f"folder: {found.size} entries, root {found.root}: {outcome}")
        if found.wrong:
            sys.exit(1)

    def _rotate(self, options: dict[str, Any]) -> None:
        actor = f"cli:{getpass.getuser()}"
        try:
            register = choose.register(settings.MANDATE_LOG_REGISTER)
            asked = Rotation(
                *(settings.DATABASE_URL, settings.MANDATE_KEYS_DIR, register, actor),
                origin=options["after_restore"],
            )
            old, new = rotate(asked)
        except (Refused, RegisterError, psycopg.Error, OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"old {old}")
        self.stdout.write(f"new {new}")

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
