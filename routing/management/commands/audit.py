"""`manage.py audit`: the log's own commands (`audit.management`), and `evidence`, which needs what lies beside the log."""

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from audit.management.commands.audit import Command as OfTheLog
from audit.merkle.checkpoint import BadCheckpoint, Checkpoint
from audit.merkle.note import BadNote, split_note
from controlplane.kernel.errors import MandateError
from policies.management.cli import operator
from routing.evidence.asks import SCOPES, Ask
from routing.evidence.making import write


class Command(OfTheLog):
    help = "Check the audit log; write evidence that others can check."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        make = self.actions.add_parser("evidence", help="a bundle that auditverify.py checks")
        make.add_argument("--out", type=Path, required=True, metavar="FILE")
        make.add_argument("--scope", choices=SCOPES, help="what it is about; told by the others")
        make.add_argument("--tenant", default="")
        make.add_argument("--call", type=_call, help="call_… or its 32 hex digits")
        make.add_argument("--use-case", default="", metavar="NAME")
        make.add_argument("--policy", default="", metavar="KIND/NAME", help="a document")
        make.add_argument("--from", dest="since", type=_moment, metavar="DAY")
        make.add_argument("--until", type=_moment, metavar="DAY", help="not included")
        make.add_argument(
            "--checkpoint", type=Path, help="one that the auditor has: the bundle goes on from it"
        )
        make.add_argument(
            "--open", dest="opens", default="", metavar="REASON", help="lay content in"
        )
        make.add_argument("--json", dest="as_json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "evidence":
            self._evidence(options)
        else:
            super().handle(*args, **options)

    def _evidence(self, options: dict[str, Any]) -> None:
        out: Path = options["out"]
        draft = out.with_name(f".{out.name}.part")
        try:
            with draft.open("xb") as file:
                entries, size, digest = write(operator(), _ask(options), file)
            draft.replace(out)
        except MandateError as error:
            raise CommandError(error.message) from error
        except OSError as error:
            raise CommandError(f"{out} cannot be written: {error}") from error
        finally:
            draft.unlink(missing_ok=True)
        said = {"file": str(out), "entries": entries, "bytes": size, "sha256": digest}
        if options["as_json"]:
            self.stdout.write(json.dumps(said))
        else:
            self.stdout.write(f"{out}: {entries} entries, {size} bytes, SHA-256 {digest}")


def _ask(options: dict[str, Any]) -> Ask:
    document, _, policy = options["policy"].partition("/")
    found = {"call": options["call"], "use-case": options["use_case"], "policy": policy}
    told = next((scope for scope, value in found.items() if value), "")
    scope = options["scope"] or told or ("tenant" if options["tenant"] else "log")
    kept = options["checkpoint"]
    return Ask(
        scope=scope,
        tenant=options["tenant"],
        call=options["call"],
        document=document,
        name=options["use_case"] or policy,
        since=options["since"],
        until=options["until"],
        kept_size=_size(kept.read_text(encoding="utf-8")) if kept else 0,
        opens=options["opens"],
    )


def _size(note: str) -> int:
    try:
        return Checkpoint.parse(split_note(note)[0]).size
    except (BadNote, BadCheckpoint) as error:
        raise CommandError(f"this is no checkpoint: {error}") from error


def _call(text: str) -> UUID:
    return UUID(text.removeprefix("call_"))


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
