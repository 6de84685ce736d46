"""Change requests from the command line.

The operator writes as `cli:<user>`: an account on the machine, not a person. So in four-eyes mode it approves nothing; who shows
a personal token (`MANDATE_TOKEN`, or `--token-file`) approves as that member, but never what the machine's account wrote without
saying for whom (`--as`): else one person at one shell would be two. `--as` only ever takes a right away: who is named may not
approve.
"""

import os
from argparse import _SubParsersAction
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandParser

from controlplane.kernel.clock import to_text
from controlplane.kernel.errors import InvalidRequest, NotFound
from controlplane.kernel.principal import Principal
from policies.bundles.diff import difference, lay_over
from policies.bundles.principals import principal_for
from policies.bundles.published import published
from policies.bundles.read import Published, published_documents
from policies.changes import access, publishing
from policies.changes.commands import NewChange
from policies.changes.models import OPEN, ChangeRequest
from policies.changes.read import edits_of, missing_words, standing
from policies.changes.texts import digest_of
from policies.documents.document import Identity
from policies.documents.parse import parse_folder
from policies.identity.authentication import member_of_token
from policies.identity.models import User

TOKEN = "MANDATE_TOKEN"  # noqa: S105 - the name of a variable


def add_arguments(actions: "_SubParsersAction[CommandParser]") -> None:
    """`propose`, `requests`, `approve` and `rollback`."""
    propose = actions.add_parser("propose", help="hand the documents in DIR in as a change request")
    propose.add_argument("dir", type=Path)
    propose.add_argument("--title", required=True, help="what the change is, in one line")
    propose.add_argument("--reason", default="")
    propose.add_argument("--tenant", default="", help="a tenant's own change request")
    propose.add_argument("--prune", action="store_true", help="as `apply --prune`")
    listing = actions.add_parser("requests", help="list change requests, newest first")
    listing.add_argument("--state", choices=("open", "all"), default="open")
    approve = actions.add_parser(
        "approve", help=f"approve one, as the member whose token {TOKEN} has"
    )
    approve.add_argument("id", type=UUID)
    approve.add_argument("--reason", default="")
    approve.add_argument("--token-file", type=Path, help=f"instead of {TOKEN}")
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
    for parser in (propose, listing, approve, rollback):
        parser.add_argument("--json", action="store_true", help="one object on one line")


def propose(operator: Principal, options: Mapping[str, Any]) -> ChangeRequest | None:
    """What DIR changes, handed in; the same again finds the one that is open. None where nothing would change."""
    author = _author(options["as"])
    base, put = published_documents(), parse_folder(options["dir"])
    gone = pruned(base, options)
    found = difference(base.documents, lay_over(base.documents, put, gone))
    if not found:
        return None
    wanted = [*found.created, *found.changed]
    digest = digest_of(
        [*((d.identity, d.source) for d in wanted), *((i, None) for i in found.deleted)], None
    )
    tenant = str(options.get("tenant", ""))
    same = ChangeRequest.objects.filter(
        state__in=OPEN,
        tenant=tenant,
        base=base.revision,
        digest=digest,
        author=author or operator.actor,
    ).first()
    if same is not None:
        return same
    change = NewChange(
        title=options["title"],
        reason=options["reason"],
        tenant=tenant,
        origin="git",
        author=author,
    )
    return publishing.propose(operator, change, [d.source for d in wanted], found.deleted)


def pruned(base: Published, options: Mapping[str, Any]) -> list[Identity]:
    """With `--prune`: what earlier applies brought and DIR no longer has. The Organisation is never among it."""
    if not options["prune"]:
        return []
    kept = {d.identity for d in parse_folder(options["dir"])}
    return sorted(
        identity
        for identity, row in base.rows.items()
        if row.origin == "git" and identity[0] != "Organisation" and identity not in kept
    )


def requests(operator: Principal, state: str) -> Iterator[ChangeRequest]:
    """Newest first."""
    rows = access.visible(operator).order_by("-id")
    yield from (rows.filter(state__in=OPEN) if state == "open" else rows)[:200]


def approve(operator: Principal, options: Mapping[str, Any]) -> ChangeRequest:
    """Approve as the member whose token is shown; without one as the operator, which four-eyes refuses."""
    row = access.get(operator, options["id"])
    shown = _token(options["token_file"])
    if not shown:
        return publishing.approve(operator, row.id, reason=options["reason"])
    member = principal_for(member_of_token(shown), published())
    access.require_named_author(row, standing(published_documents(), row, edits_of(row)))
    return publishing.approve(member, row.id, reason=options["reason"])


def rollback(operator: Principal, options: Mapping[str, Any]) -> ChangeRequest:
    """The documents of an old revision, handed in."""
    return publishing.rollback(
        operator, options["revision"], options["reason"], author=_author(options["as"])
    )


def facts(row: ChangeRequest) -> dict[str, object]:
    """One change request for a program."""
    return {
        "id": str(row.id),
        "title": row.title,
        "tenant": row.tenant,
        "state": row.state,
        "author": row.author,
        "base": row.base,
        "revision": row.published_revision,
        "flagged": row.flagged,
        "createdAt": to_text(row.created_at),
    }


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


def _token(file: Path | None) -> str:
    if file is None:
        return os.environ.get(TOKEN, "")
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f'"{file}" cannot be read as a token: {error}') from error
