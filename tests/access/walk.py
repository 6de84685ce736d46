"""`python -m tests.access.walk`: asks every row as every asker, in process, over the real middleware; prints what came, as JSON.

It runs in a process and a database of its own: what an allowed asker does there is really done.
"""

import json
import os
import re
import sys
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
django.setup()

from django.contrib.messages import constants, get_messages  # noqa: E402 - after the apps are ready
from django.core.management import call_command  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.test import Client  # noqa: E402
from drf_spectacular.generators import SchemaGenerator  # noqa: E402

from policies.decisions import replay as deciding_again  # noqa: E402
from policies.decisions.again import Again  # noqa: E402
from tests.access import table, world  # noqa: E402
from tests.access.addresses import route_of, routes  # noqa: E402
from tests.access.table import (  # noqa: E402
    ALLOWED,
    BROKEN,
    FORBIDDEN,
    NO_METHOD,
    NOT_FOUND,
    REFUSED,
    SIGN_IN,
    Row,
)

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_HOST = "localhost"
UNTOUCHED = {FORBIDDEN, NOT_FOUND, SIGN_IN}
"""Who gets one of these, or only looks, leaves the next asker the same objects; else they are made anew."""


class Walk:
    """Clients for every asker of a world."""

    def __init__(self, made: world.World) -> None:
        self._world = made
        self._clients = {asker: self._client(asker) for asker in table.ASKERS}
        self._unused: tuple[str, str] | None = None
        self.leaks: list[str] = []
        self.broken: list[str] = []

    def _client(self, asker: str) -> Client:
        key = self._world.keys.get(asker)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        client = Client(headers=headers, raise_request_exception=False)
        if asker in self._world.users:
            client.force_login(self._world.users[asker])
        return client

    def outcomes(self, row: Row) -> str:
        """The letters of a row, column by column. What no method answers, none answers for any session."""
        self._unused = None
        first = self._outcome(row, table.ASKERS[0])
        known = {asker: first for asker in self._world.users if first == NO_METHOD}
        left = {a: self._outcome(row, a) for a in table.ASKERS[1:] if a not in known}
        return "".join({table.ASKERS[0]: first, **known, **left}[a] for a in table.ASKERS)

    def _outcome(self, row: Row, asker: str) -> str:
        path, filled = self._unused or (
            self._filled(row.address),
            self._filled(json.dumps(row.body)),
        )
        self._unused = path, filled
        body: dict[str, Any] = json.loads(filled)
        kind = "application/json" if path.startswith("/api/") else None
        client = self._clients[asker]
        client.cookies.pop("messages", None)  # what an earlier page said
        answer = self._ask(client, row.method, path, body, kind)
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR and path != "/readyz":
            self.broken.append(f"{answer.status_code} {row.name} as {asker}")
            return BROKEN
        if path.startswith("/account/") and asker in self._world.users:
            client.force_login(self._world.users[asker])  # it may have ended the session
        outcome = _letter(answer)
        if row.method != "GET" and outcome not in UNTOUCHED:
            self._unused = None
        stranger = asker.startswith(("there:", "foreign", "member", "nobody"))
        echoed = world.HERE in json.dumps(body) + path
        if stranger and outcome == ALLOWED and not echoed and world.HERE in _text(answer):
            self.leaks.append(f"{row.name} as {asker}")
        return outcome

    def _ask(
        self, client: Client, method: str, path: str, body: dict[str, Any], kind: str | None
    ) -> Any:
        given: dict[str, Any] = {"headers": {"host": _HOST}}
        if method == "GET":
            return client.get(path, **given)
        if kind:
            given |= {"content_type": kind}
        call = getattr(client, method.lower())
        return call(path, body, **given)

    def _filled(self, text: str) -> str:
        return re.sub(r"\{([a-z_]+)\}", lambda found: self._world.objects[found[1]](), text)


def _letter(answer: HttpResponse) -> str:
    """What an answer means. A page that goes back with an error message refused as much as a 409."""
    status = answer.status_code
    location = str(answer.get("location", ""))
    if status == HTTPStatus.UNAUTHORIZED or location.startswith("/account/login/?next="):
        return SIGN_IN
    known = {
        403: FORBIDDEN,
        404: NOT_FOUND,
        405: NO_METHOD,
        400: REFUSED,
        409: REFUSED,
        422: REFUSED,
    }
    if status in known:
        return known[status]
    request = getattr(answer, "wsgi_request", None)
    said = list(get_messages(request)) if request is not None else []
    return REFUSED if any(message.level >= constants.ERROR for message in said) else ALLOWED


def _text(answer: HttpResponse) -> str:
    parts = answer if answer.streaming else [answer.content]
    return b"".join(part.encode() if isinstance(part, str) else part for part in parts).decode(
        errors="replace"
    )


def _missing(rows: list[Row]) -> list[str]:
    """Addresses that no row names: every page with GET and POST, every operation of the schema."""
    named = {(row.method, route_of(row.address)) for row in rows}
    wanted = {(m, r) for r in routes() for m in (("GET", "POST") if _is_page(r) else ("GET",))}
    found = wanted - named - {("GET", r) for m, r in named if m != "GET" and not _is_page(r)}
    operations = {
        (method.upper(), path)
        for path, methods in _schema()["paths"].items()
        for method in methods
        if method.upper() in _METHODS
    }
    told = {(m, re.sub(r"\{[^}]+\}", "{}", "/" + _braced(route))) for m, route in named}
    left = {(m, p) for m, p in operations if (m, re.sub(r"\{[^}]+\}", "{}", p)) not in told}
    return sorted(f"{method} {path}" for method, path in found | left)


def _schema() -> dict[str, Any]:
    generator = SchemaGenerator()  # type: ignore[no-untyped-call] # drf-spectacular's own
    found: dict[str, Any] = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call] # as above
    return found


def _braced(route: str) -> str:
    return re.sub(r"<(?:[a-z]+:)?([a-z_0-9]+)>", r"{\1}", route)


def _is_page(route: str) -> bool:
    return not route.startswith("api/")


def decide_at_once() -> None:
    """Deciding again takes a process each time; who may ask for it is what the table is about."""

    def at_once(job: object) -> Again:
        return Again(engine=1, bundle="", digests=())

    vars(deciding_again)["in_fresh_process"] = at_once


def main() -> Iterator[str]:
    """The report: outcomes by row, addresses without a row, leaks, and answers of 500 and more."""
    decide_at_once()
    rows = table.rows()
    walk = Walk(world.make())
    call_command("sequencer", "--once", stdout=sys.stderr)
    outcomes = {row.name: walk.outcomes(row) for row in rows}
    report = {
        "outcomes": outcomes,
        "missing": _missing(rows),
        "leaks": walk.leaks,
        "broken": walk.broken,
    }
    yield json.dumps(report)


if __name__ == "__main__":
    sys.stdout.writelines(main())
