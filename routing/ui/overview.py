"""The overview: what needs a person first, then money and counts, then budgets near their limit and what changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit.log import access as log_access
from audit.log import read as log_read
from audit.log.kinds import Group
from audit.log.read import Filter, Line
from audit.ui.filters import Select
from audit.ui.request import principal_of
from audit.ui.standing import Standing
from audit.ui.words import ago, count, rough, share
from controlplane.kernel.principal import Principal
from policies.bundles.access import documents
from policies.bundles.published import Governed, Published, moment, published
from policies.changes.models import ChangeRequest
from policies.changes.waiting import Lately, lately
from policies.stops.models import Stop
from policies.ui.people import names, person
from routing.anomalies import access as anomalies
from routing.anomalies.models import Anomaly
from routing.calls.access import visible
from routing.calls.models import Call
from routing.closing.due import asked as to_be_closed
from routing.closing.due import due
from routing.ledger.access import may_read
from routing.reports.access import may_read_money, spend_of
from routing.reports.balances import Balance, balances
from routing.reports.spend import Totals, daily, merged, month_start, since, totals
from routing.ui.budgets import row_of
from routing.ui.calls import first_call, scope_in_words
from routing.ui.charts import spend_chart
from routing.ui.needs import (
    Need,
    changes_to_look_at,
    exhausted,
    foreseen,
    held_calls,
    lost_attempts,
    out_of_pattern,
    to_close,
)

_CHANGES_SHOWN = 5
_NEEDS_SHOWN = 4
_VALIDATION_SOON_DAYS = 30
_ICONS = {
    "policy": "revision",
    "stops": "hand",
    "identity": "key",
    "money": "budget",
    "log": "shield",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One key figure."""

    name: str
    figure: str
    note: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One line of what happened lately."""

    icon: str
    lead: str
    subject: str
    at: datetime
    url: str


@dataclass(frozen=True, slots=True)
class _View:
    """What the page is about: who looks, at which tenant ("" all), under which revision, when."""

    principal: Principal
    found: Published
    tenant: str
    now: datetime
    known: Mapping[str, str]
    lately: Lately
    waiting: Sequence[ChangeRequest] = ()
    stops: Sequence[Stop] = ()
    log: Standing | None = None

    @property
    def calls(self) -> QuerySet[Call]:
        """This month's calls, of the chosen tenant."""
        rows = since(visible(self.principal), month_start(self.now, self.found.zone))
        return rows.filter(tenant=self.tenant) if self.tenant else rows


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """`/`; `?tenant=` narrows it."""
    principal, found = principal_of(request), published()
    tenants = [d.name for d in documents(principal, found) if d.kind == "Tenant"]
    asked = request.GET.get("tenant", "")
    shell: Any = request.console  # type: ignore[attr-defined]  # the middleware puts it there
    tenant = asked if asked in tenants else ""
    recent = _recent(principal, tenant)
    view = _View(
        principal,
        found,
        tenant,
        moment(),
        known=names(),
        lately=lately(principal, [line.subject for line in recent]),
        waiting=shell.waiting,
        stops=shell.stops,
        log=shell.log,
    )
    months = to_be_closed(principal, found, tenant)
    sums = totals(view.calls, visible(principal), _anomalies(view), months)
    money_open = may_read_money(principal)
    rows = _budgets(view) if money_open else []
    near = [row for row in rows if row.near]
    context = {
        "now": view.now,
        "scope": view.tenant or scope_in_words(principal),
        "tenants": tenants,
        "tenant_filter": Select(
            "tenant", "Tenant", "all", tuple((t, t) for t in tenants), view.tenant
        ),
        "needs": _needs(view, [*exhausted(near), *foreseen(rows)], sums),
        "tiles": _tiles(view, sums),
        "no_calls": not sums.ever,
        "curl": first_call(request, principal, found),
        "chart": _chart(view),
        "changes": [_change(line, view.known, view.lately.titles) for line in recent],
        "may_read_log": log_access.may_read(principal),
        "may_read_budgets": money_open,
        "near": [row_of(row, found.currency) for row in near],
        "budget_count": len(rows),
    }
    return render(request, "routing/overview.html", context)


def _anomalies(view: _View) -> QuerySet[Anomaly] | None:
    if not anomalies.may_read(view.principal):
        return None
    rows = anomalies.visible(view.principal)
    return rows.filter(tenant=view.tenant) if view.tenant else rows


