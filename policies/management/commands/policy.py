"""`manage.py policy`: documents from a folder and back, and change requests from the command line."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from policies.bundles import publish
from policies.bundles.diff import lay_over
from policies.bundles.read import Published, published_documents
from policies.bundles.rules import single_operator
from policies.changes.models import ChangeRequest
from policies.documents.parse import parse_folder
from policies.management import proposing
from policies.management.cli import Command as Base
from policies.management.cli import operator, with_caret
from policies.order.lock import control


class Command(Base):
    help = "Check a folder of documents, publish or propose it, approve and roll back, or write what is published to a folder."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        validate = actions.add_parser(
            "validate", help="check DIR over what is published; change nothing"
        )
        validate.add_argument("dir", type=Path)
        apply = actions.add_parser(
            "apply", help="create and change the documents in DIR; leave all others"
        )
        apply.add_argument("dir", type=Path)
        apply.add_argument(
            "--prune",
            action="store_true",
            help="delete what an earlier apply brought and DIR no longer has",
        )
        apply.add_argument("--json", action="store_true", help="one object on one line")
        export = actions.add_parser("export", help="write every published document to DIR as YAML")
        export.add_argument("dir", type=Path)
        proposing.add_arguments(actions)

    def handle(self, *, action: str, **options: Any) -> None:
        getattr(self, f"_{action}")(options)

    def _validate(self, options: dict[str, Any]) -> None:
        put = parse_folder(options["dir"])
        whole = lay_over(published_documents().documents, put)
        publish.checked(whole)
        for problem in publish.refusals(put):
            self.stderr.write(f"apply would refuse: {with_caret(problem)}")
        self.stdout.write(f"{len(put)} documents are right")

    def _propose(self, options: dict[str, Any]) -> None:
        self._handed_in(proposing.propose(operator(), options), options)

    def _requests(self, options: dict[str, Any]) -> None:
        for row in proposing.requests(operator(), options["state"]):
            if options["json"]:
                self.say_json(proposing.facts(row))
            else:
                self.stdout.write(proposing.line(row))

    def _approve(self, options: dict[str, Any]) -> None:
        self._told(proposing.approve(operator(), options), options)

    def _rollback(self, options: dict[str, Any]) -> None:
        self._told(proposing.rollback(operator(), options), options)

    def _told(self, row: ChangeRequest, options: dict[str, Any]) -> None:
        if options["json"]:
            self.say_json(proposing.facts(row))
            return
        for line in proposing.story(row):
            self.stdout.write(line)

    def _apply(self, options: dict[str, Any]) -> None:
        put = parse_folder(options["dir"])
        actor = operator().actor
        base = published_documents()
        if not single_operator(base.documents):
            self._hand_in(options)
            return

        def edits(base: Published) -> publish.Edits:
            gone = proposing.pruned(base, options)
            return publish.Edits(actor=actor, origin="git", put=put, delete=gone)

        done = publish.publish(edits)
        if options["json"]:
            facts = {
                "revision": done.revision,
                "digest": done.digest.hex(),
                **done.difference.counts,
            }
            self.say_json({**facts, "flagged": done.flagged and bool(done.difference)})
        elif not done.difference:
            self.stdout.write(f"nothing to change: revision {done.revision} is in force")
        else:
            for line in done.difference.lines():
                self.stdout.write(line)
            self.stdout.write(f"revision {done.revision} is in force, digest {done.digest.hex()}")

    def _hand_in(self, options: dict[str, Any]) -> None:
        """In four-eyes mode nobody publishes alone, whatever they operate."""
        title = f"policy apply {options['dir'].resolve().name}"
        wanted = {**options, "title": title, "reason": "", "as": ""}
        if not options["json"]:
            self.stdout.write("four-eyes mode: handed in as a change request, not published")
        self._handed_in(proposing.propose(operator(), wanted), options)

    def _handed_in(self, row: ChangeRequest | None, options: dict[str, Any]) -> None:
        if row is not None:
            self._told(row, options)
        elif options["json"]:
            self.say_json(
                {"revision": control().revision, "created": 0, "changed": 0, "deleted": 0}
            )
        else:
            self.stdout.write(f"nothing to change: revision {control().revision} is in force")

    def _export(self, options: dict[str, Any]) -> None:
        base = published_documents()
        for (kind, tenant, name), row in sorted(base.rows.items()):
            path = options["dir"].joinpath(*filter(None, (tenant, kind)), f"{name}.yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(row.source, encoding="utf-8")
        self.stdout.write(f"{len(base.rows)} documents of revision {base.revision} written")
