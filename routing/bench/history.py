"""`python -m routing.bench.history N`: lay a past of N calls into an installation by COPY; `-`: count the queries of pages.

The pages' addresses come in on standard input; the answer is one line of JSON.

What is real: documents, tables, months, windows and their counters, postings, records with the canonical bytes of their
facts, entries with the members of real ones. What is not: the calls were never made, so a record's digest is that of a call
of the same route and tenant, and nothing lies in the vault.
"""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
django.setup()

from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.log.entry import build
from audit.vault.keys import subject_of_team, subject_of_user
from controlplane.kernel.clock import system_clock, to_text
from controlplane.kernel.ids import IdSource
from controlplane.kernel.principal import Principal
from policies.bundles.publish import Edits, publish
from policies.bundles.snapshot import published
from policies.documents.parse import parse_text
from policies.engine.bundle import Bundle
from policies.engine.decide import decide
from policies.engine.facts import Facts, KeyFacts, RequestFacts, UserFacts, encode
from policies.identity.models import User
from routing.bench.made import (
    MODELS,
    MONTHS,
    PROJECTS,
    ROUTES,
    TEAMS,
    TENANTS,
    Made,
    Try,
    begins,
    key_of,
    months,
    past,
)

READER: Final = "finn@acme.example"
ORGANISATION: Final = "organisation-monthly"
"""The demo's own budget of the whole organisation."""
_BENCH: Final = Principal(kind="cli", id="bench", name="the benchmark")
_CALLS_AT_ONCE: Final = 5_000
_HEAD: Final = (
    "apiVersion: mandate/v1\nkind: {kind}\nmetadata: {{name: {name}{more}}}\nspec: {spec}\n"
)
_COPY: Final = {
    "routing_call": "id, revision, stop_epoch, cost_nano, admitted_at, deadline_at, reserved_at, moved_at, finished_at, "
    "attempts, stream, state, code, tenant, team, key, route, dialect, user_ref, run",
    "policies_decision": "call, revision, no, stage, tenant, effect, digest, facts",
    "routing_attempt": "call, revision, reserved_nano, posted_nano, started_at, settled_at, tokens_input, tokens_cached, "
    "tokens_cache_write, tokens_output, no, state, model, provider, basis, error_class, windows",
    "routing_posting": "call, posted_at, posted_nano, overrun_nano, attempt, kind, basis",
    "audit_entry": "id, kind, call, tenant, body",
}
_OPEN: Final = (
    "INSERT INTO routing_ledger_window (starts, ends, rank, tenant, budget, subject) "
    "VALUES (%s, %s, %s, %s, %s, %s) RETURNING id"
)
_FILL: Final = (
    "UPDATE routing_ledger_window SET posted_nano = %s, limit_nano = %s, limit_revision = %s, hard = false "
    "WHERE id = %s"
)
_CLOCK: Final = (
    "SELECT set_config('mandate.demo', 'on', true), set_config('mandate.clock_offset', %s, true)"
)
_LIMIT_NANO: Final = 40_000 * 10**9
_NO_ID, _NO_CALL = UUID(int=1), UUID(int=2)
_NO_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)
_NO_AMOUNT: Final = "999999999999999999"
_ID, _CALL, _AT, _AMOUNT = (
    text.encode() for text in (_NO_ID.hex, _NO_CALL.hex, to_text(_NO_TIME), _NO_AMOUNT)
)
"""What stands in an entry's body where each call has its own."""
_Place = tuple[str, str, str]
"""The tenant of a budget, its name, and the subject of an `each`."""


def documents() -> str:
    """Three tenants with their teams, routes and budgets, and three models, one at each provider."""
    found = []
    for model, (provider, into, out) in MODELS.items():
        price = {"from": "2020-01-01", "currency": "EUR"}
        price |= {"inputPerMillion": f"{into / 1000}", "outputPerMillion": f"{out / 1000}"}
        spec = {
            "provider": provider,
            "tier": model.removeprefix("bench-").replace("middle", "medium"),
            "regions": ["eu"],
            "capabilities": ["chat"],
            "contextWindow": 200_000,
            "maxOutputTokens": 8_000,
            "clearance": ["internal"],
            "prices": [price],
        }
        found += [_document("Provider", provider, {"type": "sandbox"})]
        found += [_document("Model", model, spec)]
    labelled = {
        "scope": {"labels": {"project": PROJECTS[1]}},
        "limit": "40000.00",
        "period": "month",
    }
    found.append(_document("Budget", "bench-project", {**labelled, "hard": False}))
    for number, tenant in enumerate(TENANTS):
        found += _of_tenant(tenant, number)
    return "---\n".join(found)


