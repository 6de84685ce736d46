"""Change requests at a server: `propose`, `requests` and `rollback` by API, as the member whose token is shown."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from controlplane.kernel.errors import InvalidRequest
from policies.documents.problems import InvalidDocuments
from policies.folders.applying import Said
from policies.folders.folder import Local
from policies.folders.planning import Wanted
from policies.management.targets import Json, Server, token_of

MOST: Final = 200
_PAGE: Final = 100


def server_of(options: Mapping[str, Any]) -> Server:
    """The server that is named. Raises InvalidRequest without a token, and for `--as`: there the token says who writes."""
    if options.get("as"):
        raise InvalidRequest("at a server the token says who writes: leave --as out")
    return Server(options["server"], token_of(options["token_file"]))


def propose(server: Server, local: Local, wanted: Wanted, said: Said) -> tuple[Json | None, int]:
    """The change request of a folder, none where nothing would change; and the revision. Raises InvalidDocuments as `placed`."""
    try:
        done = server.propose(local.folder, wanted, said)
    except InvalidDocuments as error:
        raise local.placed(error) from error
    found = server.ask("GET", f"change-requests/{done['id']}/") if "id" in done else None
    return found, done["revision"] or 0


def requests(server: Server, state: str) -> Iterator[Json]:
    """Newest first, page by page."""
    asked = {"limit": str(_PAGE)} | ({"state": "open"} if state == "open" else {})
    told = 0
    while told < MOST:
        page = server.ask("GET", f"change-requests/?{urlencode(asked)}")
        yield from page["items"]
        told += len(page["items"])
        if not page["next"]:
            return
        asked["cursor"] = page["next"]


def rollback(server: Server, revision: int, reason: str) -> Json:
    """The documents of an old revision, handed in."""
    return server.ask("POST", f"bundles/{revision}/rollback/", {"reason": reason})


def story(found: Json) -> Iterator[str]:
    """What became of it, and what comes next, in the words that the command has here."""
    for edit in found["edits"]:
        mark = "-" if edit["deletes"] else "+" if edit["diff"].startswith("--- /dev/null") else "~"
        yield f"{mark} {edit['kind']} {edit['tenant'] + '/' if edit['tenant'] else ''}{edit['name']}"
    if found["state"] == "published":
        yield f"revision {found['revision']} is in force, by change request {found['id']}"
        return
    for check in found["checks"]:
        if not check["ok"]:
            yield f"does not pass: {check['told'] or check['kind']}"
            yield from (f"  {_place(problem)}" for problem in check["problems"])
    if found["state"] == "approval":
        missing = ", ".join(
            f"{need['count']} more with the role {' or '.join(need['roles'])} for {need['kind']}"
            for need in found["missing"]
        )
        yield f"change request {found['id']} waits for approval: {missing}"
    else:
        yield f"change request {found['id']} is in state {found['state']}"


def _place(problem: Json) -> str:
    place = f"{problem['file']}:{problem['line']}:{problem['column']}"
    return f"{place} {problem['path']}: {problem['message']}"
