"""Two tenants, an asker for every column of the table, and the objects that addresses name. Runs in a database of its own."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.conf import settings

from audit.log.models import Entry
from audit.saved.commands import save
from controlplane.kernel.ids import call_name
from controlplane.kernel.principal import ROLES, Principal
from policies.bundles.past import versions
from policies.bundles.publish import Edits, publish
from policies.changes import commands as changes
from policies.changes.commands import NewChange
from policies.changes.models import APPROVAL, ChangeRequest
from policies.documents.parse import parse_text
from policies.identity import commands, members
from policies.identity.models import ApiKey, Session, User
from policies.management.cli import operator
from policies.order.lock import control, mandate_now
from policies.replay.models import Replay
from policies.replay.results import result_of
from policies.replay.values import Tally
from policies.stops.commands import NewStop, set_stop
from policies.stops.models import Stop
from routing.evidence import commands as evidence
from routing.evidence.asks import Ask
from tests.access import books, guests, kept, money
from tests.access.table import ASKERS, PLACES
from tests.browser.calls import Wanted, make_calls
from tests.routing.reviews.held import Desk

HERE, THERE, TEAM = "aquila", "borealis", "desk"
_AT_THE_DESK = {"queue": f"{HERE}-desk", "queue_tenant": HERE, "team": TEAM}
TENANT_OF = {"organisation": "", "here": HERE, "there": THERE}
_SHARED = """\
apiVersion: mandate/v1
kind: Provider
metadata: {name: sky}
spec: {type: openai-compatible, baseUrl: "https://nobody.invalid/v1"}
---
apiVersion: mandate/v1
kind: Model
metadata: {name: small}
spec:
  provider: sky
  upstreamName: small
  tier: small
  capabilities: [chat]
  contextWindow: 4000
  maxOutputTokens: 1000
  regions: [eu]
  clearance: [public, internal]
  prices: [{from: 2026-01-01, currency: EUR, inputPerMillion: "1", outputPerMillion: "10"}]
"""
_TENANT = """\
apiVersion: mandate/v1
kind: Tenant
metadata: {{name: {tenant}}}
spec: {{displayName: "{tenant}", region: eu, teams: [desk, spare]}}
---
apiVersion: mandate/v1
kind: UseCase
metadata: {{name: {tenant}-case, tenant: {tenant}}}
spec:
  owner: cleo@acme.example
  purpose: "Ask {tenant}"
  riskClass: limited
  dataClasses: [internal]
  reviewOn: 2027-03-01
  validation: {{by: rui@acme.example, on: 2026-01-01, evidence: "tried", validUntil: 2090-10-01}}