def _of_tenant(tenant: str, number: int) -> Iterator[str]:
    own = f", tenant: {tenant}"
    place = {"region": "eu", "costCentre": str(1000 + number), "timeZone": "Europe/Berlin"}
    yield _document("Tenant", tenant, {**place, "teams": list(TEAMS)})
    valid = {"by": "rui@acme.example", "on": "2020-01-01", "validUntil": "2090-01-01"}
    case = {"owner": "cleo@acme.example", "purpose": "x", "riskClass": "minimal"}
    yield _document("Permission", "all", {"effect": "permit", "on": "call"}, own)
    for route in ROUTES:
        yield _document("UseCase", route, {**case, "validation": valid}, own)
        strategy = {"type": "fallback", "models": list(MODELS)}
        spec = {"useCase": route, "task": "extraction", "strategy": strategy}
        yield _document("Route", route, spec, own)
    loose = {"limit": "40000.00", "period": "month", "hard": False, "owner": READER}
    yield _document("Budget", "all", {**loose, "scope": {"tenant": tenant}}, own)
    yield _document("Budget", "keys", {**loose, "scope": {"tenant": tenant}, "each": ["key"]}, own)
    for team in TEAMS:
        yield _document("Budget", team, {**loose, "scope": {"team": team}}, own)


def _document(kind: str, name: str, spec: object, more: str = "") -> str:
    return _HEAD.format(kind=kind, name=name, more=more, spec=json.dumps(spec))


def fill(count: int) -> dict[str, object]:
    """Publish, make the months, lay the past down; what was laid."""
    publish(Edits(actor=_BENCH.actor, origin="git", put=parse_text(documents(), "bench")))
    now = system_clock()
    bundle = published().bundle
    behind = now - begins(now)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLOCK, [f"-{behind.days} days"])
        cursor.execute("SELECT make_months(%s)", [MONTHS])
    laid = _Laid(bundle, now)
    calls = past(count, now)
    while some := list(islice(calls, _CALLS_AT_ONCE)):
        laid.lay(some)
    laid.close()
    return {
        "calls": laid.calls,
        "entries": laid.entries,
        "nano": {f"{starts:%Y-%m}": laid.spent[0, starts] for starts, _ in months(now)},
        "first": str(begins(now).date()),
        "call": laid.last,
    }


class _Laid:
    """What has been laid down, and the windows it stands in."""

    def __init__(self, bundle: Bundle, now: datetime) -> None:
        self.bundle, self.calls, self.entries, self.last = bundle, 0, 0, ""
        self._ids, self._spans = IdSource(), list(months(now))
        self._windows: dict[tuple[_Place, datetime], int] = {}
        self.spent: dict[Any, int] = defaultdict(int)
        self._decided = {(t, r): _decision(bundle, t, r) for t in TENANTS for r in ROUTES}
        self._bodies: dict[tuple[str, ...], bytes] = {}
        self._open()

    def _open(self) -> None:
        places: list[tuple[int, _Place]] = [(9, ("", ORGANISATION, ""))]
        for tenant in TENANTS:
            places.append((8, (tenant, "all", "")))
            places += [(7, (tenant, team, "")) for team in TEAMS]
            keys = [key_of(tenant, team, n) for team in TEAMS for n in (0, 1)]
            places += [(6, (tenant, "keys", key)) for key in keys]
        with transaction.atomic(), connection.cursor() as cursor:
            for starts, ends in self._spans:
                for rank, place in places:
                    cursor.execute(_OPEN, [starts, ends, rank, *place])
                    self._windows[place, starts] = int(cursor.fetchone()[0])

    def lay(self, calls: Sequence[Made]) -> None:
        """The rows of these calls, in one transaction."""
        rows: dict[str, list[tuple[object, ...]]] = {table: [] for table in _COPY}
        for made in calls:
            self._row(made, rows)
        with transaction.atomic(), connection.cursor() as cursor:
            for table, columns in _COPY.items():
                with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                    for row in rows[table]:
                        copy.write_row(row)
        self.calls += len(calls)
        self.entries += len(rows["audit_entry"])
        self.last = next(m.call.hex for m in reversed(calls) if m.state == "completed")

    def close(self) -> None:
        """The counters of the windows."""
        revision = self.bundle.revision
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(
                _FILL,
                [(self.spent[w], _LIMIT_NANO, revision, w) for w in self._windows.values()],
            )

    def _row(self, made: Made, rows: dict[str, list[tuple[object, ...]]]) -> None:
        revision, done = self.bundle.revision, made.at + timedelta(seconds=1)
        starts = next(first for first, _ in reversed(self._spans) if first <= made.at)
        places: list[_Place] = [(made.tenant, "keys", made.key), (made.tenant, made.team, "")]
        places += [(made.tenant, "all", ""), ("", ORGANISATION, "")]
        windows = [self._windows[place, starts] for place in places]
        for window in (*windows, (0, starts)):
            self.spent[window] += made.amount_nano
        subject = (
            subject_of_user(made.tenant, made.user)
            if made.user
            else subject_of_team(made.tenant, made.team)
        )
        denied = made.state == "denied"
        code = {"denied": "no_permit", "failed": "server_error"}.get(made.state, "")
        rows["routing_call"].append(
            (made.call, revision, 0, made.amount_nano, made.at, made.at + timedelta(minutes=10), None if denied else made.at,
             done, done, len(made.tries), False, made.state, code, made.tenant, made.team, made.key, made.route, "openai.chat",
             subject, made.run or None)
        )  # fmt: skip
        digest = self._decided[made.tenant, made.route]
        facts = encode(_facts(made))
        rows["policies_decision"].append(
            (made.call, revision, 1, "request", made.tenant, "deny" if denied else "permit", digest, facts)
        )  # fmt: skip
        for no, one in enumerate(made.tries, 1):
            basis = "reported" if one.amount_nano else "none"
            rows["routing_attempt"].append(
                (made.call, revision, one.amount_nano, one.amount_nano, made.at, done, one.tokens_input, 0, 0, one.tokens_output,
                 no, one.state, one.model, MODELS[one.model][0], basis, "" if basis == "reported" else "server_error", windows)
            )  # fmt: skip
            rows["routing_posting"].append(
                (made.call, done, one.amount_nano, 0, no, one.state, basis)
            )
        rows["audit_entry"] += self._told(made)

    def _told(self, made: Made) -> Iterator[tuple[object, ...]]:
        for kind, no, one in _steps(made):
            entry = self._ids.new()
            text = self._body(made, kind, no, one)
            for was, becomes in (
                (_ID, entry.hex),
                (_CALL, made.call.hex),
                (_AT, to_text(made.at)),
                (_AMOUNT, str(one.amount_nano if one else 0)),
            ):
                text = text.replace(was, becomes.encode())
            yield entry, kind, made.call, made.tenant, text

    def _body(self, made: Made, kind: str, no: int, one: Try | None) -> bytes:
        """Built once for each kind, key, route and model; what differs by call is put in later."""
        model = one.model if one else ""
        known = (kind, str(no), made.key, made.route, model)
        if known not in self._bodies:
            self._bodies[known] = build(
                kind,
                id=_NO_ID,
                at=_NO_TIME,
                actor=f"key:{made.key}",
                tenant=made.tenant,
                call=_NO_CALL,
                subject=made.route,
                data={"revision": self.bundle.revision, "epoch": 0, **_data(kind, no, model)},
            ).body
        return self._bodies[known]


