"""Change requests from the command line.

The operator writes as `cli:<user>`: an account on the machine, not a person. So in four-eyes mode it approves nothing; who shows
a personal token (`MANDATE_TOKEN`, or `--token-file`) approves as that member, but never what the machine's account wrote without
saying for whom (`--as`): else one person at one shell would be two. `--as` only ever takes a right away: who is named may not
approve.
"""

from argparse import _SubParsersAction
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandParser

from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import NotFound
from controlplane.kernel.principal import Principal
from policies.bundles.read import published_documents
from policies.changes import access, publishing
from policies.changes.models import OPEN, ChangeRequest
from policies.changes.read import edits_of, missing_words, standing
from policies.documents.problems import InvalidDocuments
from policies.folders.applying import Said, hand_in
from policies.folders.folder import read_folder
from policies.folders.planning import Wanted, lay
from policies.folders.repository import repository_of
from policies.identity.models import User


def add_arguments(actions: "_SubParsersAction[CommandParser]") -> None:
    """`propose`, `requests` and `rollback`."""
    propose = actions.add_parser("propose", help="hand the documents in DIR in as a change request")
    propose.add_argument("dir", type=Path)
    propose.add_argument("--title", required=True, help="what the change is, in one line")
    propose.add_argument("--reason", default="")
    propose.add_argument("--tenant", default="", help="a tenant's own change request")
    propose.add_argument("--prune", action="store_true", help="as `apply --prune`")
    listing = actions.add_parser("requests", help="list change requests, newest first")
    listing.add_argument("--state", choices=("open", "all"), default="open")
    rollback = actions.add_parser("rollback", help="hand in the documents of an old revision")
    rollback.add_argument("revision", type=int)
    rollback.add_argument("--reason", default="")
    for parser in (propose, rollback):
        parser.add_argument(
            "--as",
            default="",
            metavar="EMAIL",
            help="the member who wrote it, and so may not approve it",
        )
    for parser in (propose, listing, rollback):
        parser.add_argument("--json", action="store_true", help="one object on one line")


def propose(operator: Principal, options: Mapping[str, Any]) -> ChangeRequest | None:
    """What DIR changes, handed in; the same again finds the one that is open. None where nothing would change."""
    said = Said(title=options["title"], reason=options["reason"], author=_author(options["as"]))
    folder: Path = options["dir"]
    local = read_folder(folder, repository_of(folder), None)
    try:
        laid = lay(
            operator,
            local.folder,
            Wanted(tenant=options["tenant"], prune=options["prune"]),
        )
    except InvalidDocuments as error:
        raise local.placed(error) from error
    return hand_in(operator, laid, said) if laid.difference else None


def requests(operator: Principal, state: str) -> Iterator[ChangeRequest]:
    """Newest first."""
    rows = access.visible(operator).order_by("-id")
    yield from (rows.filter(state__in=OPEN) if state == "open" else rows)[:200]


def rollback(operator: Principal, options: Mapping[str, Any]) -> ChangeRequest:
    """The documents of an old revision, handed in."""
    return publishing.rollback(
        operator, options["revision"], options["reason"], author=_author(options["as"])
    )


SAID: Final = (
    "id",
    "title",
    "tenant",
    "state",
    "author",
    "base",
    "revision",
    "flagged",
    "createdAt",
)
"""What a program is told of one, here and at a server."""


def facts(row: ChangeRequest) -> dict[str, object]:
    """One change request for a program."""
    said = (
        *(str(row.id), row.title, row.tenant, row.state, row.author, row.base),
        *(row.published_revision, row.flagged, to_text(row.created_at)),
    )
    return dict(zip(SAID, said, strict=True))


def line(row: ChangeRequest) -> str:
    """One line of the list."""
    return f"{row.id}  {row.state:<9}  {row.tenant or '-'}  {row.title}"


def story(row: ChangeRequest) -> Iterator[str]:
    """What became of it, and what comes next."""
    for edit in edits_of(row):
        mark = "-" if edit.deletes else "~" if edit.before is not None else "+"
        yield f"{mark} {edit.kind} {edit.tenant + '/' if edit.tenant else ''}{edit.name}"
    if row.state == "published":
        yield f"revision {row.published_revision} is in force, by change request {row.id}"
        return
    for check in row.checks.filter(ok=False):
        yield f"does not pass: {check.told or check.kind}"
        yield from (f"  {p[0]}:{p[1]}:{p[2]} {p[3]}: {p[4]}" for p in check.problems)
    missing = standing(published_documents(), row, edits_of(row)).missing
    if row.state == "approval":
        yield f"change request {row.id} waits for approval: {missing_words(missing)}"
    else:
        yield f"change request {row.id} is in state {row.state}"


def _author(email: str) -> str:
    if not email:
        return ""
    found = User.objects.filter(email=email.strip().lower(), is_active=True).first()
    if found is None:
        raise NotFound(f'there is no member "{email}"')
    return f"member:{found.email}"
