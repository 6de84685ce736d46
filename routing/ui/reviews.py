"""The review queue and one case's page: who asked, what a model answered, why it was held, and what a person decides."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from audit.ui.request import principal_of
from audit.ui.words import ago, lasting, money
from controlplane.kernel.errors import Conflict, Forbidden, InvalidRequest, MandateError
from controlplane.kernel.ids import call_name
from controlplane.kernel.principal import Principal
from policies.bundles.published import Published, moment, published
from policies.ui.documents import NO_TENANT
from policies.ui.people import names, person, sentence
from routing.calls.models import Attempt
from routing.reports.reviews import STAGES, Piece, compared, counted, decisions, queue
from routing.reviews import access, commands
from routing.reviews.content import Opened
from routing.reviews.models import ReviewCase, ReviewDecision
from routing.validation.edits import problems

SHOWN = 100
_DONE = {
    "approved": "Approved. The call goes on.",
    "edited": "Your text is what the caller gets.",
    "redacted": "The answer went out without what you marked.",
    "rejected": "Rejected. The caller reads your reason.",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One case in the list."""

    id: UUID
    url: str
    route: str
    place: str
    why: str
    due: str
    overdue: bool
    claim: str
    came_from: str
    here: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that asked for a person."""

    name: str
    url: str
    line: int


@dataclass(frozen=True, slots=True)
class Made:
    """What one person decided."""

    who: str
    verdict: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt."""

    no: int
    model: str
    state: str
    cost: str


@dataclass(frozen=True, slots=True)
class _View:
    principal: Principal
    found: Published
    now: datetime
    known: Mapping[str, str]


@require_safe
def reviews(request: HttpRequest) -> HttpResponse:
    """`/reviews/`: what waits, due first first; `?queue=` narrows it."""
    return render(request, "routing/reviews.html", _list(_view(request), request, None))


@require_safe
def review(request: HttpRequest, review: UUID) -> HttpResponse:
    """`/reviews/<id>/`: one case beside the list. Its content is decrypted for who has claimed it; each view is an entry."""
    view = _view(request)
    case = access.get(view.principal, view.found, review)
    return render(request, "routing/reviews.html", _page(request, view, case))


@require_POST
def take_next(request: HttpRequest) -> HttpResponse:
    """`/reviews/next/`: claim the case that is due first and that nobody has."""
    view = _view(request)
    for case in queue(view.principal, view.found)[:SHOWN]:
        try:
            commands.claim(view.principal, case.id)
        except (Conflict, Forbidden):
            continue
        return redirect("review", case.id)
    messages.warning(request, "No case is free: all are claimed, or decided by you already.")
    return redirect("reviews")


@require_POST
def claim(request: HttpRequest, review: UUID) -> HttpResponse:
    """`/reviews/<id>/claim/`."""
    try:
        commands.claim(principal_of(request), review)
    except Conflict as error:
        messages.error(request, sentence(error.message))
    return redirect("review", review)


@require_POST
def release(request: HttpRequest, review: UUID) -> HttpResponse:
    """`/reviews/<id>/release/`: give it back."""
    try:
        commands.give_back(principal_of(request), review)
    except Conflict as error:
        messages.error(request, sentence(error.message))
    return redirect("review", review)


@require_POST
def decide(request: HttpRequest, review: UUID) -> HttpResponse:
    """`/reviews/<id>/decide/`: the button that was pressed says what; what was written is kept when it is refused."""
    view = _view(request)
    case = access.get(view.principal, view.found, review)
    try:
        done = _decide(view.principal, case, request)
    except Forbidden as error:
        access.require_review(view.principal, view.found, case)
        messages.error(request, sentence(error.message))
        return redirect("review", review)
    except (Conflict, InvalidRequest) as error:
        return _refused(request, view, case, error)
    if done.closed:
        messages.success(request, _DONE.get(done.outcome, "Decided."))
    else:
        messages.success(request, "Counted. Another person decides too.")
    return redirect("reviews")


def case_of(principal: Principal, call: UUID) -> str:
    """Where a call's open case is, for who may see it; else nothing."""
    case = access.visible(principal, published()).filter(call=call, closed_at=None).first()
    return reverse("review", args=[case.id]) if case else ""


def _decide(principal: Principal, case: ReviewCase, request: HttpRequest) -> commands.Decided:
    form, reason = request.POST, request.POST.get("reason", "")
    match form.get("verdict"):
        case "approve":
            return commands.approve(principal, case.id, _version(form.get("version", "")), reason)
        case "edit":
            text = form.get("text", "").replace("\r\n", "\n")
            return commands.edit(principal, case.id, text, reason, problems)
        case "redact":
            lines = [line.strip() for line in form.get("out", "").splitlines()]
            return commands.redact_words(principal, case.id, [x for x in lines if x], reason)
        case "reject":
            return commands.reject(principal, case.id, reason)
    raise InvalidRequest("choose what to do: approve, edit, redact or reject")


