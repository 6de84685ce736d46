"""Gather what a month's statement says, and what stands in the way of closing it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q

from audit.log import read as log
from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.ids import uuid7_time
from controlplane.kernel.money import format_nano
from policies.bundles.published import Published
from routing.calls.models import Call
from routing.closing import figures, hours, read
from routing.closing.figures import Cut, Line, Month
from routing.closing.models import Adjustment, Statement
from routing.closing.months import following, month_of, preceding, said, span_of
from routing.closing.statements import (
    Accepted,
    Counted,
    Frozen,
    body_of,
    head_of,
    read_back,
    window_told,
)
from routing.ledger.models import LedgerWindow

GRACE: Final = timedelta(hours=24)
"""How long after a month's end the last answers and bills of its calls are waited for."""
SHORTEST_WINDOW: Final = timedelta(days=27)
"""A statement tells the windows of months and longer; those of days and weeks are in the reports."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at before a month closes. `stops`: it cannot be closed like this."""

    what: str
    holds: bool
    stops: bool
    told: str


def month_in(found: Published, tenant: str, name: str) -> Month:
    """The tenant's month of this name: as its statement has it, else from where that of the month before ended.

    A tenant's time zone may change, also by its document going: no call is in two months then, or in none. Raises InvalidRequest.
    """
    try:
        starts, until = span_of(name, read.zone_of(found, tenant))
    except ValueError as error:
        raise InvalidRequest(str(error)) from None
    closed = read.statements_of(tenant, (preceding(name), name)).order_by("-period").first()
    if closed is None:
        return Month(tenant, starts, until)
    told = json.loads(bytes(closed.body))
    kept = {edge: datetime.fromisoformat(str(told[edge])) for edge in ("starts", "until")}
    if closed.period == name:
        return Month(tenant, kept["starts"], kept["until"])
    return Month(tenant, kept["until"], until)


def next_month(found: Published, tenant: str) -> str:
    """The month that closes next: after the last closed, else that of the first call; "" while there is none."""
    closed = read.last_closed(tenant)
    if closed:
        return following(closed)
    first = Call.objects.filter(tenant=tenant).order_by("id").values_list("id", flat=True).first()
    return min(months_of(found, tenant, first)) if first else ""


def months_of(found: Published, tenant: str, call: UUID) -> set[str]:
    """The months that a call counts in: the tenant's, and the organisation's where its models' hours are split."""
    at = uuid7_time(call)
    shared = month_of(at, str(found.zone.key))
    own = {month_of(at, read.zone_of(found, tenant))}
    return own | {shared} if hours.bought(found, shared) else own


def checklist(
    found: Published, tenant: str, name: str, now: datetime, due: str | None = None
) -> tuple[Check, ...]:
    """What must be so, and what one should know, before this month closes; `due` is the next, where that is known."""
    month = month_in(found, tenant, name)
    due = next_month(found, tenant) if due is None else due
    from_then = (month.until + GRACE).astimezone(ZoneInfo(read.zone_of(found, tenant)))
    waits = read.waiting(Adjustment.objects.filter(tenant=tenant, corrects__lte=name)).count()
    unposted, at = figures.unposted(month), figures.cut(month)
    unknown = sum(one.state == "unknown" for one in at.held)
    then = f"{from_then:%a} {from_then.day} {from_then:%b %Y, %H:%M %Z}"
    ended = f"its grace ends on {then}, {GRACE // timedelta(hours=1)} hours after the month"
    if due:
        before = f"close {said(due)} first" if due < name else f"the first to close is {said(due)}"
    else:
        before = f"{tenant} has made no call yet"
    return (
        Check("The month and its grace are over", now >= from_then, stops=True, told=ended),
        Check("Every month before it is closed", name == due, stops=True, told=before),
        Check(
            "The ledger has what each attempt cost",
            not unposted,
            stops=True,
            told=_number(
                unposted,
                "ended attempt differs from its posting",
                "ended attempts differ from their postings",
            ),
        ),
        Check(
            "Adjustments are decided on",
            not waits,
            stops=True,
            told=_number(waits, "adjustment waits for finance", "adjustments wait for finance"),
        ),
        Check(
            "No attempt's cost is unknown",
            not unknown,
            stops=False,
            told=_number(
                unknown,
                "is accrued at what was reserved, and listed",
                "are accrued at what was reserved, and listed",
            ),
        ),
        Check(
            "Every call has ended",
            not at.open,
            stops=False,
            told=_number(
                len(at.open),
                "is listed; what it costs yet is late usage",
                "are listed; what they cost yet is late usage",
            ),
        ),
        *_of_hours(found, name, now),
    )