def _steps(made: Made) -> Iterator[tuple[str, int, Try | None]]:
    """The entries of a call, in order, each with its attempt."""
    if made.state == "denied":
        yield "call.denied", 0, None
        return
    yield "call.admitted", 0, made.tries[0]
    for no, one in enumerate(made.tries, 1):
        yield "attempt.started", no, one
        yield f"attempt.{one.state}", no, one
    yield f"call.{made.state}", len(made.tries), made.tries[-1]


def _data(kind: str, no: int, model: str) -> dict[str, object]:
    """The members that a real entry of this kind has."""
    by = {"no": no, "model": model, "provider": MODELS[model][0]} if model else {}
    match kind:
        case "call.denied":
            return {"decision": "5" * 64, "code": "no_permit", "rules": []}
        case "call.admitted":
            return {"decision": "5" * 64, "model": model, "reserved": _NO_AMOUNT}
        case "attempt.started":
            return {**by, "reserved": _NO_AMOUNT}
        case "call.completed" | "call.failed":
            failed = "" if kind == "call.completed" else "server_error"
            return {"code": failed, "model": model, "attempts": no}
        case _:
            went = kind == "attempt.succeeded"
            tokens = {"input": 812, "cached_input": 0, "cache_write": 0, "output": 122}
            return {
                **by,
                "upstream_model": model,
                "error_class": "" if went else "server_error",
                "status": 200 if went else 500,
                "finish": "stop" if went else "",
                "latency_ms": 812,
                "amount": _NO_AMOUNT,
                "basis": "reported" if went else "none",
                "tokens": tokens,
            }


def _facts(made: Made) -> Facts:
    labels = {"project": made.project} if made.project else {}
    asked = RequestFacts(
        dialect="openai.chat",
        data_classes=("internal",),
        needs=("chat",),
        input_tokens_max=4_000,
        input_tokens_estimate=2_000,
        output_tokens_asked=500,
        labels=labels,
    )
    return Facts(
        now=to_text(made.at),
        call=made.call.hex,
        tenant=made.tenant,
        team=made.team,
        key=KeyFacts(id=made.key),
        route=made.route,
        request=asked,
        draw=str(made.call.int & (2**64 - 1)),
        user=UserFacts(known=bool(made.user), ref=made.user),
    )


def _decision(bundle: Bundle, tenant: str, route: str) -> bytes:
    """The digest of a call's decision, by tenant and route."""
    call = IdSource().new()
    made = Made(
        call=call,
        at=_NO_TIME,
        tenant=tenant,
        team=TEAMS[0],
        key=key_of(tenant, TEAMS[0], 0),
        route=route,
        state="completed",
        project="",
        user="",
        run="",
        tries=(),
    )
    return decide(bundle, _facts(made)).digest


def queries(paths: Sequence[str]) -> dict[str, int]:
    """How many queries each page takes, in a process that has seen it once before."""
    client = Client(HTTP_HOST="localhost")
    client.force_login(User.objects.get(email=READER))
    found = {}
    for path in paths:
        client.get(path)
        with CaptureQueriesContext(connection) as caught:
            client.get(path)
        found[path] = len(caught)
    return found


def main(asked: str) -> None:
    """Fill, or count."""
    told = queries(json.load(sys.stdin)) if asked == "-" else fill(int(asked))
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
