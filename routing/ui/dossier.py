"""The register of use cases, and the dossier of one: read on the page, put on record to take along, printed on A4."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from audit.ui.request import principal_of
from audit.ui.words import count, lasting, money, share
from controlplane.kernel.clock import from_text
from controlplane.kernel.errors import InvalidRequest
from controlplane.kernel.ids import uuid7_floor
from policies.bundles.published import Governed, Published, moment, published
from policies.ui.documents import NO_TENANT
from policies.ui.people import names, person_in_full, sentence
from routing.calls.models import Call
from routing.reports.dossier import asking, recorded
from routing.reports.dossier.gather import gather
from routing.reports.dossier.serving import calls_of, routes_of
from routing.reports.dossier.values import Changed, Dossier, Reviewed
from routing.ui.report import days_between

_DAYS = 30


@dataclass(frozen=True, slots=True)
class Row:
    """One use case of the register."""

    one: Governed
    url: str
    routes: str
    calls: str
    valid: str
    tone: str


@require_safe
def use_cases(request: HttpRequest) -> HttpResponse:
    """`/use-cases/`: what AI is used for here."""
    found, now = published(), moment()
    seen = list(asking.use_cases(principal_of(request), found))
    conditions = {f"n{n}": calls_of(routes_of(one, found), found) for n, one in enumerate(seen)}
    since = uuid7_floor(now - timedelta(days=_DAYS))
    counted = Call.objects.filter(pk__gte=since).aggregate(
        **{name: Count("pk", filter=condition) for name, condition in conditions.items()}
    )
    today = now.astimezone(found.zone).date().isoformat()
    rows = [
        _row(one, found, count(counted[name]), today)
        for name, one in zip(conditions, seen, strict=True)
    ]
    return render(request, "routing/use_cases.html", {"rows": rows, "days": _DAYS})


def _row(one: Governed, found: Published, calls: str, today: str) -> Row:
    said = one.spec.get("validation") or {}
    ends = str(said.get("validUntil") or "")
    valid = f"until {ends}" if ends else "never validated"
    fits = bool(ends) and str(said.get("on", "")) <= today <= ends
    return Row(
        one=one,
        url=reverse("dossier", args=[one.tenant or NO_TENANT, one.name]),
        routes=", ".join(route.name for route in routes_of(one, found)),
        calls=calls,
        valid=valid if fits or not ends else f"lapsed on {ends}",
        tone="ok" if fits else "bad",
    )


@require_http_methods(["GET", "HEAD", "POST"])
def dossier(request: HttpRequest, tenant: str, name: str) -> HttpResponse:
    """`/use-cases/<tenant or ->/<name>/dossier/?from=&to=`. POST puts it on record, and gives the same page with its digest."""
    principal, found, now = principal_of(request), published(), moment()
    identity = ("" if tenant == NO_TENANT else tenant, name)
    given = request.POST if request.method == "POST" else request.GET
    trouble = ""
    days = asking.Days(given.get("from", ""), given.get("to", ""))
    try:
        asked = asking.asked(principal, identity, days, found, now)
    except InvalidRequest as error:
        trouble = sentence(error.message)
        asked = asking.asked(principal, identity, asking.Days(), found, now)
    made = gather(asked)
    context = _view(made, now) | {"tenant": tenant, "trouble": trouble}
    if request.method == "POST" and not trouble:
        entry, digest = recorded.put_on_record(principal, made)
        context |= {"entry": entry.hex, "digest": digest}
    return render(request, "routing/dossier.html", context)


def _view(made: Dossier, now: datetime) -> dict[str, Any]:
    known = names()
    return {
        "dossier": made,
        "head": made.head,
        "now": now,
        "span": days_between(made.head.first, made.head.last),
        "owner": person_in_full(made.head.owner, known),
        "validation": _validation(made.head.validation, known),
        "changes": [_change(one, known) for one in made.changes],
        "overrides": [
            (
                one,
                person_in_full(one.by, known),
                _moment(one.at),
                person_in_full(one.noted_by, known),
            )
            for one in made.overrides
        ],
        "reviews": [_reviewed(one) for one in made.reviews],
        "reviewers": [(person_in_full(one.by, known), one) for one in made.reviewers],
        "stops": [
            (person_in_full(one.by, known), person_in_full(one.lifted_by, known), one)
            for one in made.stops
        ],
        "models": [
            (one, money(one.cost_nano, made.head.currency), share(one.calls, made.figures.calls))
            for one in made.figures.models
        ],
        "cost": money(made.figures.cost_nano, made.head.currency),
        "places": [
            (
                one,
                reverse(
                    "document-at",
                    args=[one["kind"], one["tenant"] or NO_TENANT, one["name"], made.head.revision],
                ),
            )
            for one in made.governing
        ],
        "passed": sum(one.passed for one in made.tests.results),
    }


def _moment(text: str) -> datetime | None:
    """When it was, if it was at one moment."""
    return from_text(text) if text.endswith("Z") else None


def _validation(said: Mapping[str, Any], known: Mapping[str, str]) -> str:
    if not said:
        return "never validated"
    by = person_in_full(str(said.get("by")), known)
    return f"by {by} on {said.get('on')}, valid until {said.get('validUntil')}" + (
        f": {said['evidence']}" if said.get("evidence") else "; no evidence named"
    )


def _change(one: Changed, known: Mapping[str, str]) -> Mapping[str, Any]:
    return {
        "one": one,
        "url": reverse("change", args=[UUID(one.change)]) if one.change else "",
        "by": person_in_full(one.by, known),
        "author": person_in_full(one.author, known) if one.author else "",
        "approvals": [(person_in_full(given.by, known), given) for given in one.approvals],
        "replay": next((given.replay for given in one.approvals if given.replay), ""),
    }


def _reviewed(one: Reviewed) -> Mapping[str, Any]:
    def length(seconds: int | None) -> str:
        return "" if seconds is None else lasting(timedelta(seconds=seconds))

    return {"one": one, "mean": length(one.mean_seconds), "longest": length(one.longest_seconds)}
