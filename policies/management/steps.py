"""Steps of a change request from the command line: here, or with `--server` by API.

Here the machine's operator takes them, or the member whose token is shown: approving and publishing alone are for members.
"""

from argparse import _SubParsersAction
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import UUID

from django.core.management.base import CommandParser

from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.principal import Principal
from policies.bundles import owning
from policies.bundles.ownership import CONSOLE
from policies.bundles.principals import principal_for
from policies.bundles.published import published
from policies.bundles.read import published_documents
from policies.changes import access, commands, glass, publishing, rebasing, scheduling, shadows
from policies.changes.bound import Seen, replay_digest
from policies.changes.models import ChangeRequest
from policies.changes.read import edits_of, standing
from policies.documents.document import Identity
from policies.folders.applying import standing_of
from policies.identity.authentication import member_of_token
from policies.management import proposing
from policies.management.targets import TOKEN, Json, Server, token_of

Options = Mapping[str, Any]
_READ: Final = ("base", "digest", "replay")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it is called at the API, what is sent there, and the command that does it here."""

    method: str
    path: str
    body: Callable[[Options], Json]
    here: Callable[[Principal, ChangeRequest, Options], object]
    binds: bool = False
    """Whether it says yes to what was read, and so names it."""


def add_arguments(actions: "_SubParsersAction[CommandParser]") -> None:
    """Each step takes the id of a change request."""
    told = {
        "show": "how far one is, and whom it waits for",
        "approve": "say yes to what stands there now, as a member",
        "publish": "publish what has every approval",
        "schedule": "publish it at a time, once approved",
        "unschedule": "take the time away",
        "rebase": "write it against the bundle in force",
        "shadow": "let it decide beside the bundle in force for some hours",
        "stop-shadow": "end its shadow; what it found stays",
        "break-glass": "publish alone what only tightens, with a reason, as a member",
        "review-glass": "look at what another published alone, as a member",
        "withdraw": "end it unpublished",
    }
    parsers = {name: actions.add_parser(name, help=words) for name, words in told.items()}
    for name, parser in parsers.items():
        parser.add_argument("id", type=UUID)
        if name in ("approve", "break-glass", "review-glass", "withdraw"):
            parser.add_argument("--reason", default="", required=name == "break-glass")
    keep = actions.add_parser("take-over", help="let the console keep a document of Git's")
    keep.add_argument("document", metavar="KIND/TENANT/NAME")
    for parser in (*parsers.values(), keep):
        parser.add_argument("--json", action="store_true", help="one object on one line")
        parser.add_argument("--server", default="", help="a server's address instead of here")
        parser.add_argument("--token-file", type=Path, help=f"instead of {TOKEN}")
    parsers["schedule"].add_argument("at", help="such as 2026-12-01T06:00+01:00")
    parsers["shadow"].add_argument("--hours", type=int, default=4)
    parsers["review-glass"].add_argument("verdict", choices=("confirmed", "taken-back"))
    documents = "KIND/TENANT/NAME, with an empty tenant for the organisation's"
    parsers["rebase"].add_argument(
        "--mine", action="append", default=[], metavar="DOCUMENT", help=documents
    )
    parsers["rebase"].add_argument(
        "--choose",
        action="append",
        default=[],
        metavar="DOCUMENT:PATH=mine|theirs",
        help="whose value stands in a field that both changed; repeat",
    )


NAMES: Final = frozenset(
    (
        *(
            "show",
            "approve",
            "publish",
            "schedule",
            "unschedule",
            "rebase",
            "shadow",
            "stop-shadow",
        ),
        *("break-glass", "review-glass", "withdraw"),
    )
)


def take_over(operator: Principal, options: Options) -> Json:
    """Let the console keep a document that Git kept. Raises NotFound, Forbidden, Conflict."""
    kind, tenant, name = _identity(options["document"])
    if not options["server"]:
        owning.take_over(operator, (kind, tenant, name))
        return {**_named((kind, tenant, name)), "origin": CONSOLE}
    server = Server(options["server"], token_of(options["token_file"]))
    of = f"?{urlencode({'tenant': tenant})}"
    return server.ask("POST", f"documents/{quote(kind)}/{quote(name)}/take-over/{of}")


def take(operator: Principal, name: str, options: Options) -> Json:
    """Take a step, and say how far the change request is then. Raises what the step raises."""
    change = str(options["id"])
    if options["server"]:
        return _there(name, change, options)
    return _here(operator, name, change, options)


def lines(told: Json) -> Iterator[str]:
    """The same for a person."""
    if told["state"] == "published":
        flag = ", flagged: one person published alone" if told["flagged"] else ""
        yield f"revision {told['revision']} is in force, by change request {told['id']}{flag}"
        return
    yield from (f"does not pass: {check['told']}" for check in told.get("failed", ()))
    why = f": {told['missing']}" if told["missing"] and told["state"] == "approval" else ""
    yield f"change request {told['id']} is in state {told['state']}{why}"


def _there(name: str, change: str, options: Options) -> Json:
    server = Server(options["server"], token_of(options["token_file"]))
    step, one = _STEPS.get(name), f"change-requests/{change}/"
    if step is not None:
        read: Json = server.ask("GET", one) if step.binds else {}
        bound: Json = {key: read[key] for key in _READ if key in read}
        body = {**step.body(options), **bound}
        server.ask(step.method, f"{one}{step.path}/", body)
    found = server.ask("GET", one)
    return {**{key: found[key] for key in proposing.SAID}, **server.change(change)}


def _here(operator: Principal, name: str, change: str, options: Options) -> Json:
    step, row = _STEPS.get(name), access.get(operator, UUID(change))
    if step is not None:
        shown = token_of(options["token_file"])
        who = principal_for(member_of_token(shown), published()) if shown else operator
        if step.binds and shown:
            found = standing(published_documents(), row, edits_of(row))
            access.require_named_author(row, found)
        step.here(who, row, options)
    now = access.get(operator, row.id)
    return {**proposing.facts(now), **standing_of(now)}


def _nothing(_: Options) -> Json:
    return {}


def _reason(options: Options) -> Json:
    return {"reason": options["reason"]}


def _verdict(options: Options) -> glass.Verdict:
    return "confirmed" if options["verdict"] == "confirmed" else "taken back"


def _at(options: Options) -> datetime:
    try:
        at = datetime.fromisoformat(options["at"])
    except ValueError as error:
        raise InvalidRequest(f'"{options["at"]}" is no time; write 2026-12-01T06:00Z') from error
    if at.tzinfo is None:
        raise InvalidRequest(f'"{options["at"]}" has no time zone; write 2026-12-01T06:00Z')
    return at


def _identity(said: str) -> Identity:
    parts = said.split("/")
    if len(parts) != 3:
        raise InvalidRequest(f'"{said}" is no document; write KIND/TENANT/NAME')
    return parts[0], parts[1], parts[2]


def _choice(said: str) -> tuple[Identity, str, str]:
    document, _, rest = said.partition(":")
    path, _, side = rest.rpartition("=")
    return _identity(document), path, side


def _named(identity: Identity) -> Json:
    kind, tenant, name = identity
    return {"kind": kind, "tenant": tenant, "name": name}


def _rebasing(options: Options) -> Json:
    choices = [_choice(said) for said in options["choose"]]
    return {
        "mine": [_named(_identity(said)) for said in options["mine"]],
        "choices": [{**_named(i), "path": path, "take": side} for i, path, side in choices],
    }


def _rebase(who: Principal, row: ChangeRequest, options: Options) -> object:
    mine = [_identity(said) for said in options["mine"]]
    choices = rebasing.choices_of([_choice(said) for said in options["choose"]])
    return rebasing.rebase(who, row.id, mine, choices)


def _seen(row: ChangeRequest) -> Seen:
    return Seen(row.base, row.digest, replay_digest(row))


_STEPS: Final[Mapping[str, Step]] = {
    "approve": Step(
        "POST",
        "approve",
        _reason,
        lambda who, row, said: publishing.approve(
            who, row.id, reason=said["reason"], seen=_seen(row)
        ),
        binds=True,
    ),
    "publish": Step(
        "POST", "publish", _nothing, lambda who, row, _: publishing.publish_change(who, row.id)
    ),
    "schedule": Step(
        "PUT",
        "schedule",
        lambda said: {"publishAt": _at(said).isoformat()},
        lambda who, row, said: scheduling.schedule(who, row.id, _at(said)),
    ),
    "unschedule": Step(
        "DELETE", "schedule", _nothing, lambda who, row, _: scheduling.unschedule(who, row.id)
    ),
    "rebase": Step("POST", "rebase", _rebasing, _rebase),
    "shadow": Step(
        "POST",
        "shadow",
        lambda said: {"hours": said["hours"]},
        lambda who, row, said: shadows.start(who, row.id, said["hours"]),
    ),
    "stop-shadow": Step(
        "DELETE", "shadow", _nothing, lambda who, row, _: shadows.stop(who, row.id)
    ),
    "break-glass": Step(
        "POST",
        "break-glass",
        _reason,
        lambda who, row, said: glass.break_glass(who, row.id, said["reason"], _seen(row)),
        binds=True,
    ),
    "review-glass": Step(
        "POST",
        "review-glass",
        lambda said: {"verdict": _verdict(said), "reason": said["reason"]},
        lambda who, row, said: glass.review(who, row.id, _verdict(said), said["reason"]),
    ),
    "withdraw": Step(
        "POST",
        "withdraw",
        _reason,
        lambda who, row, said: commands.withdraw(who, row.id, said["reason"]),
    ),
}