---
apiVersion: mandate/v1
kind: Permission
metadata: {{name: {tenant}-may-call, tenant: {tenant}}}
spec: {{effect: permit, on: call}}
---
apiVersion: mandate/v1
kind: Budget
metadata: {{name: {tenant}-month, tenant: {tenant}}}
spec: {{scope: {{tenant: {tenant}}}, owner: finn@acme.example, period: month, limit: "100.00"}}
---
apiVersion: mandate/v1
kind: ReviewQueue
metadata: {{name: {tenant}-desk, tenant: {tenant}}}
spec: {{reviewers: ["role:reviewer"]}}
---
apiVersion: mandate/v1
kind: Route
metadata: {{name: {tenant}-ask, tenant: {tenant}}}
spec: {{useCase: {tenant}-case, task: chat, strategy: {{type: single, model: small}}}}
"""
_EDIT = """\
apiVersion: mandate/v1
kind: Permission
metadata: {{name: {name}, tenant: {tenant}}}
spec: {{effect: permit, on: call}}
"""
_GRANT = """\
apiVersion: mandate/v1
kind: RoleGrant
metadata: {{name: {name}{tenant}}}
spec: {{member: {name}@acme.example, roles: [{role}]}}
"""


@dataclass
class World:
    """`users` by asker, `keys` by asker, and `objects`: what stands for a placeholder, made anew where it is used up."""

    users: dict[str, User] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    objects: dict[str, Callable[[], str]] = field(default_factory=dict)


def make() -> World:
    """Publish, add people, keys, calls and everything that an address can name. Needs `manage.py init`."""
    tess, made = operator(), World()
    publish(Edits(actor=tess.actor, origin="console", put=parse_text(_documents(), "world")))
    for place in PLACES:
        for role in ROLES:
            made.users[f"{place}:{role}"] = _person(tess, place, role)
    made.users["member"] = members.create_member(tess, "member@acme.example", "Member")
    for asker, tenant in (("key", HERE), ("foreign-key", THERE)):
        wanted = commands.NewKey(tenant=tenant, team=TEAM, name=f"{tenant}-key")
        made.keys[asker] = commands.create_key(tess, wanted).shown
    make_objects(tess, made)
    return made


def make_objects(tess: Principal, made: World) -> None:
    """What placeholders stand for: all of it belongs to the tenant `aquila`, or to a member without a role."""
    call = _call(made.keys["key"])
    entry = Entry.objects.filter(call=call).values_list("pk", flat=True)[0]
    made.objects |= _constants(
        {"tenant": HERE, "team": TEAM, "call": call_name(call), "entry": str(entry)}
    )
    made.objects["waiting"] = _calls_that(made.keys["key"], "admitted")
    made.objects["lost"] = _calls_that(made.keys["key"], "unknown")
    desk = _desk(made.keys["key"])
    made.objects["free"] = lambda: str(desk.hold(**_AT_THE_DESK).id)
    for _ in range(2):  # who takes the next one gets these, which are due first
        made.objects["free"]()
    last = str(desk.hold(**_AT_THE_DESK, due=timedelta(days=1)).id)
    made.objects |= _constants({"review": last})
    made.objects["stop"] = lambda: _stop(tess)
    made.objects |= kept.makers(tess, HERE, call)
    made.objects |= guests.makers(tess, HERE, TEAM)
    made.objects |= money.makers(HERE, TEAM)
    made.objects |= _changes(tess)
    made.objects |= _constants({"view": str(save(tess, "tried", "what=stops").pk)})
    made.objects["token"] = lambda: commands.create_token(tess, made.users["member"], name="t").id
    asked = evidence.begin(tess, Ask(scope="tenant", tenant=HERE))
    made.objects |= _constants({"evidence": str(asked.id)})
    made.objects |= books.makers(tess, HERE)
    made.objects["session"] = lambda: _session(made.users["member"])


def _session(user: User) -> str:
    row = Session(
        session_key=secrets.token_hex(16), expire_date=mandate_now() + timedelta(hours=1), user=user
    )
    row.save(force_insert=True)
    return str(row.public)


def _changes(tess: Principal) -> dict[str, Callable[[], str]]:
    """Change requests of the tenant, each made anew: a draft, and one that waits for approval."""

    def draft(name: str = "tried") -> str:
        row = changes.draft(tess, NewChange(title="Try", tenant=HERE))
        changes.put_texts(tess, row.id, _EDIT.format(tenant=HERE, name=name))
        return str(row.pk)

    def handed_in() -> str:
        # of its own name: what one asker published would be in the next one's way
        row = draft(f"given-{secrets.token_hex(4)}")
        # as `submit` would leave it; checking each anew would take minutes
        ChangeRequest.objects.filter(pk=row).update(state=APPROVAL)
        handed[:] = [row]
        return row

    def read(field: str) -> str:
        """What an approval of the one that was handed in last names."""
        return str(getattr(ChangeRequest.objects.get(pk=handed[0]), field))

    handed: list[str] = []
    once: list[str] = []

    def one() -> str:
        once[:] = once or [draft()]
        return once[0]

    def replayed(state: str) -> Callable[[], str]:
        def make() -> str:
            change = draft(f"again-{secrets.token_hex(4)}")
            _replay(state, change=UUID(change))
            return change

        return make

    revision = str(control().revision)
    version = next(versions(("RoleGrant", HERE, "here-admin"))).number
    return {
        "draft": draft,
        "handed": handed_in,
        "handed_base": lambda: read("base"),
        "handed_digest": lambda: read("digest"),
        "change": one,
        "begun": replayed("queued"),
        "replayed": replayed("done"),
        "drill": lambda: _replay("queued"),
        "drilled": lambda: _replay("done"),
    } | _constants({"revision": revision, "version": str(version)})


def _replay(state: str, change: UUID | None = None) -> str:
    """A replay of the tenant: of a change request, else an exit drill."""
    at, digest = mandate_now(), control().digest.hex()
    row = Replay(
        what="change" if change else "drill",
        change=change,
        tenant=HERE,
        title="Try",
        base=control().revision,
        base_digest=digest,
        days=1,
        since=at - timedelta(days=1),
        until=at,
        actor="cli:test",
        state=state,
        ended_at=at if state == "done" else None,
    )
    if state == "done":
        found = result_of({"what": row.what}, "EUR", Tally())
        row.result, row.digest = found.text, found.digest
    row.save(force_insert=True)
    return str(row.pk)


def _calls_that(key: str, ends: str) -> Callable[[], str]:
    """A call that waits, or whose attempt is lost, for each who would end it: what has ended is refused to everybody."""
    wanted = Wanted(key=key.split("_")[1], route=f"{HERE}-ask", ends=ends)
    left: list[UUID] = []

    def one() -> str:
        if not left:
            left.extend(make_calls([wanted] * len(ASKERS)))
        return call_name(left.pop())

    return one


def _desk(key: str) -> Desk:
    """Where calls of that key are held."""
    row = ApiKey.objects.get(pk=key.split("_")[1])
    return Desk(settings.DATABASE_URL, settings.MANDATE_KEYS_DIR, HERE, row.pk, bytes(row.hash))


def _constants(values: Mapping[str, str]) -> dict[str, Callable[[], str]]:
    return {name: lambda value=value: value for name, value in values.items()}  # type: ignore[misc] # a default binds the value


def _documents() -> str:
    grants = [
        _GRANT.format(name=f"{place}-{role}", role=role, tenant=_in(TENANT_OF[place]))
        for place in PLACES
        for role in ROLES
    ]
    tenants = [_TENANT.format(tenant=tenant) for tenant in (HERE, THERE)]
    return "---\n".join([_SHARED, *tenants, *grants])


def _in(tenant: str) -> str:
    return f", tenant: {tenant}" if tenant else ""


def _person(tess: Principal, place: str, role: str) -> User:
    """A developer belongs to the team whose objects the table names, or to one of the other tenant."""
    user = members.create_member(tess, f"{place}-{role}@acme.example", f"{role} {place}")
    if role == "developer":
        members.add_membership(tess, user, TENANT_OF[place] or HERE, TEAM)
    return user


def _call(key: str) -> UUID:
    return make_calls([Wanted(key=key.split("_")[1], route=f"{HERE}-ask")])[0]


def _stop(tess: Principal) -> str:
    """A stop of the one route: set anew unless it is on, since a second one would be a conflict."""
    found = Stop.objects.filter(lifted_at=None, scope__kind="route", lift_asked_by="").first()
    if found is None:
        wanted = NewStop(kind="route", tenant=HERE, name=f"{HERE}-ask", reason=f"{HERE} rests")
        found = set_stop(tess, wanted, exists=True)
    return str(found.pk)
