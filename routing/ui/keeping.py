"""Legal holds and erasures in the console: what is kept on purpose, what is forgotten, and who agreed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from audit.retention import access, commands, read
from audit.retention.commands import Outcome
from audit.retention.models import ERASURES, HOLDS, TENANT_KEY, Erasure, Hold
from audit.ui.filters import page_of, read_filters
from audit.ui.request import principal_of
from audit.ui.words import short
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.ids import call_name
from controlplane.kernel.principal import Principal
from policies.bundles.published import Published, published
from policies.ui.people import names, person, sentence
from routing.reports.content import store
from routing.retention import erasing
from routing.retention.access import may_look_anywhere
from routing.retention.erasing import wanted
from routing.retention.holding import held, target_of

WAITING_ROWS = 50
_ERASED = "Erased. The key is destroyed; nobody reads it again."
_DONE = {
    TENANT_KEY: "Agreed. The key service deletes the key after its days of waiting; until then it can be called off there."
}
_FORM = ("kind", "tenant", "name", "reason", "basis")


@dataclass(frozen=True, slots=True)
class HoldRow:
    """One hold as the page shows it, and what this member may do about it."""

    hold: Hold
    what: str
    call: str
    by: str
    asked_by: str
    lifted_by: str
    may_ask: bool
    may_confirm: bool


@dataclass(frozen=True, slots=True)
class ErasureRow:
    """One erasure as the page shows it: `pseudonym` is of a data subject, whose id is stored nowhere."""

    erasure: Erasure
    what: str
    asked_by: str
    erased_by: str
    own: bool


@require_http_methods(["GET", "HEAD", "POST"])
def holds(request: HttpRequest) -> HttpResponse:
    """`/keeping/`: the legal holds that stand, or those that were lifted; POST sets one."""
    principal, found = principal_of(request), published()
    seen = read.visible_holds(principal)
    said, trouble = _said(request), ""
    if request.method == "POST":
        try:
            held(principal, target_of(said))
        except (Conflict, InvalidRequest, NotFound) as error:
            trouble = sentence(error.message)
        else:
            messages.success(request, "Held. Nothing of it is pruned or erased from now on.")
            return redirect("keeping")
    filters = read_filters(request, [("show", "Show", "holds that stand", (("lifted", "lifted"),))])
    rows = seen.filter(lifted_at__isnull=not filters.any)
    alone = found.single_operator
    context = _around(principal, found) | {
        "filters": filters,
        "page": page_of(request, rows, lambda part: _hold_rows(principal, part, alone=alone)),
        "kinds": [
            kind for kind in HOLDS if kind != "organisation" or access.may_hold(principal, "")
        ],
        "said": said,
        "trouble": trouble,
        "alone": alone,
    }
    return render(request, "routing/holds.html", context, status=422 if trouble else 200)


@require_POST
def lift(request: HttpRequest, hold: UUID) -> HttpResponse:
    """`/keeping/holds/<id>/lift/`: ask for the lifting, or confirm it."""
    try:
        done = commands.lift_hold(
            principal_of(request), hold, single_operator=published().single_operator
        )
    except Conflict as error:
        messages.error(request, sentence(error.message))
    else:
        asked = "Asked. Another admin or approver confirms the lifting."
        messages.success(request, asked if done is Outcome.ASKED else "The hold is lifted.")
    return redirect("keeping")


@require_http_methods(["GET", "HEAD", "POST"])
def erasures(request: HttpRequest) -> HttpResponse:
    """`/keeping/erasures/`: what waits and what was erased; POST shows what one would touch, and then asks for it."""
    principal, found = principal_of(request), published()
    seen = read.visible_erasures(principal)
    said, trouble, looked = _said(request), "", None
    if request.method == "POST":
        try:
            asked = wanted(principal, (said["kind"], said["tenant"], said["name"]), said["basis"])
            if "ask" in request.POST:
                row = commands.ask_erasure(principal, asked, store())
                messages.success(request, "Asked for. Nothing is destroyed until it is confirmed.")
                return redirect("erasure", row.id)
            looked = erasing.touched(asked.tenant, asked.key)
        except (Conflict, InvalidRequest, NotFound) as error:
            trouble = sentence(error.message)
    retirable = erasing.retirable(principal)
    waiting = list(seen.filter(erased_at=None).order_by("asked_at")[:WAITING_ROWS])
    done = page_of(
        request, seen.exclude(erased_at=None), lambda part: _erasure_rows(principal, part)
    )
    context = _around(principal, found) | {
        "waiting": _erasure_rows(principal, waiting),
        "page": done,
        "kinds": [kind for kind in ERASURES if kind != TENANT_KEY or retirable],
        "retirable": retirable,
        "archived": [name for name in retirable if not found.exists("Tenant", "", name)],
        "said": said,
        "trouble": trouble,
        "looked": looked,
        "alone": found.single_operator,
    }
    return render(request, "routing/erasures.html", context, status=422 if trouble else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def erasure(request: HttpRequest, erasure: UUID) -> HttpResponse:
    """`/keeping/erasures/<id>/`: what it touches; POST destroys the key that another member asked to destroy."""
    principal, alone = principal_of(request), published().single_operator
    row = read.one_erasure(principal, erasure)
    if request.method == "POST":
        try:
            erasing.confirm(principal, erasure)
        except Conflict as error:
            messages.error(request, sentence(error.message))
        else:
            messages.success(request, _DONE.get(row.kind, _ERASED))
        return redirect("erasure", erasure)
    (shown,) = _erasure_rows(principal, [row])
    own_key = row.kind == TENANT_KEY
    may = access.may_confirm(principal, "" if own_key else row.tenant)
    context = {
        "row": shown,
        "looked": erasing.touched(row.tenant, row.key),
        "may_confirm": may and (alone or not shown.own),
        "alone": alone,
        "own_key": own_key,
    }
    return render(request, "routing/erasure.html", context)


def _said(request: HttpRequest) -> dict[str, str]:
    return {name: request.POST.get(name, "").strip()[:512] for name in _FORM}


def _around(principal: Principal, found: Published) -> dict[str, object]:
    """Where this member may set holds and ask for erasures, and whether the page of data subjects is open."""
    places = sorted(d.name for d in found.of("Tenant") if access.may_hold(principal, d.name))
    return {
        "tenants": places,
        "everywhere": access.may_hold(principal, ""),
        "may_look_up": may_look_anywhere(principal),
    }


def _hold_rows(principal: Principal, holds: Sequence[Hold], *, alone: bool) -> list[HoldRow]:
    known = names()
    return [_hold_row(principal, hold, known, alone=alone) for hold in holds]


def _hold_row(
    principal: Principal, hold: Hold, known: Mapping[str, str], *, alone: bool
) -> HoldRow:
    may = hold.lifted_at is None and access.may_confirm(principal, hold.tenant)
    asked = bool(hold.lift_asked_by)
    return HoldRow(
        hold=hold,
        what=_held(hold),
        call=call_name(hold.call) if hold.call else "",
        by=person(hold.set_by, known),
        asked_by=person(hold.lift_asked_by, known),
        lifted_by=person(hold.lifted_by, known),
        may_ask=may and not asked,
        may_confirm=may and asked and (alone or hold.lift_asked_by != principal.actor),
    )


def _held(hold: Hold) -> str:
    match hold.kind:
        case "organisation":
            return "everything"
        case "tenant":
            return f"all of {hold.tenant}"
        case "subject":
            return f"user {_pseudonym(hold.name)}"
        case "call":
            return short(call_name(hold.call)) if hold.call else ""
    return hold.name


def _erasure_rows(principal: Principal, erasures: Sequence[Erasure]) -> list[ErasureRow]:
    known = names()
    return [
        ErasureRow(
            erasure=row,
            what=_erased(row),
            asked_by=person(row.asked_by, known),
            erased_by=person(row.erased_by, known),
            own=row.asked_by == principal.actor,
        )
        for row in erasures
    ]


def _erased(row: Erasure) -> str:
    if row.kind == TENANT_KEY:
        return "everything"
    name = row.key.rpartition("/")[2]
    return f"user {_pseudonym(row.key)}" if row.kind == "user" else f"{row.kind} {name}"


def _pseudonym(key: str) -> str:
    """The last part of a key's name: the commitment to a user, which tells one from another and names nobody."""
    return short(key.rpartition("/")[2])
