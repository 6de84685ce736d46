"""From a question to an order: which calls and entries it is about, and what lies beside them."""

import json
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import Q

from audit.evidence import Order, Selection
from audit.log import read
from audit.log.kinds import Group
from controlplane.kernel.errors import InvalidRequest, NotFound
from controlplane.kernel.ids import uuid7_floor
from controlplane.kernel.principal import Principal
from policies.bundles.diff import named
from policies.bundles.models import Document
from policies.bundles.published import at_revision
from policies.changes.models import ChangeRequest
from policies.documents.document import Identity
from routing.calls.models import Call
from routing.evidence import access
from routing.evidence.asks import LOG, Ask
from routing.evidence.beside import Facts, Opening
from routing.reports import content

MOST_OPENED: Final = 100


def order(principal: Principal, ask: Ask) -> Order:
    """What to write for a question. Content is opened here, an entry for each call. Raises as `access.require`."""
    tenant = access.require(principal, ask)
    selection = _selection(ask, tenant)
    opened = tuple(_opened(principal, ask, selection)) if ask.opens else ()
    return Order(
        scope=ask.told(),
        selection=selection,
        beside=Facts(tenant, opened),
        kept_size=ask.kept_size,
    )


def _selection(ask: Ask, tenant: str | None) -> Selection:
    if ask.scope == LOG:
        return Selection(since=ask.since, until=ask.until)
    if ask.scope == "tenant":
        return Selection(tenant=tenant, since=ask.since, until=ask.until)
    if ask.call is not None:
        return Selection(tenant=tenant, calls=(ask.call,))
    if ask.scope == "use-case":
        return Selection(tenant=tenant, calls=tuple(_calls_of(ask)))
    return Selection(tenant=tenant, calls=tuple(_denied_by(ask)), entries=tuple(_acts_on(ask)))


def _calls_of(ask: Ask) -> Iterator[UUID]:
    """The calls of the routes that were of the use case under the revision that decided them."""
    calls = _within(ask).filter(tenant=ask.tenant)
    known = False
    for revision in calls.values_list("revision", flat=True).distinct().order_by("revision"):
        published = at_revision(revision)
        if published is None:
            continue
        known = known or published.find("UseCase", ask.tenant, ask.name) is not None
        routes = {
            route.name
            for route in published.of("Route")
            if route.tenant in (ask.tenant, "") and route.spec.get("useCase") == ask.name
        }
        yield from calls.filter(revision=revision, route__in=routes).values_list("pk", flat=True)
    if not known:
        raise NotFound(f'no call was decided while there was a use case "{ask.name}"')


def _acts_on(ask: Ask) -> Iterator[UUID]:
    """The entries about a document: what activated its versions, its change requests, who keeps it."""
    identity: Identity = (ask.document, ask.tenant, ask.name)
    past: Any = Document.history
    versions = past.filter(kind=identity[0], tenant=identity[1], name=identity[2])
    revisions = sorted(set(versions.values_list("revision", flat=True)))
    if not revisions:
        raise NotFound(f'there never was a document "{named(identity)}"')
    changes = ChangeRequest.objects.filter(
        Q(published_revision__in=revisions)
        | Q(edits__kind=identity[0], edits__tenant=identity[1], edits__name=identity[2])
    )
    subjects = {f"document:{named(identity)}", *(change.subject for change in changes)}
    activated = {"bundle.activated": set(revisions)}
    wanted = read.Filter(since=ask.since, until=ask.until, groups=(Group.POLICY,))
    for entry, kind, body in read.matching(wanted).values_list("id", "kind", "body").iterator():
        said = json.loads(bytes(body))
        about = said["data"].get("revision") in activated.get(kind, ())
        if about or said["subject"] in subjects:
            yield entry


def _denied_by(ask: Ask) -> Iterator[UUID]:
    """The calls that a rule denied. Which rules let a call through stands in its decision, not in its entries."""
    labels = [ask.name, f"{ask.tenant}/{ask.name}"] if ask.tenant else [ask.name]
    first = uuid7_floor(ask.since) if ask.since else UUID(int=0)
    last = uuid7_floor(ask.until) if ask.until else UUID(int=2**128 - 1)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT call FROM audit_entry
             WHERE kind = 'call.denied' AND id >= %s AND id < %s AND (%s = '' OR tenant = %s)
               AND convert_from(body, 'UTF8')::jsonb -> 'data' -> 'rules' ?| %s::text[]
            """,
            [first, last, ask.tenant, ask.tenant, labels],
        )
        rows = cursor.fetchall()
    yield from (row[0] for row in rows)


def _within(ask: Ask) -> Any:  # noqa: ANN401 - a QuerySet whose values are read in two ways
    calls = Call.objects.all()
    if ask.since is not None:
        calls = calls.filter(pk__gte=uuid7_floor(ask.since))
    return calls.filter(pk__lt=uuid7_floor(ask.until)) if ask.until is not None else calls


def _opened(principal: Principal, ask: Ask, selection: Selection) -> Iterator[Opening]:
    """Open the content of every call in the selection: each is an entry `content.viewed` before it is read."""
    if selection.calls is not None:
        rows = list(Call.objects.filter(pk__in=selection.calls).order_by("pk")[: MOST_OPENED + 1])
    else:
        found = _within(ask)
        if selection.tenant is not None:
            found = found.filter(tenant=selection.tenant)
        rows = list(found.order_by("pk")[: MOST_OPENED + 1])
    if len(rows) > MOST_OPENED:
        raise InvalidRequest(f"content of at most {MOST_OPENED} calls is opened at once")
    for call in rows:
        fields = {
            one.name.lower(): {"note": one.note, "text": one.text, "empty": one.empty}
            for one in content.open_call(principal, call, ask.opens)
        }
        said = json.dumps({"call": call.id.hex, **fields}, ensure_ascii=False, sort_keys=True)
        yield f"openings/{call.id.hex}.json", f"{said}\n".encode()
