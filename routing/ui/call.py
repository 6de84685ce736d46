"""One call's page: why it went as it went, decided again on request, its content for those who may."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audit.log import access as log_access
from audit.log import read as log_read
from audit.log import receipts
from audit.ui.entries import row_of
from audit.ui.proofs import ProofView, view_of
from audit.ui.request import principal_of
from audit.ui.words import count, lasting, money
from controlplane.kernel.errors import Conflict, InvalidRequest, NotFound
from controlplane.kernel.ids import call_name, parse_call_name
from controlplane.kernel.principal import Principal
from policies.bundles.published import published
from policies.changes import access as drafting
from policies.decisions.replay import Replay, replay
from policies.engine.decision import BUILT_IN
from policies.ui.documents import NO_TENANT
from policies.ui.people import sentence
from routing.beside.read import with_runs
from routing.calls import access
from routing.calls.models import Attempt, Call
from routing.reports import story
from routing.reports.considered import (
    NO_MATCH,
    CandidateLine,
    RuleLine,
    candidates_of,
    of_tool,
    rules_of,
)
from routing.reports.content import open_call, weighed_text
from routing.reports.ending import cancel_for
from routing.reports.redactions import redactions
from routing.reports.weighed import Weighing
from routing.reports.why import Stage, Why, why
from routing.ui.beside import beside_of
from routing.ui.bill import bill_rows
from routing.ui.chain import chain
from routing.ui.facts import facts_rows
from routing.ui.reviews import case_of

_TONES = {
    "permit": ("ok", "check"),
    NO_MATCH: ("", "dashed"),
    "recorded": ("", "info"),
    "error": ("warn", "alert"),
}
_STAGES = {
    "request": "At the request stage",
    "tool": "Before a tool ran",
    "response": "At the response stage, before the caller sees it",
    "failure": "After a failure",
}


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule as the table shows it."""

    outcome: str
    tone: str
    symbol: str
    name: str
    url: str
    place: str
    saw: str
    note: str
    determining: bool


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One model as the table shows it."""

    model: str
    result: str
    tone: str
    symbol: str
    why: str


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt as the table shows it."""

    no: int
    model: str
    provider: str
    state: str
    note: str
    latency: str
    tokens_in: str
    tokens_out: str
    cost: str


@require_safe
def call(request: HttpRequest, name: str) -> HttpResponse:
    """`/calls/call_…/`."""
    return _page(request, principal_of(request), name)


@require_POST
def again(request: HttpRequest, name: str) -> HttpResponse:
    """`/calls/call_…/again/`: decide again in a fresh process."""
    principal = principal_of(request)
    found = _again(replay(_get(principal, name).id, weighed_text))
    if request.headers.get("hx-request") == "true":
        return render(request, "routing/again.html", {"again": found})
    return _page(request, principal, name, again=found)


@require_http_methods(["GET", "HEAD", "POST"])
def content(request: HttpRequest, name: str) -> HttpResponse:
    """`/calls/call_…/content/`: asks for a reason, then opens prompt and answer; each view is an entry."""
    found = _get(principal := principal_of(request), name)
    access.require_open(principal, found)
    reason = request.POST.get("reason", "").strip()[:200]
    context: dict[str, Any] = {"call": found, "name": call_name(found.id), "reason": reason}
    if request.method == "POST":
        try:
            context["opened"] = open_call(principal, found, reason)
        except InvalidRequest as error:
            context["error"] = sentence(error.message)
    return render(request, "routing/content.html", context)


@require_safe
def receipt(request: HttpRequest, name: str) -> HttpResponse:
    """`/calls/call_…/receipt/`: the proof of the call's first entry."""
    found = _get(principal_of(request), name)
    first = next(iter(log_read.of_call(found.id)), None)
    proven = log_read.entry(first.id) if first else None
    if proven is None:
        raise NotFound("this call has no entry yet; ask again in a moment")
    return receipts.as_file(proven)


@require_POST
def cancel(request: HttpRequest, name: str) -> HttpResponse:
    """`/calls/call_…/cancel/`."""
    principal = principal_of(request)
    found = _get(principal, name)
    try:
        messages.success(request, sentence(cancel_for(principal, found)))
    except Conflict as error:
        messages.error(request, sentence(error.message))
    return redirect("call", call_name(found.id))


def _get(principal: Principal, name: str) -> Call:
    return access.get(principal, _id(name))


def _with_runs(principal: Principal, name: str) -> Call:
    found: Call | None = with_runs(access.visible(principal)).filter(pk=_id(name)).first()
    return _get(principal, name) if found is None else found


def _id(name: str) -> UUID:
    try:
        return parse_call_name(name)
    except ValueError:
        raise NotFound(f'there is no call "{name}"') from None


def _page(request: HttpRequest, principal: Principal, name: str, **more: object) -> HttpResponse:
    told = why(found := _with_runs(principal, name), published().currency)
    context = {
        "call": found,
        "name": call_name(found.id),
        "why": _view(principal, told),
        "receipt": _receipt(told),
        "may_cancel": found.finished_at is None and access.may_cancel(principal, found),
        "may_see_content": access.may_open(principal, found),
        "may_read_log": log_access.may_read(principal),
        "review": case_of(principal, found.id),
        **beside_of(found, published().currency),
        "may_test": drafting.may_draft(principal, found.tenant),
        **more,
    }
    return render(request, "routing/call.html", context)


def _again(found: Replay) -> dict[str, object]:
    different = next((s for s in found.stages if not s.identical), found.stages[-1])
    return {
        "identical": found.identical,
        "digest": different.again,
        "recorded": different.recorded,
        "engine": found.engine,
        "stages": len(found.stages),
        "explanation": sentence(
            found.explanation or "The same facts and the same bundle gave another decision"
        ),
    }