def _budgets(view: _View) -> list[Balance]:
    rows = balances(view.principal, view.found, view.now)
    if not view.tenant:
        return rows
    return [row for row in rows if (row.scope.get("tenant") or row.tenant) == view.tenant]


def _needs(view: _View, money: Sequence[Need], sums: Totals) -> list[Need]:
    """At most four; the log's state closes the list where it may be read, and opens it when it is bad."""
    log = [_log(view)] if log_access.may_read(view.principal) else []
    needs = list(islice(_by_need(view, money, sums), _NEEDS_SHOWN - len(log)))
    if not needs:
        needs = [
            Need(
                "Nothing waits for you",
                "No call is held for you, no stop is on, no validation ends soon, no budget is exhausted.",
                "check-circle",
                "ok",
            )
        ]
    return [*log, *needs] if log and log[0].tone == "bad" else [*needs, *log]


def _by_need(view: _View, money: Sequence[Need], sums: Totals) -> Iterator[Need]:
    """Everything that needs a person, the most pressing first; what is not reached is not asked for."""
    yield from changes_to_look_at(view.lately.flagged, view.tenant, view.now, view.known)
    yield from held_calls(view.principal, view.found, view.tenant, view.now)
    yield from out_of_pattern(sums.broken)
    yield from _approvals(view)
    yield from _stops(view)
    yield from lost_attempts(sums.lost, may_settle=may_read(view.principal))
    yield from _validations(view)
    yield from money
    yield from to_close(due(view.found, sums.told, view.now), view.known)
    yield from _flagged(view)


def _approvals(view: _View) -> list[Need]:
    rows = [r for r in view.waiting if not view.tenant or r.tenant == view.tenant]
    if not rows:
        return []
    first = rows[0]
    title = f"{len(rows)} change request{'s wait' if len(rows) > 1 else ' waits'} for you"
    text = f"{first.title}, by {person(first.author, view.known)}. Nothing of it takes effect before you approve."
    url = reverse("change", args=[first.id]) if len(rows) == 1 else reverse("changes")
    return [Need(title, text, "change", "warn", url, "Look at it")]


def _stops(view: _View) -> list[Need]:
    stops, known = view.stops, view.known
    if not stops:
        return []
    asked = [
        stop for stop in stops if stop.lift_asked_by and stop.lift_asked_by != view.principal.actor
    ]
    first = asked[0] if asked else stops[-1]
    named = first.scope["name"] or "every call"
    if asked:
        text = f"{person(first.lift_asked_by, known)} asks to lift the stop of {named}. A second person confirms."
        return [
            Need(
                "A lifting waits for you",
                text,
                "hand",
                "warn",
                reverse("stops"),
                "Look at the stops",
            )
        ]
    title = f"{len(stops)} stop{'s are' if len(stops) > 1 else ' is'} on"
    text = f"{named}: {first.reason}. Set by {person(first.actor, known)} {ago(first.set_at, view.now)}."
    return [Need(title, text, "hand", "bad", reverse("stops"), "Look at the stops")]


def _validations(view: _View) -> list[Need]:
    ending = sorted(
        (until, document)
        for document in documents(view.principal, view.found)
        if document.kind == "UseCase" and (until := _valid_until(document)) is not None
        if (until - timezone.localtime(view.now).date()).days <= _VALIDATION_SOON_DAYS
    )
    return [
        _validation(until, document, timezone.localtime(view.now).date())
        for until, document in ending[:1]
    ]


def _valid_until(document: Governed) -> date | None:
    validation = document.spec.get("validation") or {}
    until = validation.get("validUntil")
    return date.fromisoformat(str(until)) if until else None


def _validation(until: date, document: Governed, today: date) -> Need:
    days = (until - today).days
    title = f"1 validation ends in {days} days" if days >= 0 else "1 validation has ended"
    text = f"Use case {document.name}, valid until {until.day} {until:%b %Y}. After that its calls are denied."
    url = reverse("document", args=[document.kind, document.tenant or "-", document.name])
    return Need(title, text, "clock", "warn" if days >= 0 else "bad", url, "Open the use case")


def _flagged(view: _View) -> list[Need]:
    if not (view.found.flagged and view.principal.holds("admin")):
        return []
    text = (
        f"Revision {view.found.revision} was published by {person(view.found.actor, view.known)} alone. "
        "One person may draft, approve and publish; each such step is flagged in the log."
    )
    url = reverse("document", args=["Organisation", "-", next(view.found.of("Organisation")).name])
    return [Need("Single-operator mode", text, "person", "warn", url, "Open the organisation")]


