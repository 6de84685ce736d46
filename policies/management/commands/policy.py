"""`manage.py policy validate|apply|export DIR`: documents from a folder, and back."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from policies.bundles import publish
from policies.bundles.diff import lay_over
from policies.bundles.read import Published, published_documents
from policies.documents.document import Identity
from policies.documents.parse import parse_folder
from policies.management.cli import Command as Base
from policies.management.cli import operator, with_caret


class Command(Base):
    help = "Check a folder of documents, lay it over what is published, or write what is published to a folder."

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

    def handle(self, *, action: str, **options: Any) -> None:
        getattr(self, f"_{action}")(options)

    def _validate(self, options: dict[str, Any]) -> None:
        put = parse_folder(options["dir"])
        whole = lay_over(published_documents().documents, put)
        publish.checked(whole)
        for problem in publish.refusals(put):
            self.stderr.write(f"apply would refuse: {with_caret(problem)}")
        self.stdout.write(f"{len(put)} documents are right")

    def _apply(self, options: dict[str, Any]) -> None:
        put = parse_folder(options["dir"])
        actor = operator().actor

        def edits(base: Published) -> publish.Edits:
            kept = {d.identity for d in put}
            gone = _brought(base) - kept if options["prune"] else set()
            return publish.Edits(actor=actor, origin="git", put=put, delete=sorted(gone))

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

    def _export(self, options: dict[str, Any]) -> None:
        base = published_documents()
        for (kind, tenant, name), row in sorted(base.rows.items()):
            path = options["dir"].joinpath(*filter(None, (tenant, kind)), f"{name}.yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(row.source, encoding="utf-8")
        self.stdout.write(f"{len(base.rows)} documents of revision {base.revision} written")


def _brought(base: Published) -> set[Identity]:
    """What applies brought. The Organisation is never among it: there is exactly one, and `init` made it."""
    return {
        identity
        for identity, row in base.rows.items()
        if row.origin == "git" and identity[0] != "Organisation"
    }