def _receipt(told: Why) -> ProofView | None:
    proven = log_read.entry(told.entries[0].id) if told.entries else None
    return view_of(proven) if proven else None


def _view(principal: Principal, told: Why) -> dict[str, object]:
    stages = [(_heading(stage), _rules(stage)) for stage in told.stages]
    stages += [(_of_tool(one), _tool_rules(one)) for one in told.weighings if one.tool]
    rules = [rule for _, of_stage in stages for rule in of_stage]
    candidates = _candidates(told)
    return {
        "title": story.title(told.call),
        "sentence": story.sentence(told.told),
        "steps": story.steps(told.told, told.entries),
        "stages": stages,
        "redacted": redactions(told.entries),
        "rule_count": len(rules),
        "determining": sum(rule.determining for rule in rules),
        "candidates": candidates,
        "dropped": sum(row.result == "dropped" for row in candidates),
        "attempts": [_attempt(a, told.currency) for a in told.attempts],
        "bills": bill_rows(told),
        "weighings": told.weighings,
        "totals": _totals(told),
        "money": _money(told),
        "entries": [row_of(line) for line in told.entries],
        "digest": told.last.digest if told.last else "",
        "recomputed": told.last.identical if told.last else False,
        "engine": 1,
        "facts": facts_rows(told.last.facts if told.last else None),
        "chain": chain(principal, told.call.revision, rules),
        "paid": [
            {"name": row.budget, "amount": money(row.amount_nano, told.currency)}
            for row in told.paid
        ],
        "explain_url": reverse("api-call-explain", args=[call_name(told.call.id)]),
    }


def _heading(stage: Stage) -> str:
    words = _STAGES.get(stage.name, stage.name)
    again = (
        f", decided again under revision {stage.revision}"
        if stage.no > 1 and stage.name == "request"
        else ""
    )
    return f"{words}{again}" + (f": {stage.error}" if stage.error else "")


def _rules(stage: Stage) -> list[RuleRow]:
    return [rule_row(line, stage.revision) for line in rules_of(stage.trace)] if stage.trace else []


def _of_tool(one: Weighing) -> str:
    return f"{_STAGES['tool']}: {one.measured}" + (f": {one.error}" if one.error else "")


def _tool_rules(one: Weighing) -> list[RuleRow]:
    determining = one.weighed.determining if one.weighed else ()
    return [rule_row(line, one.revision) for line in of_tool(one.rules, determining)]


def rule_row(line: RuleLine, revision: int = 0) -> RuleRow:
    """A rule as tables show it; with a revision its link leads to the text that was in force then."""
    tone, symbol = _TONES.get(line.outcome, ("bad", "cross-circle"))
    built_in = line.kind == BUILT_IN
    place = [
        line.tenant or ("" if built_in else "organisation"),
        f"line {line.line}" if line.line else "",
        line.level,
    ]
    url = "" if built_in else _text_of((line.kind, line.tenant or NO_TENANT, line.name), revision)
    return RuleRow(
        outcome=line.outcome,
        tone=tone,
        symbol=symbol,
        name=line.name.replace("-", " ") if built_in else line.name,
        url=f"{url}#L{line.line}" if url and line.line else url,
        place=", ".join(part for part in place if part),
        saw=line.saw,
        note=line.note,
        determining=line.determining,
    )


def _text_of(at: tuple[str, str, str], revision: int) -> str:
    return (
        reverse("document-at", args=[*at, revision]) if revision else reverse("document", args=at)
    )


def _candidates(told: Why) -> list[CandidateRow]:
    last = told.last
    if last is None or last.trace is None:
        return []
    tried: dict[str, list[Attempt]] = {}
    for attempt in told.attempts:
        tried.setdefault(attempt.model, []).append(attempt)
    return [
        _candidate(line, tried.get(line.model.rpartition("/")[2], []))
        for line in candidates_of(last.trace)
    ]


def _candidate(line: CandidateLine, tried: Sequence[Attempt]) -> CandidateRow:
    if line.result != "planned":
        return CandidateRow(line.model, line.result, "", "close", line.why)
    if not tried:
        return CandidateRow(line.model, "not needed", "", "dashed", f"{line.why}; never reached")
    numbers = ", ".join(str(attempt.no) for attempt in tried)
    words = f"attempt{'s' if len(tried) > 1 else ''} {numbers}, {line.why}"
    if any(attempt.state == "succeeded" for attempt in tried):
        return CandidateRow(line.model, "ran", "ok", "check", words)
    return CandidateRow(line.model, "tried", "warn", "alert", words)


def _attempt(attempt: Attempt, currency: str) -> AttemptRow:
    took = story.latency(attempt)
    return AttemptRow(
        no=attempt.no,
        model=attempt.model,
        provider=attempt.provider,
        state=attempt.state,
        note=story.failure_in_words(attempt),
        latency=lasting(took) if took is not None else "",
        tokens_in=count(attempt.tokens_input or 0),
        tokens_out=count(attempt.tokens_output or 0),
        cost=money(attempt.posted_nano + attempt.overrun_nano, currency),
    )


def _totals(told: Why) -> dict[str, str]:
    sums = told.totals
    return {
        "latency": lasting(sums.latency),
        "tokens_in": count(sums.tokens_input),
        "tokens_out": count(sums.tokens_output),
        "cost": money(sums.cost_nano, told.currency),
    }


def _money(told: Why) -> str:
    if not told.attempts:
        return "none"
    reserved = money(told.totals.reserved_nano, told.currency)
    posted = money(told.totals.cost_nano, told.currency)
    rest = ", the rest voided" if told.call.finished_at else ""
    return f"reserved {reserved}, posted {posted}{rest}"
