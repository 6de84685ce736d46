"""Where `policy` acts: on the database of this installation, as its operator, or on a server's API, as the member of a token."""

import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from controlplane.kernel.errors import InvalidRequest, MandateError, Unavailable
from controlplane.kernel.principal import Principal
from policies.changes import access as changes
from policies.documents.problems import InvalidDocuments, Problem
from policies.folders import applying, planning, replaying
from policies.folders.applying import Said
from policies.folders.folder import Folder
from policies.folders.planning import Wanted
from policies.folders.published import published_folder

Json = dict[str, Any]
TOKEN: Final = "MANDATE_TOKEN"  # noqa: S105 - the name of a variable
_SECONDS: Final = 120
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class Refused(MandateError):
    """What a server refused, in its words; `status` is HTTP's."""

    status: ClassVar[int] = 400


class Target(Protocol):
    """The two do the same."""

    def plan(self, folder: Folder, wanted: Wanted) -> Json:
        """What a folder would change. Raises InvalidDocuments."""

    def apply(self, folder: Folder, wanted: Wanted, said: Said) -> Json:
        """Hand it in. Raises InvalidDocuments."""

    def published(self, tenant: str) -> Json:
        """Every published document with its text and owner."""

    def replay(self, folder: Folder, wanted: Wanted) -> Json:
        """Begin the replay of a plan. Raises InvalidDocuments."""

    def replayed(self, replay: str) -> Json:
        """How far the replay of a plan is, and what it came to."""

    def change(self, change: str) -> Json:
        """How far a change request is, as `apply` says it."""

    def url(self, path: str) -> str:
        """The address of a page."""


class Here:
    """This installation's database."""

    def __init__(self, operator: Principal) -> None:
        self._operator = operator

    def plan(self, folder: Folder, wanted: Wanted) -> Json:
        """As the operator."""
        return planning.plan(self._operator, folder, wanted)

    def apply(self, folder: Folder, wanted: Wanted, said: Said) -> Json:
        """As the operator."""
        return applying.facts(applying.apply(self._operator, folder, wanted, said))

    def published(self, tenant: str) -> Json:
        """Everything."""
        return published_folder(self._operator, tenant)

    def replay(self, folder: Folder, wanted: Wanted) -> Json:
        """As the operator."""
        return self.replayed(str(replaying.begin(self._operator, folder, wanted).id))

    def replayed(self, replay: str) -> Json:
        """The operator's own."""
        return replaying.facts(self._operator, UUID(replay))

    def change(self, change: str) -> Json:
        """As it stands now."""
        return applying.standing_of(changes.get(self._operator, UUID(change)))

    def url(self, path: str) -> str:
        """The path alone: an installation does not know under which name people reach it."""
        return path


class Server:
    """A server's API, by a personal token that is never shown. No redirect is followed: the token goes to one host."""

    def __init__(self, address: str, token: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise InvalidRequest(f'"{address}" is no address; write https://host')
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise InvalidRequest("a token is sent over https only, or to this machine")
        if not token:
            raise InvalidRequest(f"show a personal token: {TOKEN}, or --token-file")
        self._address, self._token = address.rstrip("/"), token
        context = ssl.create_default_context()
        self._open = urllib.request.build_opener(
            _Straight, urllib.request.HTTPSHandler(context=context)
        ).open

    def plan(self, folder: Folder, wanted: Wanted) -> Json:
        """By POST folders/plan/."""
        return self.ask("POST", "folders/plan/", _body(folder, wanted))

    def apply(self, folder: Folder, wanted: Wanted, said: Said) -> Json:
        """By POST folders/."""
        body = {**_body(folder, wanted), "title": said.title, "reason": said.reason}
        body["attestation"] = said.attestation
        return self.ask("POST", "folders/", body)

    def propose(self, folder: Folder, wanted: Wanted, said: Said) -> Json:
        """The same, handed in and no more."""
        told = {"title": said.title, "reason": said.reason, "proposeOnly": True}
        return self.ask("POST", "folders/", {**_body(folder, wanted), **told})

    def published(self, tenant: str) -> Json:
        """By GET folders/."""
        return self.ask("GET", f"folders/?{urlencode({'tenant': tenant})}")

    def replay(self, folder: Folder, wanted: Wanted) -> Json:
        """By POST folders/replays/."""
        return self.ask("POST", "folders/replays/", _body(folder, wanted))

    def replayed(self, replay: str) -> Json:
        """By GET folders/replays/{id}/."""
        return self.ask("GET", f"folders/replays/{replay}/")

    def change(self, change: str) -> Json:
        """By GET change-requests/{id}/, and the bundle that it became."""
        found = self.ask("GET", f"change-requests/{change}/")
        revision = found["revision"]
        bundle = self.ask("GET", f"bundles/{revision}/") if revision else {"digest": ""}
        missing = [
            f"{need['count']} more with the role {' or '.join(need['roles'])} for {need['kind']}"
            for need in found["missing"]
        ]
        return {
            "state": found["state"],
            "revision": revision,
            "digest": bundle["digest"],
            "flagged": found["flagged"],
            "missing": ", ".join(missing),
        }

    def url(self, path: str) -> str:
        """Of this server."""
        return f"{self._address}{path}"

    def ask(self, method: str, path: str, body: Json | None = None) -> Json:
        """The answer of the API. Raises Refused, InvalidDocuments, Unavailable."""
        request = urllib.request.Request(  # noqa: S310 - https or loopback, see __init__
            f"{self._address}/api/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Accept": "application/json",
                "Content-Type": "application/json",
            },
        )
        try:
            with self._open(request, timeout=_SECONDS) as answer:
                found: Json = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error.code, error.read()) from None
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self._address} could not be reached: {error}") from error
        return found


class _Straight(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """A redirect stays an answer, which is refused."""


def target_of(operator: Principal, options: Mapping[str, Any]) -> Target:
    """The server that is named, else this installation."""
    if not options.get("server"):
        return Here(operator)
    return Server(options["server"], options.get("token") or token_of(options.get("token_file")))


def token_of(file: Path | None) -> str:
    """The token of a file or of the environment; empty where there is none. Raises InvalidRequest."""
    if file is None:
        return os.environ.get(TOKEN, "")
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f'"{file}" cannot be read as a token: {error}') from error


def _body(folder: Folder, wanted: Wanted) -> Json:
    return {
        "files": [
            {"path": f.path, "content": f.content, **({"raw": f.raw} if f.raw else {})}
            for f in folder.files
        ],
        "repository": folder.repository,
        "commit": folder.commit,
        "tenant": wanted.tenant,
        "prune": wanted.prune,
        "take": wanted.take,
    }


def _refusal(status: int, content: bytes) -> MandateError:
    try:
        told: Json = json.loads(content)
    except ValueError:
        told = {}
    said = str(told.get("detail") or f"the server answered {status}")
    problems = told.get("problems")
    if isinstance(problems, list) and problems:
        return InvalidDocuments(Problem(**problem) for problem in problems)
    if status == 401 or status >= 500:
        return Unavailable(said)
    if isinstance(told.get("errors"), dict):
        said += "; " + "; ".join(f"{k}: {v}" for k, v in told["errors"].items())
    return Refused(said)
