"""The pages of exit drills: the form, those there were, and one with what it showed."""

import json
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.ui.filters import page_of
from audit.ui.request import principal_of
from controlplane.kernel.errors import InvalidRequest, MandateError
from controlplane.kernel.principal import Principal
from policies.bundles.snapshot import published
from policies.replay import access, commands, drills, told
from policies.replay.models import DONE
from policies.replay.values import Counts
from policies.ui.people import person, sentence
from policies.ui.replays import found_in

_ROWS = 8
DAYS = (7, 14, 30, 90)


@require_http_methods(["GET", "HEAD", "POST"])
def all_drills(request: HttpRequest) -> HttpResponse:
    """`/reports/exit-drills/`: take something away on trial, and what was tried before."""
    principal = principal_of(request)
    if request.method == "POST":
        return _begin(request, principal)
    rows = access.drills(principal).defer("draft", "draft_checked", "partial", "result")
    context = {
        "page": page_of(request, rows, lambda found: [(row, person(row.actor)) for row in found]),
        "places": places(principal),
        "choices": drills.choices(published().bundle, _place(principal)),
        "days": DAYS,
        "may": access.drills_somewhere(principal),
    }
    return render(request, "policies/drills.html", context)


@require_safe
def one_drill(request: HttpRequest, drill: UUID) -> HttpResponse:
    """`/reports/exit-drills/<id>/`: how far it is, and what it showed."""
    principal = principal_of(request)
    row = access.drill(principal, drill)
    context: dict[str, object] = {"drill": row, "by": person(row.actor)}
    if row.state == DONE:
        found = found_in(principal, row)
        context |= {
            "found": found,
            "said": told.drilled(found.part.counts, found.part.currency),
            "served": _largest(found.part.counts.served),
            "blocked": _largest(found.part.counts.blocked),
            "lines": [(line.name, line.counts, _share(line.counts)) for line in found.lines],
        }
    return render(request, "policies/drill.html", context)


@require_POST
def cancel(request: HttpRequest, drill: UUID) -> HttpResponse:
    """`/reports/exit-drills/<id>/cancel/`: end it."""
    try:
        commands.cancel_drill(principal_of(request), drill)
    except MandateError as error:
        if error.status == 404:
            raise
        messages.error(request, sentence(error.message))
    return redirect("exit-drill", drill)


@require_safe
def evidence(request: HttpRequest, drill: UUID) -> HttpResponse:
    """`/reports/exit-drills/<id>/evidence/`: everything in it, as a file."""
    try:
        found = drills.evidence(principal_of(request), drill)
    except InvalidRequest as error:
        messages.error(request, sentence(error.message))
        return redirect("exit-drill", drill)
    answer = HttpResponse(json.dumps(found, indent=2), content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="exit-drill-{drill.hex}.json"'
    return answer


def places(principal: Principal) -> list[tuple[str, str]]:
    """Where one may run a drill: (tenant, words)."""
    names = sorted(published().bundle.tenants)
    found = [(name, name) for name in names if access.may_drill(principal, name)]
    if access.may_drill(principal, ""):
        found.insert(0, ("", "the whole organisation"))
    return found


def _place(principal: Principal) -> str:
    """Whose models the form offers: all of the organisation's where one may drill there, else those of the first tenant."""
    found = places(principal)
    return found[0][0] if found else "-"


def _begin(request: HttpRequest, principal: Principal) -> HttpResponse:
    kind, _, name = request.POST.get("what", "").partition(":")
    days = request.POST.get("days", "7")
    wanted = drills.Drill(
        kind=kind,
        name=name,
        days=int(days) if days.isascii() and days.isdigit() and len(days) < 5 else 0,
        tenant=request.POST.get("tenant", ""),
    )
    try:
        row = drills.begin(principal, wanted)
    except InvalidRequest as error:
        messages.error(request, sentence(error.message))
        return redirect("exit-drills")
    return redirect("exit-drill", row.id)


def _largest(table: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(table.items(), key=lambda one: (-one[1], one[0]))[:_ROWS]


def _share(counts: Counts) -> str:
    if not counts.served_before:
        return "nothing was served"
    return f"{counts.served_after * 100 / counts.served_before:.1f} %".replace(".0 %", " %")
