"""Change requests from the command line.

The operator writes as `cli:<user>`: an account on the machine, not a person. So in four-eyes mode it approves nothing; who shows
a personal token (`MANDATE_TOKEN`, or `--token-file`) approves as that member, but never what the machine's account wrote without
saying for whom (`--as`): else one person at one shell would be two. `--as` only ever takes a right away: who is named may not
approve.
"""

from argparse import _SubParsersAction
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from policies.folders import applying
from policies.folders.applying import Said
from policies.folders.folder import read_folder
from policies.folders.planning import Wanted
from policies.folders.repository import repository_of
from policies.identity.models import User
from policies.management import asking
from policies.management.targets import TOKEN
from policies.order.lock import control


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
        parser.add_argument("--server", default="", help="a server's address instead of here")
        parser.add_argument("--token-file", type=Path, help=f"instead of {TOKEN}")


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of one change request: to a program, and line by line to a person."""

    facts: dict[str, object]
    lines: Sequence[str]


def propose(operator: Principal, options: Mapping[str, Any]) -> Told:
    """What DIR changes, handed in; the same again finds the one that is open."""
    folder: Path = options["dir"]
    local = read_folder(folder, repository_of(folder), None)
    wanted = Wanted(tenant=options["tenant"], prune=options["prune"])
    said = Said(title=options["title"], reason=options["reason"])
    if options["server"]:
        done, revision = asking.propose(asking.server_of(options), local, wanted, said)
        return _there(done) if done else _nothing(revision)
    said = replace(said, author=_author(options["as"]))
    try:
        applied = applying.propose(operator, local.folder, wanted, said)
    except InvalidDocuments as error:
        raise local.placed(error) from error
    return _here(applied.row) if applied.row else _nothing(control().revision)


def requests(operator: Principal, options: Mapping[str, Any]) -> Iterator[Told]:
    """Newest first."""
    state = options["state"]
    if options["server"]:
        for found in asking.requests(asking.server_of(options), state):
            yield Told(_said(found), [_line(found)])
        return
    rows = access.visible(operator).order_by("-id")
    for row in (rows.filter(state__in=OPEN) if state == "open" else rows)[: asking.MOST]:
        yield Told(facts(row), [_line(facts(row))])


def rollback(operator: Principal, options: Mapping[str, Any]) -> Told:
    """The documents of an old revision, handed in."""
    revision, reason = options["revision"], options["reason"]
    if options["server"]:
        return _there(asking.rollback(asking.server_of(options), revision, reason))
    author = _author(options["as"])
    return _here(publishing.rollback(operator, revision, reason, author=author))


def _here(row: ChangeRequest) -> Told:
    return Told(facts(row), list(story(row)))


def _there(found: dict[str, Any]) -> Told:
    return Told(_said(found), list(asking.story(found)))


def _nothing(revision: int) -> Told:
    none = {"revision": revision, "created": 0, "changed": 0, "deleted": 0}
    return Told(dict(none), [f"nothing to change: revision {revision} is in force"])


def _said(found: Mapping[str, Any]) -> dict[str, object]:
    return {name: found[name] for name in SAID}


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


def _line(found: Mapping[str, Any]) -> str:
    """One line of the list."""
    return f"{found['id']}  {found['state']:<9}  {found['tenant'] or '-'}  {found['title']}"


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