def _of_hours(found: Published, name: str, now: datetime) -> tuple[Check, ...]:
    """What must be so before a month's models bought by the hour are split for all tenants; nothing where there are none."""
    if not hours.bought(found, name) or hours.frozen(name):
        return ()
    from_then = (hours.over_at(found, name) + GRACE).astimezone(found.zone)
    then = f"{from_then:%a} {from_then.day} {from_then:%b %Y, %H:%M %Z}"
    unrated = hours.unrated_days(found, name)
    return (
        Check(
            "The organisation's month and its grace are over",
            now >= from_then,
            stops=True,
            told=f"models are bought by the hour; the organisation's grace ends on {then}",
        ),
        Check(
            "Hours that were bought have an exchange rate",
            not unrated,
            stops=True,
            told=_number(unrated, "day has no exchange rate", "days have no exchange rate"),
        ),
    )


def _number(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def prepared(found: Published, month: Month, name: str, now: datetime) -> tuple[Counted, Frozen]:
    """The month's figures as they stand now, and what is kept of this moment."""
    counted = _counted(month, name, figures.cut(month))
    document = found.find("Tenant", "", month.tenant)
    spec = document.spec if document else {}
    zone = read.zone_of(found, month.tenant)
    own = {
        "organisation": found.organisation_name,
        "costCentre": str(spec.get("costCentre") or ""),
        "currency": found.currency,
        "timeZone": zone,
        "period": name,
        "policy": {"revision": found.revision, "digest": found.digest},
    }
    state = log.state()
    ids = _windows(found, month)
    frozen = Frozen(
        head_of(month, own, now),
        [window_told(one) for one in figures.windows(month, ids)] if ids else [],
        list(found.organisation.get("exchangeRates") or []),
        _prices(found, counted.lines),
        {"size": state.size, "checkpoint": state.checkpoint},
        hours.told(hours.parts(found, name), month.tenant, str(own["costCentre"])),
    )
    return counted, frozen


def again(statement: Statement) -> bytes:
    """The statement's bytes from the ledger as it is now: the same for ever, or something changed that may not."""
    at, frozen = read_back(bytes(statement.body))
    starts, until = (datetime.fromisoformat(str(frozen.head[name])) for name in ("starts", "until"))
    month = Month(statement.tenant, starts, until)
    return body_of(_counted(month, statement.period, at), frozen)


def _counted(month: Month, name: str, at: Cut) -> Counted:
    admitted, denied = figures.calls(month)
    adjustments = tuple(
        Accepted(row.id, read.proposal_of(row), row.verdict.decided_by)
        for row in read.belonging(month.tenant, name)
    )
    return Counted(figures.lines(month, at), at, adjustments, admitted, denied)


def _windows(found: Published, month: Month) -> list[int]:
    """The windows that are the tenant's affair alone: of its own budgets, and of the organisation's for it."""
    about = [
        budget.name
        for budget in found.of("Budget")
        if not budget.tenant and (budget.spec.get("scope") or {}).get("tenant") == month.tenant
    ]
    rows = LedgerWindow.objects.filter(
        Q(tenant=month.tenant) | Q(tenant="", budget__in=about),
        subject="",
        starts__lt=month.until,
        ends__gt=month.starts,
    )
    return [row.id for row in rows if row.ends - row.starts >= SHORTEST_WINDOW]


def _prices(found: Published, lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The price lists of the models that were used, as published at the cut-off."""
    told = []
    for label in sorted({line.model for line in lines}):
        tenant, _, name = label.rpartition("/")
        document = found.find("Model", tenant, name)
        if document is not None:
            told.append({"model": label, "prices": list(document.spec.get("prices") or [])})
    return told


def sums(counted: Counted, frozen: Frozen) -> dict[str, str]:
    """What an entry says a statement comes to."""
    total = counted.spent_nano + counted.accrued_nano + counted.adjusted_nano
    return {
        "spent": format_nano(counted.spent_nano),
        "accrued": format_nano(counted.accrued_nano),
        "adjusted": format_nano(counted.adjusted_nano),
        "total": format_nano(total),
        **({"capacity": format_nano(frozen.capacity_nano)} if frozen.capacity else {}),
    }