def _refused(
    request: HttpRequest, view: _View, case: ReviewCase, error: MandateError
) -> HttpResponse:
    case.refresh_from_db()
    context = _page(request, view, case)
    context |= {
        "error": sentence(error.message),
        "reason": request.POST.get("reason", ""),
        "text": request.POST.get("text", ""),
        "out": request.POST.get("out", ""),
    }
    status = 409 if isinstance(error, Conflict) else 422
    return render(request, "routing/reviews.html", context, status=status)


def _version(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else -1


def _view(request: HttpRequest) -> _View:
    return _View(principal_of(request), published(), moment(), names())


def _list(view: _View, request: HttpRequest, chosen: ReviewCase | None) -> dict[str, object]:
    rows = access.visible(view.principal, view.found).filter(closed_at=None)
    asked = request.GET.get("queue", "")
    every = list(rows.order_by("due_at", "id")[: SHOWN + 1])
    shown = [case for case in every[:SHOWN] if not asked or case.queue == asked]
    return {
        "lines": [_line(view, case, chosen) for case in shown],
        "position": _position(view, every, chosen),
        "more": len(every) > SHOWN,
        "open": len(every),
        "overdue": sum(case.due_at <= view.now for case in every),
        "queues": sorted({case.queue for case in every}),
        "asked": asked,
        "may_take": access.decides(view.principal, view.found),
    }


def _line(view: _View, case: ReviewCase, chosen: ReviewCase | None) -> Line:
    return Line(
        id=case.id,
        url=reverse("review", args=[case.id]),
        route=case.route,
        place=f"{case.tenant} / {case.team}",
        why=case.message or STAGES[case.stage],
        due=_due(case, view.now),
        overdue=case.due_at <= view.now,
        claim=_claim(view, case),
        came_from=case.came_from,
        here=chosen is not None and case.id == chosen.id,
    )


def _due(case: ReviewCase, now: datetime) -> str:
    if case.due_at <= now:
        return f"{_span(now, case.due_at)} overdue"
    return f"{_span(case.due_at, now)} left"


def _span(later: datetime, earlier: datetime) -> str:
    minutes = int((later - earlier).total_seconds()) // 60
    return f"{minutes} min" if minutes < 120 else lasting(later - earlier)


def _claim(view: _View, case: ReviewCase) -> str:
    if not case.claimed_by or case.claimed_until is None or case.claimed_until <= view.now:
        return ""
    mine = case.claimed_by == view.principal.actor
    return f"Claimed by {'you' if mine else person(case.claimed_by, view.known)}"


def _page(request: HttpRequest, view: _View, case: ReviewCase) -> dict[str, object]:
    made = decisions(case)
    mine = case.closed_at is None and access.has(view.principal, case)
    opened, unread = _content(view, case) if mine else (None, "")
    return _list(view, request, case) | {
        "case": case,
        "call": call_name(case.call),
        "stage": STAGES[case.stage],
        "due": _due(case, view.now),
        "late": case.closed_at is None and case.due_at <= view.now,
        "claim": _claim(view, case),
        "mine": mine,
        "may": case.closed_at is None and access.may_review(view.principal, view.found, case),
        "rules": [_rule(rule) for rule in case.rules],
        "tries": _tries(case, view.found.currency),
        "made": _made(made, view.known),
        "counted": counted(case, made),
        "opened": opened,
        "unread": unread,
        "edit": _edit(opened),
        "text": opened.draft.text if opened and opened.draft else "",
        "opened_ago": ago(view.now, view.now),
    }


def _content(view: _View, case: ReviewCase) -> tuple[Opened | None, str]:
    """The content, or why it cannot be read."""
    try:
        return commands.look(view.principal, case.id), ""
    except (Conflict, Forbidden) as error:
        return None, sentence(error.message)


def _position(view: _View, every: Sequence[ReviewCase], chosen: ReviewCase | None) -> str:
    """Which of the cases that one may decide this is."""
    if chosen is None:
        return ""
    ids = [case.id for case in every if access.is_reviewer(view.principal, view.found, case)]
    return f"{ids.index(chosen.id) + 1} of {len(ids)}" if chosen.id in ids else ""


def _edit(opened: Opened | None) -> Sequence[Piece]:
    if opened is None or opened.draft is None or opened.first is None:
        return ()
    return list(compared(opened.first.text, opened.draft.text))


def _rule(rule: Mapping[str, object]) -> Rule:
    kind, tenant, name = (str(rule.get(part, "")) for part in ("kind", "tenant", "name"))
    url = reverse("document", args=[kind, tenant or NO_TENANT, name])
    return Rule(f"{tenant} / {name}" if tenant else name, url, int(str(rule.get("line") or 0)))


def _tries(case: ReviewCase, currency: str) -> list[Try]:
    rows: Iterable[Attempt] = Attempt.objects.filter(call=case.call).order_by("no")
    return [
        Try(a.no, a.model, a.state, money(a.posted_nano + a.overrun_nano, currency)) for a in rows
    ]


def _made(found: Sequence[ReviewDecision], known: Mapping[str, str]) -> list[Made]:
    return [Made(person(d.actor, known), d.verdict, d.reason, d.decided_at) for d in found]