def _log(view: _View) -> Need:
    state = log_read.state()
    url = reverse("log")
    if state.signed_at is None:
        return Need(
            "The log is not signed yet",
            "The sequencer has not run. Calls go on; proofs wait for it.",
            "shield",
            "warn",
            url,
            "State of the log",
        )
    if state.outside:
        return Need(
            f"{state.outside} entries outside the log",
            "They are older than a minute and have no place in the tree.",
            "alert",
            "bad",
            url,
            "State of the log",
        )
    return _verified(state, view, url)


def _verified(state: log_read.LogState, view: _View, url: str) -> Need:
    """How the log stands by its own checks."""
    text = f"{count(state.size)} entries in the tree, {count(state.waiting)} waiting; none outside."
    found, now = view.log, view.now
    if found is None:
        return Need("Log not verified yet", text, "shield", "warn", url, "State of the log")
    if found.wrong:
        text = "Its own check found it. Keep this installation as it is."
        return Need(found.banner, text, "alert", "bad", url, "State of the log")
    title = f"Log {found.word} {ago(found.at, now)}" if found.at else f"Log {found.word}"
    return Need(title, text, "shield", found.tone, url, "State of the log")


def _tiles(view: _View, sums: Totals) -> list[Tile]:
    here = timezone.localtime(view.now)
    span = f"1 to {here.day} {here:%b}" if here.day > 1 else f"1 {here:%b}"
    calls = reverse("calls")
    tenant = f"&tenant={view.tenant}" if view.tenant else ""
    return [
        Tile(
            f"Spend, {span}",
            rough(sums.spent_nano, view.found.currency),
            f"over {count(sums.calls - sums.denied)} calls that were let in",
            reverse("report-spend") if may_read_money(view.principal) else "",
        ),
        Tile(
            f"Calls, {span}",
            count(sums.calls),
            f"{count(sums.running)} running, {count(sums.held)} held",
            f"{calls}?{tenant.lstrip('&')}",
        ),
        Tile(
            "Denied",
            count(sums.denied),
            f"{share(sums.denied, sums.calls)} of all calls",
            f"{calls}?state=denied{tenant}",
        ),
        Tile(
            "Failed",
            count(sums.failed),
            f"{share(sums.failed, sums.calls)} of all calls",
            f"{calls}?state=failed{tenant}",
        ),
    ]


def _chart(view: _View) -> object:
    starts = month_start(view.now, view.found.zone)
    if view.now - starts < timedelta(days=13):
        starts -= timedelta(days=13) - (view.now - starts)
        starts = starts.astimezone(view.found.zone).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
    condition = spend_of(view.principal)
    if view.tenant:
        condition &= Q(tenant=view.tenant)
    return spend_chart(
        merged(daily(condition, starts, view.now, view.found.zone)), view.found.currency
    )


def _recent(principal: Principal, tenant: str) -> list[Line]:
    """The newest entry about each thing that people changed."""
    if not log_access.may_read(principal):
        return []
    tenants = principal.tenants_with(*log_access.READERS)
    if tenant:
        tenants = frozenset({tenant}) if tenants is None else tenants & {tenant}
    groups = (Group.POLICY, Group.STOPS, Group.IDENTITY)
    found = log_read.page(Filter(tenants=tenants, groups=groups), limit=8 * _CHANGES_SHOWN)
    by_change = {
        line.data["revision"] for line in found.lines if line.kind.name == "change.published"
    }
    newest: dict[str, Line] = {}
    for line in found.lines:
        said = line.kind.name == "bundle.activated" and line.data["revision"] in by_change
        if not said and not line.kind.name.startswith("token."):
            newest.setdefault(line.subject, line)
    return list(newest.values())[:_CHANGES_SHOWN]


def _change(line: Line, known: Mapping[str, str], titles: Mapping[str, str]) -> Change:
    data = line.data
    subject = titles.get(line.subject) or line.subject.partition(":")[2] or line.subject
    if "revision" in data and line.kind.name == "bundle.activated":
        subject = f"revision {data['revision']}"
    if "scope" in data:
        subject = str(data["scope"].get("name") or "every call")
    return Change(
        icon=_ICONS.get(line.kind.group.value, "info"),
        lead=f"{person(line.actor, known)}: {line.kind.title}",
        subject=subject,
        at=line.recorded_at,
        url=reverse("log-entry", args=[line.id.hex]),
    )
